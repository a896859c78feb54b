import { createReadStream, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "./load.ts";

interface Answered {
  readonly method: string;
  readonly duration_ms: number;
  /** Absent where Twilio was not called. */
  readonly provider_ms?: number;
}

/** The lines of a log that a service writes meanwhile, one for each call that it answered. */
export class AccessLog {
  readonly #file: string;
  #read: number;

  /** What stands in the file already is not read. */
  constructor(file: string) {
    this.#file = file;
    this.#read = statSync(file).size;
  }

  /**
   * The service's own share of the slowest in a hundred, in milliseconds: from a request's arrival to its answer, without
   * what Twilio took of it, and without what the callers' process adds on the core that it shares with PostgreSQL.
   */
  async ownP99Of(method: string): Promise<number> {
    // The last lines are written a moment after the calls were answered.
    await sleep(200);
    const end = statSync(this.#file).size;
    const lines = createInterface({
      input: createReadStream(this.#file, { start: this.#read, end: end - 1 }),
    });
    this.#read = end;
    const durations: number[] = [];
    for await (const line of lines) {
      if (!line.includes('"call answered"')) continue;
      const call: Answered = JSON.parse(line);
      if (call.method === method) durations.push(call.duration_ms - (call.provider_ms ?? 0));
    }
    return percentile(Float64Array.from(durations).sort(), 0.99);
  }
}
