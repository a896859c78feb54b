import { setTimeout as sleep } from "node:timers/promises";
import { v7 as uuid } from "uuid";
import { mostBlockSeconds } from "../../domain/operator-order.ts";
import type { Call, Command, Desk, ExitCode } from "./command.ts";
import { waitsForApproval } from "./waits-for-approval.ts";

/** Longest that the tool waits for a replica; the order stands even after that. */
const waitMs = 30_000;

const carriedOut =
  "An order: a replica carries it out within a sweep, through the same use case as a caller's call.";

/** What changes a signature, or whom and what it was for. */
export const orderCommands: readonly Command[] = [
  about("resend", "sends the code again (cooldown and ceiling apply)"),
  { ...about("abort", "ends the signature"), options: ["note"] },
  about("requeue", "takes a given-up challenge up again"),
  block("block-customer", "no signature of that customer until then"),
  about("free-customer", "ends the block of that customer"),
  block("block-number", "no message to that number until then"),
  about("free-number", "ends the block of that number"),
  breaker("open-breaker", "holds every call to Twilio back, in all replicas"),
  breaker("close-breaker", "lets calls to Twilio go again, in all replicas"),
];

function about(name: string, summary: string): Command {
  return { name, summary, help: carriedOut, subject: "signature id", run: orderAndWait };
}

function block(name: string, summary: string): Command {
  return {
    ...about(name, summary),
    options: ["seconds"],
    fault({ seconds }) {
      return /^\d{1,9}$/.test(seconds ?? "") && Number(seconds) >= 1 && Number(seconds) <= mostBlockSeconds
        ? undefined
        : `--seconds must be a whole number from 1 to ${mostBlockSeconds} (a year)`;
    },
  };
}

function breaker(name: string, summary: string): Command {
  return {
    ...{ name, summary },
    help: "An order that each replica follows within a sweep; the latest one counts.",
    async run({ as }, { operators, print }) {
      const id = uuid();
      await operators.order({ id, orderedBy: as, command: name, parameters: { provider: "twilio" } });
      print(`ordered (${id}): every replica follows within a sweep`);
      return 0;
    },
  };
}

async function orderAndWait({ command, subject, as, values }: Call, desk: Desk): Promise<ExitCode> {
  const { operators } = desk;
  const id = uuid();
  const parameters = { signature_id: subject, note: values.note ?? "", seconds: values.seconds ?? "0" };
  await operators.order({ id, orderedBy: as, command: command.name, parameters });
  if (await operators.waits(id)) return waitsForApproval(id, desk);
  return await awaitResult(id, desk);
}

/** Prints what became of an order once a replica has carried it out. */
export async function awaitResult(id: string, { operators, print }: Desk): Promise<ExitCode> {
  const until = Date.now() + waitMs;
  while (Date.now() < until) {
    const result = await operators.result(id);
    if (result !== undefined) {
      print(result);
      return /^(refused|no such|nothing)/.test(result) ? 1 : 0;
    }
    await sleep(100);
  }
  print(`ordered (${id}), but no replica has done it yet: is the service running?`);
  return 1;
}
