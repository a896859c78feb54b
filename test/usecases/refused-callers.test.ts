import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { Database } from "../../src/postgres/database.ts";
import type { StartSignatureCommand } from "../../src/usecases/start-signature-command.ts";
import { useDatabase } from "../support/database.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, Service, wrongCode } from "../support/service.ts";
import { ServiceTime } from "../support/service-time.ts";

// What calls cost the database is counted in its transactions: here each statement is one.

const { url, sql } = await useDatabase();
const time = new ServiceTime();
// One connection, which alone counts what it did.
const database = new Database({ url, connections: 1, clock: () => time.date() });
const service = new Service(time, database, sql);
beforeEach(() => service.begin());
afterEach(() => service.end());
afterAll(() => database.close());

const count = 100;
/** How many calls share a statement varies with the machine; a refusal with one statement more would cost a hundred more. */
const varies = 10;
const limits = { customerPerMinute: 2, phonePer10Minutes: 0 };

async function transactionsSoFar(): Promise<number> {
  await database.sql`select pg_stat_force_next_flush()`;
  const [row] = await database.sql<{ done: number }[]>`
    select (xact_commit + xact_rollback)::float8 as done from pg_stat_database where datname = current_database()`;
  return row?.done ?? 0;
}

async function transactions(work: () => Promise<unknown>): Promise<number> {
  const counted = async (some: () => Promise<unknown>) => {
    const before = await transactionsSoFar();
    await some();
    return (await transactionsSoFar()) - before;
  };
  const own = await counted(async () => undefined);
  return (await counted(work)) - own;
}

/** Starts at the same time, and how each ended. */
async function started(replica: Replica, commands: readonly StartSignatureCommand[]): Promise<string[]> {
  const calls = commands.map((command) => replica.startSignature.execute(command, 20_000));
  const ends = await time.drive(Promise.allSettled(calls));
  return ends.map((end) => (end.status === "fulfilled" ? "served" : end.reason.reason));
}

const commands = (over: (n: number) => Partial<StartSignatureCommand> = () => ({}), many = count) =>
  Array.from({ length: many }, (_, n) => aStartCommand(over(n)));

async function cost(replica: Replica, some: readonly StartSignatureCommand[], expected: string) {
  let ends: string[] = [];
  const cost = await transactions(async () => {
    ends = await started(replica, some);
  });
  expect(new Set(ends)).toEqual(new Set([expected]));
  return cost;
}

/** Customers who have started all that they may in this minute. */
async function exhausted(replica: Replica, many: number): Promise<string[]> {
  const customers = Array.from({ length: many }, () => randomUUID());
  for (let n = 0; n < limits.customerPerMinute; n += 1) {
    await started(
      replica,
      customers.map((customerId) => aStartCommand({ customerId })),
    );
  }
  return customers;
}

test("starts that a limit refuses cost no more than starts that are served", async () => {
  const replica = service.replica({ limits });
  const served = await cost(replica, commands(), "served");
  const customers = await exhausted(replica, 20);
  const refused = await cost(
    replica,
    commands((n) => ({ customerId: customers[n % customers.length] ?? "" })),
    "RATE_LIMITED",
  );
  expect(refused).toBeLessThanOrEqual(served + varies);
  expect(replica.saw("statement_repeated")).toEqual([]);
});

test("starts of one customer alone, at the same time, are refused for no more than they are served for", async () => {
  const replica = service.replica({ limits });
  const alone = await cost(
    replica,
    commands(() => ({}), 1),
    "served",
  );
  const [customerId = ""] = await exhausted(replica, 1);
  const refused = await cost(
    replica,
    commands(() => ({ customerId }), 20),
    "RATE_LIMITED",
  );
  expect(refused / 20).toBeLessThanOrEqual(alone);
});

test("what is refused before it reaches a limit costs a share of one look for its key", async () => {
  const replica = service.replica({ allowedCountries: new Set(["FR"]) });
  const refused = await cost(replica, commands(), "DESTINATION_NOT_ALLOWED");
  expect(refused).toBeLessThanOrEqual(1 + Math.ceil(count / 20));
});

test("a caller beyond its own limit costs no more than the same calls within it", async () => {
  const open = service.replica({ callerPerSecond: 10_000 });
  const served = await cost(
    open,
    commands(() => ({ caller: "open" })),
    "served",
  );
  const replica = service.replica({ callerPerSecond: 1 });
  await started(replica, [aStartCommand({ caller: "held" })]);
  const refused = await cost(
    replica,
    commands(() => ({ caller: "held" })),
    "RATE_LIMITED",
  );
  expect(refused).toBeLessThanOrEqual(served + varies);
});

test("those who are refused cost those who are served nothing", async () => {
  const replica = service.replica({ limits });
  const served = await cost(replica, commands(), "served");
  const customers = await exhausted(replica, 50);
  const refused = commands((n) => ({ customerId: customers[n] ?? "" }), customers.length);
  let ends: string[] = [];
  const mixed = await transactions(async () => {
    const some = commands().flatMap((command, n) => (n % 2 === 0 ? [command, refused[n / 2]!] : [command]));
    ends = await started(replica, some);
  });
  expect(ends.filter((end) => end === "served")).toHaveLength(count);
  expect(ends.filter((end) => end === "RATE_LIMITED")).toHaveLength(refused.length);
  // Alone, each look for a key would be one, and so would be each start that shared a statement with a refused one.
  expect(mixed).toBeLessThanOrEqual(served + refused.length / 2);
  expect(replica.saw("statement_repeated")).toEqual([]);
});

test("starts of one customer, or to one number, at the same time end no statement, and the limit holds", async () => {
  const replica = service.replica({ limits: { customerPerMinute: 5, phonePer10Minutes: 7 } });
  const customerId = randomUUID();
  const ends = await started(
    replica,
    commands(() => ({ customerId }), 30),
  );
  expect(ends.filter((end) => end === "served")).toHaveLength(5);
  const { phoneNumber } = aStartCommand();
  const toOne = await started(
    replica,
    commands(() => ({ phoneNumber }), 30),
  );
  expect(toOne.filter((end) => end === "served")).toHaveLength(7);
  expect(replica.saw("statement_repeated")).toEqual([]);
});

test("codes of one customer, and of a blocked one, end no statement of those beside them", async () => {
  const lockout = { failures: 2, windowMs: 3_600_000, stepsMs: [900_000] };
  const replica = service.replica({ lockout });
  const customerId = randomUUID();
  const own = commands(() => ({ customerId }), 4);
  const others = commands(() => ({}), 10);
  const signatures = await Promise.all(
    [...own, ...others].map(async (command) => {
      const { signature } = await replica.startSignature.execute(command, 20_000);
      return { signatureId: signature.id, code: codeIn(service.messages(command)[0]), command };
    }),
  );
  const wrong = signatures.slice(0, 2);
  const complete = (some: typeof signatures, isRight: boolean) =>
    Promise.allSettled(
      some.map(({ signatureId, code }) =>
        replica.completeSignature.execute({
          ...{ caller: "payments", signatureId, transaction: undefined },
          code: isRight ? code : wrongCode(code),
        }),
      ),
    );
  await complete(wrong, false);
  const ends = await complete(signatures, true);
  expect(ends.map((end) => (end.status === "fulfilled" ? "done" : end.reason.reason))).toEqual([
    ...Array(own.length).fill("CUSTOMER_BLOCKED"),
    ...Array(others.length).fill("done"),
  ]);
  expect(replica.saw("statement_repeated")).toEqual([]);
});
