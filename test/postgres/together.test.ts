import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Verdict } from "../../src/domain/stores.ts";
import {
  aNewChallenge,
  aNewSignature,
  aRequestKey,
  aSid,
  noLimits,
  noLockout,
  useStores,
} from "../support/stores.ts";

// Calls at the same time share a statement (src/postgres/gathering.ts): each is done as if it had come alone.

const { signatures, deliveries, closings, reader, upkeep, sql, pass, now } = await useStores();

const start = (over: Parameters<typeof aNewSignature>[0] = {}, limits = noLimits, key = aRequestKey()) =>
  signatures.start(key, aNewSignature(over), limits);

const times = <T>(count: number, call: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => call(n));

async function startedTogether(count: number) {
  const all = await Promise.all(times(count, () => start()));
  return all.map((one) => one!.signature);
}

const accept = (challengeId: string, sid = aSid()) =>
  deliveries.accepted(challengeId, { providerChallengeId: sid, providerProof: sid, sentAt: now() }, "answer");

const judge = (id: string, verdict: Verdict, block = noLockout) =>
  closings.complete("payments", id, verdict, block);

/** How many transactions wrote these rows last. */
async function transactions(ids: readonly string[]): Promise<number> {
  const [row] = await sql`
    select count(distinct xmin::text)::int as count from signature where id = any (${ids as string[]}::uuid[])`;
  return row?.["count"];
}

