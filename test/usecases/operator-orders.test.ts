import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Observation } from "../../src/domain/observation.ts";
import type { OperatorOrder } from "../../src/domain/operator-order.ts";
import { PostgresOperatorOrderStore } from "../../src/postgres/operator-order-store.ts";
import { CarryOutOrders } from "../../src/usecases/carry-out-orders.ts";
import { aNewSignature, aRequestKey, noLimits, useStores } from "../support/stores.ts";

const { sql, db, signatures, now, pass } = await useStores();
const orders = new PostgresOperatorOrderStore(db);

async function ordered(command: string, parameters: Readonly<Record<string, string>> = {}): Promise<string> {
  const signature = aNewSignature();
  await signatures.start(aRequestKey(), signature, noLimits);
  const id = randomUUID();
  await sql`
    insert into operator_order (id, ordered_at, ordered_by, command, parameters)
    values (${id}, now(), 'Ana', ${command}, ${JSON.stringify({ signature_id: signature.id, ...parameters })})`;
  return id;
}

const resultOf = async (id: string) =>
  (await sql<{ result: string | null }[]>`select result from operator_order where id = ${id}`)[0]?.result;

const acts = async (id: string) =>
  (await sql<{ type: string }[]>`select type from operator_act where act_id = ${id} order by number`).map(
    ({ type }) => type,
  );

/** The use case over the real store; what it calls to end a signature fails as a database does. */
function runner(failure?: Error) {
  const observed: Observation[] = [];
  const deps = {
    ...{ orders, breakers: [], observer: { observe: (one: Observation) => observed.push(one) } },
    abortSignature: { execute: () => (failure ? Promise.reject(failure) : Promise.resolve()) },
  };
  const carryOut = new CarryOutOrders(deps as unknown as ConstructorParameters<typeof CarryOutOrders>[0]);
  return {
    observed,
    async run() {
      await carryOut.once(20);
      await carryOut.idle();
    },
  };
}

test("a runner that was too slow does not overwrite the result of the one after it", async () => {
  const id = await ordered("abort");
  const take = async () => (await orders.take(1))[0] as OperatorOrder;
  const slow = await take();
  pass(61_000);
  const quick = await take();
  expect(quick.id).toBe(id);
  await orders.done(slow, "late");
  expect(await resultOf(id)).toBeNull();
  await orders.done(quick, "aborted");
  await orders.done(quick, "twice");
  await orders.done(slow, "late");
  // Nor does a statement that does not ask, such as an older release's.
  await sql`update operator_order set result = 'rewritten' where id = ${id}`;
  expect(await resultOf(id)).toBe("aborted");
  expect(await acts(id)).toEqual(["ORDERED", "DONE"]);
});

test.each([
  ["block-customer", { seconds: "1e15" }, "refused: seconds must be a whole number up to 31536000"],
  ["block-number", { seconds: "-1" }, "refused: seconds must be a whole number up to 31536000"],
  ["block-number", { seconds: "soon" }, "refused: seconds must be a whole number up to 31536000"],
  ["abort", { note: "ask 612345678" }, "refused: the note must hold no personal data: it has a number"],
] as const)("an order %s that was inserted with %j ends at once", async (command, parameters, result) => {
  const id = await ordered(command, parameters);
  await runner().run();
  expect(await resultOf(id)).toBe(result);
});

test("an order that is no JSON is refused, so that it cannot hold up the others", async () => {
  const inserted = sql`
    insert into operator_order (id, ordered_at, ordered_by, command, parameters)
    values (${randomUUID()}, now(), 'Ana', 'abort', 'no json')`;
  await expect(inserted).rejects.toMatchObject({ code: "22P02" });
});

test("an order that fails is tried for ten minutes, and then says so", async () => {
  const id = await ordered("abort");
  const { run, observed } = runner(new Error("a bug"));
  // Orders are dated by the server.
  pass(Date.now() - now().getTime() + 60_000);
  await run();
  expect(await resultOf(id)).toBeNull();
  pass(10 * 60_000);
  await run();
  expect(await resultOf(id)).toBe("refused: it failed for ten minutes; the service's log has the fault");
  expect(observed.map(({ type }) => type)).toEqual(["upkeep_failed", "upkeep_failed"]);
  pass(10 * 60_000);
  await run();
  expect(observed).toHaveLength(2);
});

test("orders go with the signatures of their time, but for the latest about a breaker", async () => {
  await sql`delete from operator_order`;
  const about = async (command: string) => await ordered(command, { provider: "twilio" });
  const [old, opened, closed] = [
    await about("abort"),
    await about("open-breaker"),
    await about("close-breaker"),
  ];
  await runner().run();
  expect(await resultOf(old)).toBe("aborted");
  expect((await orders.breaker("twilio"))?.id).toBe(closed);
  expect(opened).not.toBe(closed);
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`
      update operator_order set ordered_at = ordered_at - interval '401 days', done_at = now() - interval '401 days'`;
  });
  const young = await about("abort");
  await sql`select remove_closed_signatures(now() - interval '9600 hours', 50)`;
  const left = await sql<{ id: string }[]>`select id from operator_order`;
  expect(left.map(({ id }) => id).sort()).toEqual([closed, young].sort());
});
