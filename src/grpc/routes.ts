import type { DescMethod, DescMethodUnary, DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import type { CallContext } from "./call.ts";
import type { UnaryHandler } from "./unary.ts";

/** The handlers of a service. Those of unary calls are given less than Connect would give them. */
export type Handlers<Service extends DescService> = {
  [Name in keyof ServiceImpl<Service>]: Service["method"][Name & string]["methodKind"] extends "unary"
    ? (
        request: Parameters<ServiceImpl<Service>[Name]>[0],
        context: CallContext,
      ) => ReturnType<ServiceImpl<Service>[Name]>
    : ServiceImpl<Service>[Name];
};

/** Where services are registered. */
export interface Routes {
  service<Service extends DescService>(service: Service, handlers: Handlers<Service>): void;
}

/** Registers services with a Connect router, and keeps the handlers of unary calls by their path. */
export function routesInto(router: ConnectRouter, unary: Map<string, UnaryHandler>): Routes {
  return {
    service(service, handlers) {
      const implementation = handlers as Partial<ServiceImpl<typeof service>>;
      router.service(service, implementation);
      for (const method of service.methods.filter(isUnary)) {
        const run = implementation[method.localName] as UnaryHandler["run"] | undefined;
        if (run === undefined) continue;
        unary.set(`/${service.typeName}/${method.name}`, { method, run: run.bind(handlers) });
      }
    },
  };
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}
