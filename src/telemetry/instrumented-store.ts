import { SpanKind } from "@opentelemetry/api";
import { describeError } from "./error-description.ts";
import type { Instruments } from "./instruments.ts";
import type { Tracing } from "./tracing.ts";

interface Deps {
  readonly tracing: Tracing;
  readonly instruments: Instruments;
  /** Of the port, e.g. "SignatureStore": part of each operation's name. */
  readonly name: string;
}

type Method = (...args: unknown[]) => unknown;

/**
 * A store whose methods are measured, each in a span of the caller's trace. Operations carry the port's
 * names: statements and their values stay out of both.
 */
export function instrumentedStore<Store extends object>(store: Store, deps: Deps): Store {
  const measured = new Map<PropertyKey, Method>();
  return new Proxy(store, {
    get(target, property) {
      const known = measured.get(property);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function" || typeof property !== "string") return value;
      const method = measuredMethod(target, `${deps.name}.${property}`, value as Method, deps);
      measured.set(property, method);
      return method;
    },
  });
}

function measuredMethod(target: object, operation: string, method: Method, deps: Deps): Method {
  const { tracing, instruments } = deps;
  const labels = { "db.system.name": "postgresql", "db.operation.name": operation } as const;
  const description = { name: operation, kind: SpanKind.CLIENT, attributes: labels, insideOnly: true };
  const run = async (args: unknown[]): Promise<unknown> => {
    const begun = performance.now();
    const ended = (failed?: { "error.type": string }) =>
      instruments.databaseDuration.record((performance.now() - begun) / 1000, { ...labels, ...failed });
    try {
      const result = await method.apply(target, args);
      ended();
      return result;
    } catch (error) {
      ended({ "error.type": sqlState(error) });
      throw error;
    }
  };
  return tracing.enabled ? (...args) => tracing.span(description, () => run(args)) : (...args) => run(args);
}

function sqlState(error: unknown): string {
  const causes = [error, error instanceof Error ? error.cause : undefined];
  for (const cause of causes) {
    const { code } = describeError(cause);
    if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) return code;
  }
  return "_OTHER";
}
