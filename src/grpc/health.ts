import { Code, ConnectError } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "../gen/grpc/health/v1/health_pb.ts";
import { type Keepalive, repeatWhenSilent } from "./repeat-when-silent.ts";
import type { Handlers } from "./routes.ts";

export type ServingStatus = "SERVING" | "NOT_SERVING";

const statusOf = { SERVING: Status.SERVING, NOT_SERVING: Status.NOT_SERVING } satisfies Record<
  ServingStatus,
  Status
>;

/** Whether each service can be called; "" stands for the process as a whole. */
export class HealthState {
  readonly #statuses: Map<string, ServingStatus>;
  readonly #watchers = new Set<() => void>();

  /** @param services full names; all of them and "" start as NOT_SERVING */
  constructor(services: readonly string[]) {
    this.#statuses = new Map(["", ...services].map((service) => [service, "NOT_SERVING"]));
  }

  set(service: string, status: ServingStatus): void {
    this.#statuses.set(service, status);
    for (const wake of this.#watchers) wake();
  }

  /** Every service at once. */
  setAll(status: ServingStatus): void {
    for (const service of this.#statuses.keys()) this.set(service, status);
  }

  get(service: string): ServingStatus | undefined {
    return this.#statuses.get(service);
  }

  all(): ReadonlyMap<string, ServingStatus> {
    return this.#statuses;
  }

  /** The status now and after each change, undefined while unknown; quick changes may come as one. */
  async *watch(service: string, signal: AbortSignal): AsyncGenerator<ServingStatus | undefined> {
    let woken = Promise.withResolvers<void>();
    const wake = (): void => woken.resolve();
    this.#watchers.add(wake);
    signal.addEventListener("abort", wake);
    try {
      for (let last: ServingStatus | undefined | null = null; ; ) {
        // Made before the state is read, so that no change falls between the two.
        woken = Promise.withResolvers();
        const status = this.get(service);
        if (status !== last) {
          last = status;
          yield status;
        } else if (signal.aborted) {
          return;
        } else {
          await woken.promise;
        }
      }
    } finally {
      this.#watchers.delete(wake);
      signal.removeEventListener("abort", wake);
    }
  }
}

/**
 * Handlers of grpc.health.v1.
 * @param closing fires, with the Failure that callers shall see, when the server starts to close
 * @param keepalive when a watch says the same status again
 */
export function healthService(
  state: HealthState,
  closing: AbortSignal,
  keepalive?: Keepalive,
): Handlers<typeof Health> {
  return {
    check({ service }) {
      const status = state.get(service);
      if (status === undefined) throw new ConnectError("unknown service", Code.NotFound);
      return { status: statusOf[status] };
    },

    list() {
      const statuses = [...state.all()].map(([service, status]) => [service, { status: statusOf[status] }]);
      return { statuses: Object.fromEntries(statuses) };
    },

    async *watch({ service }, context) {
      const ended = AbortSignal.any([context.signal, closing]);
      for await (const status of repeatWhenSilent(state.watch(service, ended), keepalive)) {
        yield { status: status === undefined ? Status.SERVICE_UNKNOWN : statusOf[status] };
      }
      ended.throwIfAborted();
    },
  };
}
