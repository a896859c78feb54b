import { describe, expect, test } from "vitest";
import type { ProviderResult } from "../../src/domain/provider.ts";
import type { AcceptanceSource } from "../../src/domain/stores.ts";
import type { UpkeepTask } from "../../src/domain/upkeep-store.ts";
import { PostgresDeliveryStore } from "../../src/postgres/delivery-store.ts";
import { aReceipt } from "../support/domain.ts";
import {
  aNewChallenge,
  aNewSignature,
  aRequestKey,
  aSid,
  noLimits,
  noLockout,
  useStores,
} from "../support/stores.ts";

const { db, signatures, deliveries, closings, reader, upkeep, sql, pass, now } = await useStores();
const rules = { cooldownMs: 30_000, most: 5, ...noLimits };

async function started() {
  const signature = aNewSignature();
  const result = await signatures.start(aRequestKey(), signature, noLimits);
  if (result === undefined) throw new Error("not started");
  return { id: signature.id, challengeId: signature.challenge.id, lease: result.lease };
}

function accepted(
  challengeId: string,
  sid: string,
  source: AcceptanceSource = "answer",
  proof = `proof of ${sid}`,
  store = deliveries,
) {
  const result: ProviderResult = { providerChallengeId: sid, providerProof: proof, sentAt: now() };
  return store.accepted(challengeId, result, source);
}

const resend = (id: string) => signatures.resend(aRequestKey({ scope: id }), id, aNewChallenge(), rules);

async function timeline(id: string) {
  const history = await reader.history("payments", id);
  return history?.timeline.map((event) => event.type) ?? [];
}

async function phoneAndLease(id: string) {
  const [row] = await sql`
    select s.phone_sealed is not null as phone, c.lease_until is not null as leased
    from signature s join challenge c on c.signature_id = s.id and c.number = s.challenges where s.id = ${id}`;
  return { phone: row?.["phone"], leased: row?.["leased"] };
}

