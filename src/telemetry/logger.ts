import { isSpanContextValid, trace } from "@opentelemetry/api";
import { type DestinationStream, pino } from "pino";
import { describeError } from "./error-description.ts";
import { allowedFields, type LogFields } from "./log-fields.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * A line is a constant message and fields from the allow-list. What varies MUST NOT be put into the
 * message. Of an error only class, code, constraint and frames are printed.
 */
type Write = (message: string, fields?: LogFields, error?: unknown) => void;

export interface Logger extends Readonly<Record<LogLevel, Write>> {
  /** Writes out what is buffered, synchronously: before the process ends. */
  flush(): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** stdout unless given. */
  readonly destination?: DestinationStream;
  /** Lines for people; unless given, where stdout is a terminal. */
  readonly pretty?: boolean;
}

/** JSON lines on stdout, with the trace and span that they were written in. */
export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const stream = options.destination ?? (await standardOutput(options.pretty ?? process.stdout.isTTY));
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: spanFields,
    },
    stream,
  );
  const at =
    (level: LogLevel): Write =>
    (message, fields, error) => {
      if (!logger.isLevelEnabled(level)) return;
      const line = fields === undefined ? {} : allowedFields(fields);
      logger[level](error === undefined ? line : { ...line, ...errorFields(error) }, message);
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    flush: () => {
      if ("flushSync" in stream && typeof stream.flushSync === "function") stream.flushSync();
    },
  };
}

/** pino flushes the buffered stream itself when the process exits. */
async function standardOutput(pretty: boolean | undefined): Promise<DestinationStream> {
  if (pretty !== true) return pino.destination({ dest: 1, sync: false });
  const { default: prettyStream } = await import("pino-pretty");
  return prettyStream({ messageKey: "message", translateTime: "SYS:HH:MM:ss.l", sync: true });
}

function spanFields(): Record<string, string> {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !isSpanContextValid(span)) return {};
  return { trace_id: span.traceId, span_id: span.spanId };
}

function errorFields(error: unknown): Record<string, string> {
  const { name, code, constraint, message, stack, causes } = describeError(error);
  return {
    exception_type: name,
    ...(code !== undefined && { exception_code: code }),
    ...(constraint !== undefined && { exception_constraint: constraint }),
    ...(message !== undefined && { exception_message: message }),
    ...(causes !== undefined && { exception_causes: causes }),
    ...(stack !== undefined && { exception_stack: stack }),
  };
}
