import { createLogger, type Logger, type LogLevel } from "../../src/telemetry/logger.ts";

export type Line = Readonly<Record<string, unknown>>;

export interface CapturedLog {
  readonly logger: Logger;
  readonly lines: Line[];
  /** Everything that was written, as it was written. */
  text(): string;
}

/** A logger whose lines stay in memory. */
export async function capturedLog(level: LogLevel = "debug"): Promise<CapturedLog> {
  const lines: Line[] = [];
  const written: string[] = [];
  const destination = {
    write(line: string): void {
      written.push(line);
      lines.push(JSON.parse(line) as Line);
    },
  };
  return { logger: await createLogger({ level, destination }), lines, text: () => written.join("") };
}
