import type { Command } from "./command.ts";

const arguments_ = ({ name, subject, options = [] }: Command): string =>
  [
    name,
    ...(subject === undefined ? [] : [`<${subject}>`]),
    ...options.map((option) => `[--${option}]`),
  ].join(" ");

/** All commands, one a line. */
export function usage(commands: readonly Command[]): string {
  const width = Math.max(...commands.map((command) => arguments_(command).length)) + 2;
  return [
    "npm run admin -- <command> --as <your name>",
    "",
    ...commands.map((command) => `  ${arguments_(command).padEnd(width)}${command.summary}`),
    "",
    "npm run admin -- <command> --help says more. It needs the database alone (DATABASE_URL, or the running service's",
    "own under DATA_DIR) and no keys, forget alone apart. What changes something is an order that the replicas carry out within a sweep;",
    "your name stands in the timeline. Exit codes: 0 done, 1 refused or failed, 2 not understood.",
  ].join("\n");
}

export function helpOf(command: Command): string {
  return `npm run admin -- ${arguments_(command)} --as <your name>\n\n${command.summary}\n\n${command.help}`;
}
