import type { Keys } from "../../domain/keys.ts";
import type { ActLog } from "../../postgres/act-log.ts";
import type { Database } from "../../postgres/database.ts";
import type { OperatorDesk } from "../../postgres/operator-desk.ts";

/** Every option that a command may take; all take one value, and each command says which it knows. */
export const options = {
  as: { type: "string" },
  note: { type: "string" },
  seconds: { type: "string" },
  days: { type: "string" },
  customer: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;
export type OptionName = Exclude<keyof typeof options, "as" | "help">;

/** What was asked for, checked as far as it can be without the database. */
export interface Call {
  readonly command: Command;
  /** The id that the command is about, where it takes one. */
  readonly subject: string;
  /** The operator's own login, or the name that was given by --as, which nobody has verified. */
  readonly as: string;
  readonly values: Readonly<Partial<Record<OptionName, string>>>;
}

export interface Desk {
  readonly database: Database;
  readonly operators: OperatorDesk;
  readonly acts: ActLog;
  /** Opens the key rings, as a running service has them, for as long as they are used. */
  readonly keys: <Result>(use: (keys: Keys) => Result) => Promise<Result>;
  /** SIGNATURE_RETENTION_DAYS. */
  readonly retentionDays: number;
  readonly print: (line: string) => void;
}

/** 0 done, 1 refused, or nothing there. */
export type ExitCode = 0 | 1;

/** One command of `npm run admin`. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What it does, how it ends and what it leaves behind, for `--help`. */
  readonly help: string;
  readonly subject?: "signature id" | "act id";
  readonly options?: readonly OptionName[];
  /** Beside the database, which is all that the others have. */
  readonly needsKeys?: true;
  /** What is wrong with the values of its options; undefined: nothing. */
  fault?(values: Call["values"]): string | undefined;
  run(call: Call, desk: Desk): Promise<ExitCode>;
}
