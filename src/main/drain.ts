import type { Clock } from "../domain/clock.ts";

interface Deps {
  readonly grpc: { drain(graceMs: number): Promise<boolean> };
  /** No step of the sweep begins any more; resolves once the one under way has ended. */
  readonly endSweep: () => Promise<void>;
  readonly inFlight: { end(graceMs: number, clock: Clock): Promise<void> };
  readonly clock: Clock;
}

/**
 * Lets calls finish, then the sending that goes on without a caller: both within one `drainMs`, after which connections
 * are cut and sending is handed to other replicas.
 * @returns the milliseconds that are left of it
 */
export async function drain({ grpc, endSweep, inFlight, clock }: Deps, drainMs: number): Promise<number> {
  const until = clock.now() + drainMs;
  const left = (): number => Math.max(0, until - clock.now());
  await grpc.drain(drainMs);
  // Together: an operator's order, which the sweep carries out, waits for what is in flight.
  await Promise.all([endSweep(), inFlight.end(left(), clock)]);
  return left();
}
