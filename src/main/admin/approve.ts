import type { Command } from "./command.ts";
import { carryOutHold } from "./hold.ts";
import { awaitResult } from "./order-commands.ts";
import { carryOutPurge } from "./purge.ts";

export const approve: Command = {
  name: "approve",
  subject: "act id",
  summary: "approves what another operator ordered and the policy puts under four eyes",
  help: `The database wants two logins for it, each an operator's own (a member of the policy's role), and the approval
within 24 hours of the order. One approval counts. A purge or release-hold is then carried out here, anything else by a replica.
npm run admin -- acts lists what waits.`,
  async run({ subject, as }, desk) {
    const command = await desk.acts.approve(subject, as);
    desk.print(`approved: ${command}`);
    if (command === "purge") return await carryOutPurge(subject, desk);
    if (command === "release-hold") return await carryOutHold(subject, desk);
    return await awaitResult(subject, desk);
  },
};
