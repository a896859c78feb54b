import { describe, expect, test } from "vitest";
import { type MessageTemplates, messageTemplates } from "../../src/domain/message-templates.ts";
import { MessageTexts, newestTextVersion, type TextVersion } from "../../src/domain/message-texts.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { ExportEvidence } from "../../src/usecases/export-evidence.ts";
import { SealSignatures } from "../../src/usecases/seal-signatures.ts";
import { aTransaction, failureOf } from "../support/domain.ts";
import type { ReplicaSettings } from "../support/replica.ts";
import { aStartCommand, codeIn, useService } from "../support/service.ts";

const service = await useService();
const { time, keys, sql } = service;
const evidence = new PostgresEvidenceStore(service.database);
const sealing = new SealSignatures({ evidence, keys });
const exporting = new ExportEvidence({ evidence, keys, sealing, texts: texts(), proves: () => true });

/** The versions of this release and one more, in which a word has changed and names are cleaned otherwise. */
function texts(current = newestTextVersion + 1): MessageTexts {
  const known = new MessageTexts();
  const newer: MessageTemplates = {
    ...messageTemplates,
    es: { ...messageTemplates.es, validity: (minutes) => `Vence en ${minutes} min.` },
  };
  const readable = (text: string) => ({ text: text.toUpperCase(), ownScript: false });
  const versions = Array.from({ length: newestTextVersion }, (_, n): [number, TextVersion] => [
    n + 1,
    known.of(n + 1),
  ]);
  return new MessageTexts(
    current,
    new Map([...versions, [newestTextVersion + 1, { templates: newer, readable }]]),
  );
}

/** Knows no newer texts: the release before. */
const before: ReplicaSettings = { texts: new MessageTexts() };
/** Knows the newer texts, and writes the old ones: the first round of a rolling deploy. */
const pinned: ReplicaSettings = { texts: texts(newestTextVersion) };
const after: ReplicaSettings = { texts: texts() };

