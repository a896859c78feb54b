import { type Act, ActChain, approvalHours } from "../../domain/operator-act.ts";
import type { Command } from "./command.ts";

const page = 1000;
const shown = 200;

export const acts: Command = {
  name: "acts",
  summary: "the log of privileged acts, checked entry by entry; the latest 200 are shown",
  help: `Orders, approvals, results, reads of signatures, removals and changes of the policy, each with the database
login and the name that was given (unverified unless the login is an operator's own). The whole log is read and its
hashes are made again and compared with the seals, which the day's checkpoint covers (npm run evidence -- audit checks
their signatures): what was changed, added in between or taken out is named, and the exit code is 1.`,
  async run(_, { acts: log, print }) {
    const chain = new ActChain();
    const latest: Act[] = [];
    const faults: string[] = [];
    const sealed = new Map((await log.sealed()).map(({ number, hash }) => [number, hash]));
    let entries = 0;
    for (let read = await log.entries(0, page); read.length > 0; ) {
      for (const act of read) {
        const fault = chain.fault(act);
        if (fault !== undefined) faults.push(fault);
        if (sealed.get(act.number)?.equals(act.hash) === false)
          faults.push(`entry ${act.number} is not the one that was sealed`);
        sealed.delete(act.number);
        latest.push(act);
      }
      entries += read.length;
      latest.splice(0, Math.max(0, latest.length - shown));
      read = await log.entries(read.at(-1)?.number ?? 0, page);
    }
    for (const number of sealed.keys()) faults.push(`entry ${number} was sealed and is missing`);
    for (const act of latest) print(line(act));
    for (const waiting of waitingOf(latest)) print(`waits for approval: ${waiting}`);
    for (const fault of faults) print(`DOES NOT FIT: ${fault}`);
    const head = latest.at(-1)?.hash.toString("hex");
    print(
      `${entries} entries${faults.length === 0 ? ", all fit" : ""}${head === undefined ? "" : `; head ${head}`}`,
    );
    return faults.length === 0 ? 0 : 1;
  },
};

type Details = Readonly<Record<string, unknown>>;

/** An entry may have been changed to something that is no JSON. */
function detailsOf(act: Act): Details {
  try {
    return JSON.parse(act.details) as Details;
  } catch {
    return { unreadable: act.details.length };
  }
}

function line(act: Act): string {
  const { login, verified, as, command = "", ...rest } = detailsOf(act);
  const who = verified === true ? String(login) : `${as ?? "-"} (unverified, login ${String(login)})`;
  const facts = Object.entries(rest)
    .filter(([name, value]) => value !== "" && !(name === "four_eyes" && value === false))
    .map(([name, value]) => `${name}=${String(value)}`);
  return `${act.number}  ${act.at.toISOString()}  ${act.type.padEnd(9)}${who}  ${[command, ...facts].join(" ")}  ${act.actId}`;
}

function waitingOf(acts: readonly Act[]): string[] {
  const settled = new Set(acts.filter(({ type }) => type === "APPROVED").map(({ actId }) => actId));
  const since = Date.now() - approvalHours * 3_600_000;
  return acts
    .filter((act) => act.type === "ORDERED" && detailsOf(act)["four_eyes"] === true)
    .filter(({ actId, at }) => !settled.has(actId) && at.getTime() > since)
    .map((act) => `${String(detailsOf(act)["command"])} ${act.actId}`);
}
