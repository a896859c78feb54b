import type { Command } from "./command.ts";
import { awaitResult } from "./order-commands.ts";
import { carryOutPurge } from "./purge.ts";

export const approve: Command = {
  name: "approve",
  subject: "act id",
  summary: "approves what another operator ordered and the policy puts under four eyes",
  help: `The database wants two logins for it, each an operator's own (a member of the policy's role), and the approval
within 24 hours of the order. One approval counts. A purge is then carried out here, anything else by a replica.
npm run admin -- acts lists what waits.`,
  async run({ subject, as }, desk) {
    const command = await desk.acts.approve(subject, as);
    desk.print(`approved: ${command}`);
    return command === "purge" ? await carryOutPurge(subject, desk) : await awaitResult(subject, desk);
  },
};