describe("during a rolling deploy between two versions of a text", () => {
  test.each([
    ["the release before", "the pinned one", before, pinned],
    ["the release before", "the newer one", before, after],
    ["the pinned one", "the newer one", pinned, after],
    ["the newer one", "the pinned one", after, pinned],
  ])(
    "what %s sent without an answer is found by %s: nothing is sent twice",
    async (_, __, writer, reader) => {
      const command = aStartCommand({ transaction: aTransaction({ payee: "Panadería Sol" }) });
      const { signatureId } = await service.diedInCall(command, true, writer);
      const other = service.replica(reader);
      await service.takenOver(other);
      expect(service.messages(command)).toHaveLength(1);
      expect(service.provider.calls).toHaveLength(1);
      expect((await other.timeline(signatureId)).slice(2)).toEqual([
        "CHALLENGE_TAKEN_OVER",
        "LOOKED_UP",
        "CHALLENGE_SENT",
      ]);
    },
  );

  test.each([
    ["the release before", "the newer one", before, after],
    ["the newer one", "the pinned one", after, pinned],
  ])(
    "what %s sent and nobody took is sent again by %s with the text of its row",
    async (_, __, writer, reader) => {
      const command = aStartCommand();
      await service.diedInCall(command, false, writer);
      const first = service.provider.calls.at(-1);
      await service.takenOver(service.replica(reader));
      expect(service.messages(command).map(({ text }) => text)).toEqual([first?.text]);
    },
  );

  test("a replica that does not know the newer text leaves its challenge to one that does", async () => {
    const command = aStartCommand();
    const { signatureId, challengeId } = await service.diedInCall(command, true, after);
    const old = service.replica(before);
    await service.takenOver(old);
    expect(old.saw("taken_over")).toEqual([]);
    expect(await service.row("challenge", challengeId)).toMatchObject({ lease_epoch: 1, status: "pending" });
    const newer = service.replica(after);
    await service.takenOver(newer, 0);
    expect(service.messages(command)).toHaveLength(1);
    expect((await newer.history(signatureId)).signature.status).toBe("challenge_sent");
  });

  test("a code of a newer text costs nothing at a replica that does not know it, and completes at one that does", async () => {
    const command = aStartCommand();
    const newer = service.replica(after);
    const { signature } = await time.drive(newer.startSignature.execute(command, 20_000));
    const completion = {
      ...{ caller: "payments", signatureId: signature.id, transaction: undefined },
      code: codeIn(service.messages(command)[0]),
    };
    const old = service.replica(before);
    expect(await failureOf(old.completeSignature.execute(completion))).toMatchObject({
      reason: "SERVICE_UNAVAILABLE",
    });
    expect((await old.history(signature.id)).signature).toMatchObject({
      ...{ status: "challenge_sent", attemptsRemaining: 3 },
    });
    expect((await newer.completeSignature.execute(completion)).signature.status).toBe("completed");
  });

  test("a resend by a newer replica looks the old text up first, and both are exported as they were sent", async () => {
    const command = aStartCommand({ locale: "es-MX" });
    const old = service.replica(before);
    service.provider.failNext(service.provider.error("unknown", "timeout"), { accepted: true });
    const { signature } = await time.drive(old.startSignature.execute(command, 20_000));
    await time.pass(60_000);
    const newer = service.replica(after);
    const resend = {
      caller: "payments",
      signatureId: signature.id,
      channel: undefined,
      idempotencyKey: "again",
    };
    await time.drive(newer.sendChallenge.execute(resend, 20_000));
    const [first, second] = service.messages(command).map(({ text }) => text);
    expect(first).toContain("Caduca en 5 min.");
    expect(second).toContain("Vence en 3 min.");
    // The amount is written as before, by whichever replica.
    for (const text of [first, second]) expect(text).toContain("12.50 EUR");
    const code = codeIn(service.messages(command)[0]);
    await newer.completeSignature.execute({ ...resend, code, transaction: undefined });
    await newer.keepReceipts.stored();
    const pack = await exporting.execute(signature.id);
    const masked = [first, second].map((text) => text?.replace(code, "******"));
    expect(pack?.challenges.map(({ text }) => text)).toEqual(masked);
  });
});

test("a row of before there were versions is of version 1, sent, completed and exported as it was then", async () => {
  const command = aStartCommand({ transaction: aTransaction({ payee: "Iberdr\u043ela" }) });
  const first = { texts: new MessageTexts(1) };
  const { signatureId, challengeId } = await service.diedInCall(command, true, first);
  await sql`update challenge set text_version = null, amount_pattern = null where id = ${challengeId}`;
  const replica = service.replica();
  await service.takenOver(replica);
  const [message, ...more] = service.messages(command);
  expect(more).toEqual([]);
  expect(message?.text).toContain("12,50 EUR a Iberdrla");
  const code = codeIn(message);
  await replica.completeSignature.execute({ caller: "payments", signatureId, code, transaction: undefined });
  await replica.keepReceipts.stored();
  const pack = await exporting.execute(signatureId);
  expect(pack?.challenges.map(({ text }) => text)).toEqual([message?.text.replace(code, "******")]);
});

test("what is configured otherwise at another replica changes no text that is under way", async () => {
  const command = aStartCommand({ locale: "" });
  await service.diedInCall(command, false, {
    brand: "Banco X",
    webOtpHost: "bancox.es",
    defaultLocale: "en-ES",
  });
  const first = service.provider.calls.at(-1);
  expect(first?.text).toMatch(/^Banco X: \d{6} signs .*EUR 12,50 .*\n@bancox\.es #\d{6}$/s);
  await service.takenOver(service.replica({ brand: "Otro", webOtpHost: "otro.es", texts: texts() }));
  expect(service.messages(command).map(({ text }) => text)).toEqual([first?.text]);
});