describe("starts at the same time", () => {
  test("are recorded each with its own, in a few transactions", async () => {
    const records = times(30, (n) => aNewSignature({ locale: n % 2 ? "es" : "en", ttlMs: 60_000 + n }));
    const begun = await Promise.all(
      records.map((record) => signatures.start(aRequestKey(), record, noLimits)),
    );
    for (const [n, record] of records.entries()) {
      expect(begun[n]?.signature).toMatchObject({
        id: record.id,
        transactionDigest: record.transactionDigest.toString("hex"),
        expiresAt: new Date(now().getTime() + record.ttlMs),
        challenge: { id: record.challenge.id },
      });
      const material = await signatures.material("payments", record.id);
      const { transactionSealed, phoneSealed, codeNonce, locale } = record;
      expect(material).toMatchObject({ transactionSealed, phoneSealed, codeNonce, locale });
    }
    expect(await transactions(records.map(({ id }) => id))).toBeLessThan(5);
  });

  test("are refused alone where a limit refuses one", async () => {
    const customer = [randomBytes(32)];
    const limits = { ...noLimits, customerPerMinute: 2 };
    const ends = await Promise.allSettled(
      times(12, (n) => start(n % 3 === 0 ? { customerGuards: customer } : {}, limits)),
    );
    const refused = ends.flatMap((end, n) => (end.status === "rejected" ? [n] : []));
    expect(refused).toHaveLength(2);
    for (const n of refused) expect(n % 3).toBe(0);
  });

  test("are each held to the limits that came with it", async () => {
    const customerGuards = [randomBytes(32)];
    const held = (customerPerMinute: number) => start({ customerGuards }, { ...noLimits, customerPerMinute });
    await held(1);
    const ends = await Promise.allSettled([start(), held(5), held(1), held(2)]);
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected"]);
  });

  test("answer nothing to the one whose key is taken, and record the others", async () => {
    const key = aRequestKey();
    await start({}, noLimits, key);
    const begun = await Promise.all(times(6, (n) => start({}, noLimits, n === 3 ? key : aRequestKey())));
    expect(begun.map((one) => one === undefined)).toEqual([false, false, false, true, false, false]);
  });

  test("one that PostgreSQL takes for wrong fails alone", async () => {
    const ends = await Promise.allSettled(
      times(6, (n) =>
        start(n === 2 ? { challenge: aNewChallenge({ maskedDestination: "+34600000001" }) } : {}),
      ),
    );
    expect(ends.map(({ status }) => status === "rejected")).toEqual([
      false,
      false,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe("acceptances at the same time", () => {
  test("give each challenge its own message", async () => {
    const begun = await startedTogether(12);
    const sids = begun.map(() => aSid());
    const ends = await Promise.all(begun.map(({ challenge }, n) => accept(challenge.id, sids[n])));
    expect(ends.map((end) => end?.signature?.challenge.providerChallengeId)).toEqual(sids);
    expect(await transactions(begun.map(({ id }) => id))).toBeLessThan(4);
  });

  test("of one challenge are recorded one after the other, and an unknown one is nothing to the others", async () => {
    const [one, other] = await startedTogether(2);
    const sids = times(3, () => aSid());
    const ends = await Promise.all([
      accept(other!.challenge.id),
      ...sids.map((sid) => accept(one!.challenge.id, sid)),
      accept(randomUUID()),
    ]);
    expect(ends.map((end) => end?.effect)).toEqual(["sent", "sent", "duplicate", "duplicate", undefined]);
    const history = await reader.history("payments", one!.id);
    const named = history?.timeline.map(({ details }) => details["provider_challenge_id"]).filter(Boolean);
    expect(named).toEqual(sids);
  });

  test("a message that another challenge has as its own is recorded with those beside it", async () => {
    const [one, ...others] = await startedTogether(4);
    const sid = aSid();
    await accept(one!.challenge.id, sid);
    const ends = await Promise.all(
      others.map(({ challenge }, n) => accept(challenge.id, n === 1 ? sid : aSid())),
    );
    expect(ends.map((end) => end?.effect)).toEqual(["sent", "sent", "sent"]);
  });
});

describe("codes at the same time", () => {
  test("end each signature as its own code deserves", async () => {
    const begun = await startedTogether(9);
    const verdicts = (["match", "code_mismatch", "transaction_mismatch"] as const).flatMap((one) => [
      one,
      one,
      one,
    ]);
    const materials = await Promise.all(begun.map(({ id }) => closings.codeMaterial("payments", id)));
    expect(materials.map((material) => material?.transactionDigest.toString("hex"))).toEqual(
      begun.map(({ transactionDigest }) => transactionDigest),
    );
    const ends = await Promise.all(begun.map(({ id }, n) => judge(id, verdicts[n]!)));
    expect(ends.map((end) => end?.outcome)).toEqual(
      verdicts.map((verdict) => (verdict === "match" ? "completed" : "rejected")),
    );
    const histories = await Promise.all(begun.map(({ id }) => reader.history("payments", id)));
    expect(histories.map((history) => history?.timeline.at(-1)?.type)).toEqual(
      verdicts.map((verdict) => endOf[verdict]),
    );
    expect(histories.map((history) => history?.signature.id)).toEqual(begun.map(({ id }) => id));
  });

  test("for one signature are judged one after the other, and no statement of the others fails for it", async () => {
    const [one, ...others] = await startedTogether(4);
    const ends = await Promise.all([
      judge((await startedTogether(1))[0]!.id, "match"),
      ...times(3, () => judge(one!.id, "code_mismatch")),
      ...others.map(({ id }) => judge(id, "match")),
    ]);
    expect(ends.slice(1, 4).map((end) => end?.outcome)).toEqual(["rejected", "rejected", "failed"]);
    expect(await transactions(others.map(({ id }) => id))).toBe(1);
  });

  test("for one signature never take more than its attempts", async () => {
    const [one, other] = await startedTogether(2);
    const ends = await Promise.all([
      judge(other!.id, "match"),
      ...times(5, () => judge(one!.id, "code_mismatch")),
    ]);
    expect(ends.map((end) => end?.outcome).sort()).toEqual([
      "closed",
      "closed",
      "completed",
      "failed",
      "rejected",
      "rejected",
    ]);
  });

  test("a customer who is blocked is refused alone", async () => {
    const customerGuards = [randomBytes(32)];
    const [blocks, blocked] = await Promise.all([start({ customerGuards }), start({ customerGuards })]);
    const block = { failures: 1, windowMs: 60_000, stepsMs: [60_000] };
    await judge(blocks!.signature.id, "code_mismatch", block);
    const begun = [...(await startedTogether(3)), blocked!.signature];
    const ends = await Promise.allSettled(begun.map(({ id }) => judge(id, "match", block)));
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  });

  test("another caller's signature is unknown, and the others are not", async () => {
    const [one, other] = await startedTogether(2);
    const asked = [
      closings.codeMaterial("cards", one!.id),
      closings.codeMaterial("payments", other!.id),
      closings.codeMaterial("payments", one!.id),
    ];
    expect((await Promise.all(asked)).map((material) => material?.challenge.id)).toEqual([
      undefined,
      other!.challenge.id,
      one!.challenge.id,
    ]);
    const read = [reader.history("cards", one!.id), reader.history("payments", other!.id)];
    expect((await Promise.all(read)).map((history) => history?.signature.id)).toEqual([undefined, other!.id]);
  });
});

test("tasks that end at the same time end each for itself, unless another has taken it over", async () => {
  const begun = await startedTogether(3);
  await Promise.all(begun.map(({ challenge }) => accept(challenge.id)));
  await Promise.all(begun.map(({ id }) => judge(id, "match")));
  pass(61_000);
  const redactions = await upkeep.due("redaction", 10, 1000);
  const feedback = await upkeep.due("feedback", 10, 1000);
  expect([redactions.length, feedback.length]).toEqual([3, 3]);
  const late = { ...redactions[2]!.claim, until: now() };
  await Promise.all([
    upkeep.done("redaction", redactions[0]!.claim),
    upkeep.done("redaction", redactions[1]!.claim),
    upkeep.done("feedback", feedback[0]!.claim),
    upkeep.done("redaction", late),
  ]);
  pass(1001);
  // One after the other: each skips what the other one has locked.
  const left = [await upkeep.due("redaction", 10, 1000), await upkeep.due("feedback", 10, 1000)];
  expect(left.map((due) => due.map(({ claim }) => claim.challengeId).sort())).toEqual([
    [late.challengeId],
    [feedback[1]!, feedback[2]!].map(({ claim }) => claim.challengeId).sort(),
  ]);
});

const endOf = {
  match: "SIGNATURE_COMPLETED",
  code_mismatch: "CODE_REJECTED",
  transaction_mismatch: "TRANSACTION_MISMATCH",
};
