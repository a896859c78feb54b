import { createReadStream, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "./load.ts";

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
   * Milliseconds from a request's arrival to its answer as the service saw them: without what the callers, and the
   * core that they share with PostgreSQL, add to it.
   */
  async p99Of(method: string): Promise<number> {
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
      const call: { method: string; duration_ms: number } = JSON.parse(line);
      if (call.method === method) durations.push(call.duration_ms);
    }
    return percentile(Float64Array.from(durations).sort(), 0.99);
  }
}
