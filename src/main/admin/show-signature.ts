import { v7 as uuid } from "uuid";
import type { SignatureFile } from "../../postgres/operator-desk.ts";
import type { Command } from "./command.ts";

export const showSignature: Command = {
  name: "show",
  subject: "signature id",
  summary: "the signature, its challenges, its timeline and the orders about it",
  help: "It shows no code, phone number or customer id. That you read it stands in the log of acts.",
  async run({ subject, as }, { operators, acts, print }) {
    await acts.record(uuid(), "READ", { command: "show", signature_id: subject, as });
    const file = await operators.signature(subject);
    print(file === undefined ? "no such signature" : shown(file));
    return file === undefined ? 1 : 0;
  },
};

function shown({ facts, challenges, timeline, orders }: SignatureFile): string {
  const table = (entries: Readonly<Record<string, string>>) =>
    Object.entries(entries).map(([name, value]) => `  ${name.padEnd(22)}${value}`);
  return [
    "signature",
    ...table(facts),
    ...challenges.flatMap((challenge) => ["challenge", ...table(challenge)]),
    "timeline",
    ...timeline.map(({ at, type, details }) => `  ${at.toISOString()}  ${type.padEnd(22)}${details}`),
    ...(orders.length > 0 ? ["orders"] : []),
    ...orders.map(
      ({ at, by, command, result }) =>
        `  ${at.toISOString()}  ${command.padEnd(22)}by ${by}: ${result ?? "not done yet"}`,
    ),
  ].join("\n");
}
