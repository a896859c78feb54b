import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { GrpcError, grpcClient } from "./grpc-client.ts";
import { reconnectQuickly } from "./router-process.ts";

type Change = { readonly status: string; readonly at: number };

/** What grpc.health.v1 says of the service, as a load balancer that watches it sees it. */
export class ServiceHealth implements Disposable {
  readonly changes: Change[] = [];
  /** How the watch ended. */
  readonly ended: Promise<GrpcError | undefined>;
  readonly #client: ReturnType<typeof grpcClient<typeof Health>>;
  readonly #waiting = new Set<() => void>();

  constructor(address: string) {
    this.#client = grpcClient(Health, address, undefined, reconnectQuickly);
    this.ended = this.#watch();
  }

  /** When it last came to say so; waits until it does. */
  async says(status: "SERVING" | "NOT_SERVING"): Promise<number> {
    for (;;) {
      const last = this.changes.at(-1);
      if (last?.status === status) return last.at;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async check(service: string): Promise<string> {
    return nameOf((await this.#client.check({ service })).status);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #watch(): Promise<GrpcError | undefined> {
    try {
      for await (const { status } of this.#client.watch({ service: SignatureService.typeName })) {
        this.changes.push({ status: nameOf(status), at: performance.now() });
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
      }
      return undefined;
    } catch (error) {
      if (error instanceof GrpcError) return error;
      throw error;
    }
  }
}

function nameOf(status: Status): string {
  return Object.entries(Status).find(([, known]) => known === status)?.[0] ?? "";
}

interface Readyz {
  readonly status: number;
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, { state: string; since: string; detail?: string; cure?: string }>>;
}

/** What /readyz says. */
export async function readyz(opsUrl: string): Promise<Readyz> {
  const response = await fetch(`${opsUrl}/readyz`);
  return { status: response.status, ...((await response.json()) as Omit<Readyz, "status">) };
}
