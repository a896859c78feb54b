import { v7 as uuid } from "uuid";
import type { Command, Desk, ExitCode } from "./command.ts";
import { waitsForApproval } from "./waits-for-approval.ts";

/** Legal hold: a signature that no purge removes, and the end of that. */
export const holdCommands: readonly Command[] = [
  about("hold", "keeps the signature from every purge, until release-hold"),
  about("release-hold", "ends that: the signature goes with the next purge that it is old enough for"),
];

function about(name: string, summary: string): Command {
  return {
    ...{ name, summary },
    subject: "signature id",
    help: `The database itself refuses to delete what is held: timeline, challenges, receipt and reports stay, and the
customer's pseudonyms, too, when the customer is forgotten. The phone number is erased at closure all the same: the
commitment to it stays. That you ordered it stands in the log of acts before it is done.`,
    async run({ subject, as }, desk) {
      const id = uuid();
      const told = { command: name, signature_id: subject, as };
      const { waits } = await desk.acts.record(id, "ORDERED", told);
      return waits ? waitsForApproval(id, desk) : await carryOutHold(id, desk);
    },
  };
}

/** Does what was ordered; the database records what became of it. */
export async function carryOutHold(actId: string, { acts, print }: Desk): Promise<ExitCode> {
  const result = await acts.carryOutHold(actId);
  print(result);
  return /^(no such|nothing)/.test(result) ? 1 : 0;
}