/** Runs something in `statements` that wait until a change of the same rows, made before, is committed. */
async function behind<T>(
  change: (tx: typeof sql) => Promise<unknown>,
  second: () => Promise<T>,
  statements = 1,
): Promise<T> {
  let waiting: Promise<T> | undefined;
  await sql.begin(async (tx) => {
    await change(tx as unknown as typeof sql);
    waiting = second();
    waiting.catch(() => undefined);
    for (let blocked = 0; blocked < statements; ) {
      const [row] = await sql`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      blocked = row?.["n"];
    }
  });
  if (waiting === undefined) throw new Error("nothing was run");
  return await waiting;
}

describe("a statement that waited for another one sees what that one did", () => {
  test("a resend keeps the cooldown of a message that was accepted while it waited", async () => {
    const { id, challengeId } = await started();
    const result = await behind(
      (tx) => tx`update challenge set status = 'sent', sent_at = ${now()}, provider_challenge_id = ${aSid()},
        lease_until = null where id = ${challengeId}`,
      () => resend(id),
    );
    expect(result).toMatchObject({ outcome: "too_soon", retryAfterMs: 30_000 });
  });

  test("a resend counts the message that was accepted while it waited", async () => {
    const { id, challengeId } = await started();
    const none = { ...rules, cooldownMs: 0, most: 0 };
    const result = await behind(
      (tx) => tx`update challenge set status = 'sent', sent_at = ${now()}, provider_challenge_id = ${aSid()},
        lease_until = null where id = ${challengeId}`,
      () => signatures.resend(aRequestKey({ scope: id }), id, aNewChallenge(), none),
    );
    expect(result.outcome).toBe("exhausted");
  });

  test.each([
    ["an abort", (id: string): Promise<unknown> => closings.abort("payments", id, undefined, "")],
    ["a completion", (id: string): Promise<unknown> => closings.complete("payments", id, "match", noLockout)],
  ] as const)(
    "%s erases the number where the outcome became known, keeps it where it became open",
    async (_, close) => {
      const known = await started();
      await behind(
        (tx) => tx`update challenge set lease_until = null where id = ${known.challengeId}`,
        () => close(known.id),
      );
      expect(await phoneAndLease(known.id)).toEqual({ phone: false, leased: false });

      const open = await started();
      await deliveries.giveUp(open.challengeId, open.lease, "20429");
      await behind(
        (tx) =>
          tx`update challenge set lease_until = ${now()}, lease_epoch = 2 where id = ${open.challengeId}`,
        () => close(open.id),
      );
      expect(await phoneAndLease(open.id)).toEqual({ phone: true, leased: true });
    },
  );

  test("a second message that many report at once is one duplicate", async () => {
    const { id, challengeId, lease } = await started();
    await deliveries.beginCall(challengeId, lease);
    await accepted(challengeId, aSid());
    const second = aSid();
    // Of one store's calls at the same time one statement would tell.
    const replicas = Array.from({ length: 8 }, () => new PostgresDeliveryStore(db));
    const effects = await behind(
      (tx) => tx`select from signature where id = ${id} for update`,
      () =>
        Promise.all(replicas.map((replica) => accepted(challengeId, second, "receipt", "proof", replica))),
      replicas.length,
    ).then((acceptances) => acceptances.map((acceptance) => acceptance?.effect));
    expect(effects.filter((effect) => effect === "duplicate")).toHaveLength(1);
    expect(effects.filter((effect) => effect === "nothing_new")).toHaveLength(7);
    expect((await timeline(id)).filter((type) => type === "DUPLICATE_SENT")).toHaveLength(1);
  });
});

describe("facts that come late or twice", () => {
  test("an answer after its receipt adds the record of the answer, and takes nothing back", async () => {
    const { id, challengeId } = await started();
    const sid = aSid();
    await accepted(challengeId, sid, "receipt", "proof of the receipt");
    pass(1000);
    const sentAt = (await reader.get("payments", id))?.challenge.sentAt;
    expect(await accepted(challengeId, sid, "answer", "proof of the answer")).toMatchObject({
      effect: "nothing_new",
      signature: { challenge: { status: "sent", providerProof: "proof of the answer", sentAt } },
    });
    await accepted(challengeId, sid, "receipt", "proof of a later receipt");
    await accepted(challengeId, aSid(), "answer", "proof of a duplicate");
    expect((await reader.get("payments", id))?.challenge.providerProof).toBe("proof of the answer");
  });

  test("a refusal after an acceptance is on record, and changes nothing about the message", async () => {
    const { id, challengeId } = await started();
    const sid = aSid();
    await accepted(challengeId, sid, "receipt");
    const after = await deliveries.refused(challengeId, "21610");
    expect(after.challenge).toMatchObject({ status: "sent", providerErrorCode: undefined });
    const late = aReceipt(challengeId, sid, { status: "undelivered", providerErrorCode: "30003" });
    expect(await deliveries.settled(late)).toBe(true);
    expect((await reader.get("payments", id))?.challenge).toMatchObject({
      status: "failed",
      providerErrorCode: "30003",
    });
    expect((await timeline(id)).slice(2)).toEqual([
      "CHALLENGE_SENT",
      "CHALLENGE_REFUSED",
      "CHALLENGE_UNDELIVERED",
    ]);
  });

  test("a message of an earlier challenge leaves the number to the one that is still looked for", async () => {
    const { id, challengeId, lease } = await started();
    await deliveries.giveUp(challengeId, lease, "20429");
    const next = aNewChallenge();
    await signatures.resend(aRequestKey({ scope: id }), id, next, rules);
    await closings.abort("payments", id, undefined, "");
    await accepted(challengeId, aSid(), "receipt");
    await deliveries.refused(challengeId, "21610");
    expect(await phoneAndLease(id)).toEqual({ phone: true, leased: true });
    await accepted(next.id, aSid(), "look_up");
    expect(await phoneAndLease(id)).toEqual({ phone: false, leased: false });
  });

  test.each(["before", "after"])(
    "a challenge that was sent again keeps the number for its last look, its successor settled %s the closure",
    async (when) => {
      const { id, challengeId, lease } = await started();
      await deliveries.lookedUp(challengeId, lease, "nothing");
      await deliveries.beginCall(challengeId, lease);
      await accepted(challengeId, aSid(), "answer");
      pass(30_000);
      const next = aNewChallenge();
      const resend = await signatures.resend(aRequestKey({ scope: id }), id, next, rules);
      expect(resend.outcome).toBe("created");
      const steps = [
        () => accepted(next.id, aSid(), "answer"),
        () => closings.abort("payments", id, undefined, ""),
      ];
      for (const step of when === "before" ? steps : steps.toReversed()) await step();
      expect(await phoneAndLease(id)).toEqual({ phone: true, leased: false });
      pass(60_000);
      for (const { claim } of await upkeep.dueLookUps(50, 1000)) await upkeep.lookedUpAgain(claim);
      expect(await phoneAndLease(id)).toEqual({ phone: false, leased: false });
    },
  );

  test("a message that another challenge claimed is sent all the same on the answer's or a receipt's word", async () => {
    for (const source of ["answer", "receipt"] as const) {
      const [claimant, owner, guesser] = [await started(), await started(), await started()];
      const sid = aSid();
      await accepted(claimant.challengeId, sid, "look_up");
      const before = await phoneAndLease(guesser.id);
      expect(await accepted(guesser.challengeId, sid, "look_up")).toEqual({ effect: "elsewhere" });
      expect(await phoneAndLease(guesser.id)).toEqual(before);
      expect(await accepted(owner.challengeId, sid, source)).toMatchObject({
        effect: "sent",
        signature: { status: "challenge_sent", challenge: { status: "sent", inProgress: false } },
      });
      expect((await accepted(owner.challengeId, sid, "receipt"))?.effect).toBe("nothing_new");
      expect((await accepted(owner.challengeId, sid, "look_up"))?.effect).toBe("nothing_new");
      expect((await timeline(owner.id)).slice(2)).toEqual(["CHALLENGE_SENT"]);
      await closings.complete("payments", owner.id, "match", noLockout);
      pass(60_000);
      const due = await upkeep.due("redaction", 50, 1000);
      const message = { challengeId: owner.challengeId, provider: "twilio", providerChallengeId: sid };
      expect(due.flatMap(({ messages }) => messages)).toContainEqual(message);
    }
  });

  test("a list's messages beyond the calls that were made are not counted as sent twice", async () => {
    const { id, challengeId } = await started();
    await accepted(challengeId, aSid(), "look_up");
    expect(await accepted(challengeId, aSid(), "look_up")).toEqual({ effect: "elsewhere" });
    expect(await timeline(id)).not.toContain("DUPLICATE_SENT");
    const again = await started();
    await deliveries.beginCall(again.challengeId, again.lease);
    await accepted(again.challengeId, aSid(), "look_up");
    expect((await accepted(again.challengeId, aSid(), "look_up"))?.effect).toBe("duplicate");
  });

  test("nor are messages beyond the calls that only receipts tell of, however many", async () => {
    const { id, challengeId } = await started();
    await accepted(challengeId, aSid(), "receipt");
    for (let n = 0; n < 3; n += 1)
      expect(await accepted(challengeId, aSid(), "receipt")).toEqual({ effect: "surplus" });
    expect((await timeline(id)).slice(2)).toEqual(["CHALLENGE_SENT"]);
    // What our own call was answered counts all the same: the first receipt may have been a forged one.
    expect((await accepted(challengeId, aSid(), "answer"))?.effect).toBe("duplicate");
  });

  test("a duplicate that is noticed while the first message is redacted is redacted too", async () => {
    const { id, challengeId, lease } = await started();
    const [first, second] = [aSid(), aSid()];
    await deliveries.beginCall(challengeId, lease);
    await accepted(challengeId, first, "answer");
    await closings.abort("payments", id, undefined, "");
    pass(60_000);
    const mine = async () =>
      (await upkeep.due("redaction", 50, 1000)).filter(({ claim }) => claim.challengeId === challengeId);
    const [claimed] = await mine();
    await accepted(challengeId, second, "receipt");
    await upkeep.done("redaction", claimed!.claim);
    pass(60_000);
    const [due] = await mine();
    expect(due?.messages.map(({ providerChallengeId }) => providerChallengeId)).toEqual([first, second]);
    await upkeep.done("redaction", due!.claim);
    pass(3_600_000);
    expect(await mine()).toEqual([]);
  });

  test("a message that is found after its code was used is still confirmed and redacted, each once", async () => {
    const { id, challengeId } = await started();
    await closings.complete("payments", id, "match", noLockout);
    const sid = aSid();
    await accepted(challengeId, sid, "look_up");
    const due = async (task: UpkeepTask) =>
      (await upkeep.due(task, 50, 1000)).filter(({ claim }) => claim.challengeId === challengeId);
    const message = { challengeId, provider: "twilio", providerChallengeId: sid };
    const [feedback, ...again] = await due("feedback");
    expect(again).toEqual([]);
    expect(feedback?.messages).toEqual([message]);
    await upkeep.done("feedback", feedback!.claim);
    pass(60_000);
    const [redaction] = await due("redaction");
    expect(redaction?.messages).toEqual([message]);
    await upkeep.done("redaction", redaction!.claim);
    await accepted(challengeId, sid, "receipt");
    pass(3_600_000);
    expect(await due("feedback")).toEqual([]);
    expect(await due("redaction")).toEqual([]);
  });
});
