import { EventEmitter, on } from "node:events";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  SignatureService,
  type StartSignatureRequestSchema,
} from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { HealthState, healthService } from "../../src/grpc/health.ts";
import type { BegunCall, EndedCall } from "../../src/grpc/observe.ts";
import { serveReflection } from "../../src/grpc/reflection.ts";
import { type GrpcServer, type GrpcServerOptions, startGrpcServer } from "../../src/grpc/server.ts";
import { signatureService } from "../../src/grpc/signature-service.ts";
import { type GrpcClient, grpcClient } from "./grpc-client.ts";
import { SignatureUseCases } from "./signature-use-cases.ts";

export interface RunningServer extends AsyncDisposable {
  readonly server: GrpcServer;
  /** host:port */
  readonly address: string;
  readonly useCases: SignatureUseCases;
  readonly health: HealthState;
  readonly client: GrpcClient<typeof SignatureService>;
  readonly calls: Calls;
}

/** What the server observed; a call may be waited for before or after it has ended. */
export class Calls {
  readonly begun: BegunCall[] = [];
  readonly ended: EndedCall[] = [];
  readonly #events = new EventEmitter();

  end(call: EndedCall): void {
    this.ended.push(call);
    this.#events.emit("end");
  }

  /** The first call of a method that has ended. */
  async of(method: string): Promise<EndedCall> {
    const events = on(this.#events, "end");
    for (;;) {
      const call = this.ended.find((one) => one.method === method);
      if (call) return call;
      await events.next();
    }
  }
}

/** The whole gRPC layer on a free port, over use cases in memory. */
export async function runServer(options: Partial<GrpcServerOptions> = {}): Promise<RunningServer> {
  const useCases = new SignatureUseCases();
  const health = new HealthState([SignatureService.typeName]);
  const calls = new Calls();
  const server = await startGrpcServer({
    listen: { host: "127.0.0.1", port: 0 },
    routes(router, closing) {
      router.service(SignatureService, signatureService(useCases.deps(closing)));
      router.service(Health, healthService(health, closing));
      serveReflection(router, [SignatureService, Health], closing);
    },
    observe: {
      begin(call) {
        calls.begun.push(call);
        return {
          traceId: "0af7651916cd43dd8448eb211c80319c",
          run: (work) => work(),
          end: (end) => calls.end(end),
        };
      },
    },
    ...options,
  });
  const address = `127.0.0.1:${server.address.port}`;
  const client = grpcClient(SignatureService, address);
  return {
    server,
    address,
    useCases,
    health,
    client,
    calls,
    async [Symbol.asyncDispose]() {
      client.close();
      await server.drain(0);
    },
  };
}

type StartSignatureInit = Extract<
  MessageInitShape<typeof StartSignatureRequestSchema>,
  { $typeName?: never }
>;

/** A request without a fault; override one thing. */
export function aStartRequest(change: StartSignatureInit = {}): StartSignatureInit {
  return {
    idempotencyKey: "payment-4711",
    customerId: "customer-1",
    phoneNumber: "+34600000001",
    transaction: {
      type: "transfer",
      amount: { currencyCode: "EUR", units: 12n, nanos: 500_000_000 },
      payee: "Panadería Sol",
      payeeAccount: "ES9121000418450200051332",
    },
    ...change,
  };
}
