/**
 * Asks a process for /livez again and again, which needs nothing but the process and the machine: how late its answers
 * are tells what else is late for want of the processor.
 */
export class Pulse {
  #slowest = 0;
  #stopped = false;
  readonly #asking: Promise<void>;

  constructor(opsUrl: string) {
    // The process may end before a test that failed has stopped this.
    this.#asking = this.#ask(`${opsUrl}/livez`).catch(() => undefined);
  }

  /** Milliseconds that a bound on time has to be longer on this machine: a call takes several turns of each process. */
  get slack(): number {
    return this.#slowest * 5;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#asking;
  }

  async #ask(url: string): Promise<void> {
    while (!this.#stopped) {
      const askedAt = performance.now();
      await (await fetch(url)).text();
      this.#slowest = Math.max(this.#slowest, performance.now() - askedAt);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
