/** How often an hour of the rules fits into a minute of a run. */
const factor = 60;
const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * Rules and queries in which a minute is a second: every range and every `for` is divided by 60, thresholds stay.
 * What takes five minutes to fire then takes five seconds, by the same expressions.
 */
export function scaled(text: string): string {
  return text
    .replace(/\[(\d+)([smhd])\]/g, (_, count, unit) => `[${shorter(count, unit)}]`)
    .replace(/^( +for: )(\d+)([smhd])$/gm, (_, label, count, unit) => `${label}${shorter(count, unit)}`);
}

/** A rate needs two samples, and those are a second apart. */
function shorter(count: string, unit: string): string {
  return `${Math.max(2, Math.round((Number(count) * (seconds[unit] ?? 1)) / factor))}s`;
}
