import { parseArgs } from "node:util";
import { personalData } from "../../domain/personal-data.ts";
import { parseUuid } from "../../domain/uuid.ts";
import { type Call, type Command, type OptionName, options } from "./command.ts";
import { commands } from "./commands.ts";
import { helpOf, usage } from "./usage.ts";

/** A call; or what to print, and whether that was asked for. */
export type Parsed = { readonly call: Call } | { readonly text: string; readonly asked: boolean };

export function parse(args: readonly string[]): Parsed {
  const fault = (what: string, command?: Command): Parsed => ({
    text: `${what}\n\n${command === undefined ? usage(commands) : helpOf(command)}`,
    asked: false,
  });
  let parsed: ReturnType<typeof parseOptions>;
  try {
    parsed = parseOptions(args);
  } catch (error) {
    return fault(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  const [name = "", subject, ...rest] = positionals;
  const command = commands.find((candidate) => candidate.name === name);
  if (values.help) return { text: command === undefined ? usage(commands) : helpOf(command), asked: true };
  if (command === undefined) return fault(name === "" ? "no command" : `no such command: ${name}`);
  if (rest.length > 0) return fault(`too many words: ${rest.join(" ")}`, command);
  const as = values.as?.trim() ?? "";
  if (values.as !== undefined && !/^[\p{L}\p{N}._@ -]{2,64}$/u.test(as))
    return fault("--as must have 2 to 64 letters, digits, . _ @ -", command);
  if (personalData(as) === "a number" || personalData(as) === "an IBAN")
    return fault("--as must hold no number", command);
  const { as: _, help: __, ...own } = values;
  const foreign = Object.keys(own).find((key) => !command.options?.includes(key as OptionName));
  if (foreign !== undefined) return fault(`${name} takes no --${foreign}`, command);
  const id = parseUuid(subject ?? "");
  if (command.subject !== undefined && id === undefined)
    return fault(`${name} needs a ${command.subject}`, command);
  if (command.subject === undefined && subject !== undefined)
    return fault(`${name} takes nothing else: ${subject}`, command);
  const wrong = noteFault(own.note) ?? command.fault?.(own);
  return wrong === undefined
    ? { call: { command, subject: id ?? "", as, values: own } }
    : fault(wrong, command);
}

const mostNote = 280;

function noteFault(note = ""): string | undefined {
  if (note.length > mostNote) return `--note must have at most ${mostNote} characters`;
  if (/[\p{Cc}\p{Cs}]/u.test(note)) return "--note must be one line of text";
  const personal = personalData(note);
  return (
    personal && `--note stands in evidence for years, and must hold no personal data: it has ${personal}`
  );
}

function parseOptions(args: readonly string[]) {
  return parseArgs({ args: [...args], allowPositionals: true, options });
}
