/** Processor time of this process in milliseconds: other processes do not make it longer, unlike the clock's. */
export async function processorMs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The least of some measurements: what a collection of garbage or a compilation adds is not in all of them. */
export async function leastOf(times: number, measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < times; n += 1) least = Math.min(least, await measure());
  return least;
}

/**
 * How much more a text of four times the length costs: 4 where the cost is linear, 16 where it grows by the square.
 * Of a few milliseconds nothing can be told, and 1 is given.
 */
export async function growthOf(work: (text: string) => unknown, textOf: (length: number) => string) {
  const [short, long] = [textOf(16 << 10), textOf(64 << 10)];
  const shortMs = await leastOf(3, () => processorMs(() => work(short)));
  const longMs = await leastOf(3, () => processorMs(() => work(long)));
  return longMs < 5 ? 1 : longMs / Math.max(shortMs, 1);
}
