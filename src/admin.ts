import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { v7 as uuid } from "uuid";
import { readDatabaseConfig, secretVariables } from "./config.ts";
import { parseUuid } from "./domain/uuid.ts";
import { withDatabase } from "./main/connect-database.ts";
import { explanation } from "./main/lifecycle.ts";
import { scrubEnvironment } from "./main/scrub-environment.ts";
import type { Database } from "./postgres/database.ts";
import { OperatorDesk, type SignatureFile } from "./postgres/operator-desk.ts";

const usage = `npm run admin -- <command> --as <your name>

  show <signature id>             the signature, its challenges and its timeline
  stuck                           challenges in doubt, given up, or waiting for a replica
  lockouts                        customers locked out after wrong codes; free-customer frees one
  resend <signature id>           sends the code again (cooldown and ceiling apply)
  abort <signature id> [--note]   ends the signature
  requeue <signature id>          takes a given-up challenge up again
  block-customer <signature id> --seconds N     no signature of that customer until then
  free-customer <signature id>
  block-number <signature id> --seconds N       no message to that number until then
  free-number <signature id>
  open-breaker | close-breaker    holds every call to Twilio back, or lets them go, in all replicas
  purge [--days 400]              removes whole closed signatures that are older

It needs the database alone (DATABASE_URL, or the running service's own under DATA_DIR) and no keys. What
changes something is an order that the replicas carry out within a sweep; your name stands in the timeline.`;

const aboutSignature = new Set([
  "abort",
  "resend",
  "requeue",
  "block-customer",
  "free-customer",
  "block-number",
  "free-number",
]);
const aboutBreaker = new Set(["open-breaker", "close-breaker"]);
const commands = new Set([...aboutSignature, ...aboutBreaker, "show", "stuck", "lockouts", "purge"]);

/** Longest that the tool waits for a replica; the order stands even after that. */
const waitMs = 30_000;

interface Call {
  readonly command: string;
  readonly subject: string | undefined;
  readonly as: string;
  readonly note: string;
  readonly seconds: number;
  readonly days: number;
}

function parse(args: readonly string[]): Call | string {
  let parsed: ReturnType<typeof parseOptions>;
  try {
    parsed = parseOptions(args);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { values, positionals } = parsed;
  const [command = "", subject, ...rest] = positionals;
  if (rest.length > 0) return `too many words: ${rest.join(" ")}`;
  const as = values.as?.trim() ?? "";
  if (!/^[\p{L}\p{N}._@ -]{2,64}$/u.test(as))
    return "--as <your name> is mandatory: 2 to 64 letters, digits, . _ @ -";
  const seconds = Number(values.seconds ?? 0);
  const days = Number(values.days ?? 400);
  if (command.startsWith("block-") && !(Number.isInteger(seconds) && seconds > 0))
    return "--seconds must be a whole number above 0";
  if (!(Number.isInteger(days) && days > 0)) return "--days must be a whole number above 0";
  if (!commands.has(command)) return command === "" ? "no command" : `no such command: ${command}`;
  const needsId = command === "show" || aboutSignature.has(command);
  if (needsId && parseUuid(subject ?? "") === undefined) return `${command} needs a signature id`;
  if (!needsId && subject !== undefined) return `${command} takes nothing else: ${subject}`;
  return { command, subject: subject && parseUuid(subject), as, note: values.note ?? "", seconds, days };
}

function parseOptions(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      as: { type: "string" },
      note: { type: "string" },
      seconds: { type: "string" },
      days: { type: "string" },
    },
  });
}

async function run(call: Call, database: Database): Promise<0 | 1> {
  const desk = new OperatorDesk(database);
  switch (call.command) {
    case "show": {
      const file = await desk.signature(call.subject ?? "");
      console.log(file === undefined ? "no such signature" : shown(file));
      return file === undefined ? 1 : 0;
    }
    case "stuck": {
      const stuck = await desk.stuck(200);
      for (const one of stuck) {
        console.log(
          `${one.signatureId}  since ${one.since.toISOString()}  ${one.attempts} calls  ${one.why}`,
        );
      }
      console.log(`${stuck.length} stuck`);
      return 0;
    }
    case "lockouts": {
      const lockouts = await desk.lockouts(500);
      for (const { signatureId, caller, since, until, failures, steps } of lockouts) {
        const end = until === null ? "until freed" : `until ${until.toISOString()}`;
        const scope = caller === null ? "for all callers" : `for ${caller}`;
        console.log(
          `${signatureId}  since ${since.toISOString()}  ${end}  ${scope}  ${failures} failures, lockout ${steps}`,
        );
      }
      console.log(`${lockouts.length} locked out`);
      return 0;
    }
    case "purge": {
      let removed = 0;
      for (let batch = 1; batch > 0; removed += batch) {
        batch = await desk.purge(call.days, 500);
        if (batch > 0) console.log(`removed ${removed + batch}`);
      }
      console.log(`${removed} signatures removed, closed more than ${call.days} days ago`);
      return 0;
    }
    default:
      return await order(call, desk);
  }
}

async function order(call: Call, desk: OperatorDesk): Promise<0 | 1> {
  const id = uuid();
  const parameters: Record<string, string> = aboutBreaker.has(call.command)
    ? { provider: "twilio" }
    : { signature_id: call.subject ?? "", note: call.note, seconds: String(call.seconds) };
  await desk.order({ id, orderedBy: call.as, command: call.command, parameters });
  if (aboutBreaker.has(call.command)) {
    console.log(`ordered (${id}): every replica follows within a sweep`);
    return 0;
  }
  const until = Date.now() + waitMs;
  while (Date.now() < until) {
    const result = await desk.result(id);
    if (result !== undefined) {
      console.log(result);
      return /^(refused|no such|nothing)/.test(result) ? 1 : 0;
    }
    await sleep(100);
  }
  console.log(`ordered (${id}), but no replica has done it yet: is the service running?`);
  return 1;
}

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

async function main(): Promise<number> {
  const call = parse(process.argv.slice(2));
  if (typeof call === "string") {
    console.error(`${call}\n\n${usage}`);
    return 2;
  }
  const config = readDatabaseConfig(process.env);
  scrubEnvironment(process.env, secretVariables);
  return await withDatabase(config, (database) => run(call, database));
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(explanation(error));
    process.exitCode = 1;
  },
);
