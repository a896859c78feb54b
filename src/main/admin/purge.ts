import { v7 as uuid } from "uuid";
import type { Command, Desk, ExitCode } from "./command.ts";
import { waitsForApproval } from "./waits-for-approval.ts";

const mostDays = 36_500;

export const purge: Command = {
  name: "purge",
  options: ["days"],
  summary: "removes whole closed signatures that are older than SIGNATURE_RETENTION_DAYS, or --days",
  help: `Closed and sealed ones alone, in batches of 500. Seals and checkpoints stay. --days is at least
SIGNATURE_RETENTION_DAYS, and no purge goes below the floor that the owner of the tables has set
(npm run migrate -- policy). The log of acts has who, how many and until when, before the first one goes.`,
  fault({ days }) {
    if (days === undefined) return undefined;
    return /^\d{1,5}$/.test(days) && Number(days) >= 1 && Number(days) <= mostDays
      ? undefined
      : `--days must be a whole number from 1 to ${mostDays}`;
  },
  async run({ as, values }, desk) {
    const { acts, print, retentionDays } = desk;
    const days = Number(values.days ?? retentionDays);
    if (days < retentionDays) {
      print(`refused: SIGNATURE_RETENTION_DAYS keeps closed signatures for ${retentionDays} days`);
      return 1;
    }
    const { retentionFloorDays } = await acts.policy();
    if (days < retentionFloorDays) {
      print(
        `refused: the database keeps closed signatures for ${retentionFloorDays} days at least (npm run migrate -- policy)`,
      );
      return 1;
    }
    const id = uuid();
    const { waits, due } = await acts.orderPurge(id, as, days);
    print(`${due} signatures were closed more than ${days} days ago`);
    return waits ? waitsForApproval(id, desk) : await carryOutPurge(id, desk);
  },
};

/** Removes what was ordered, batch after batch, and records how many there were. */
export async function carryOutPurge(actId: string, { acts, print }: Desk): Promise<ExitCode> {
  let removed = 0;
  for (let batch = 1; batch > 0; removed += batch) {
    batch = await acts.purge(actId, 500);
    if (batch > 0) print(`removed ${removed + batch}`);
  }
  await acts.record(actId, "DONE", { command: "purge", removed });
  print(`${removed} signatures removed`);
  return 0;
}
