import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oneTimeCodeIn } from "../../src/sandbox/one-time-code-in-text.ts";
import { webhookSignature } from "../../src/sandbox/webhook-signature.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf, timelineOf } from "../support/signature-requests.ts";
import { accountSid, authToken } from "../support/twilio-sandbox.ts";

let database: TestDatabase;
let installation: LiveInstallation;
let router: RouterProcess;

beforeAll(async () => {
  database = await createDatabase();
  installation = await LiveInstallation.create(database.url, { receipts: "none" });
  router = await installation.startReplica();
});

afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

interface Victim {
  readonly to: string;
  readonly signatureId: string;
  readonly challengeId: string;
  readonly sid: string;
}

async function started(): Promise<Victim> {
  const to = aPhoneNumber();
  const { signature } = await router.client.startSignature(aStartOf(to));
  const { id: challengeId = "", providerChallengeId: sid = "" } = signature?.challenge ?? {};
  return { to, signatureId: signature?.id ?? "", challengeId, sid };
}

/** A status callback that somebody with the auth token signs, with whatever parameters they like. */
async function callback(
  { challengeId }: Victim,
  params: Record<string, string>,
  attempt = 1,
): Promise<number> {
  const search = `?challenge=${challengeId}&attempt=${attempt}`;
  const signed = `${installation.environment()["PUBLIC_URL"]}/twilio/status${search}`;
  const response = await fetch(`${router.httpUrl}/twilio/status${search}`, {
    method: "POST",
    headers: { "x-twilio-signature": webhookSignature(authToken, signed, new Map(Object.entries(params))) },
    body: new URLSearchParams(params),
  });
  return response.status;
}

async function mismatches(): Promise<Record<string, number>> {
  const metrics = await (await fetch(`${router.opsUrl}/metrics`)).text();
  const samples = metrics.matchAll(/^signature_receipt_mismatches_total\{.*?fault="(\w+)".*?\} (\d+)/gm);
  return Object.fromEntries(Array.from(samples, ([, fault, count]) => [fault, Number(count)]));
}

const timeline = async ({ signatureId }: Victim) =>
  timelineOf(await router.client.getSignature({ signatureId }));

const undelivered = { MessageStatus: "undelivered", ErrorCode: "30003" };
const foreignSid = `SM${"e".repeat(32)}`;

describe("Whoever has stolen the auth token", () => {
  it("changes nothing about another customer's challenge, before or after its number is erased", async () => {
    const victim = await started();
    const attacker = await started();
    const attacks: [Record<string, string>, number?][] = [
      [{ ...undelivered, AccountSid: `AC${"f".repeat(32)}`, To: victim.to, MessageSid: victim.sid }],
      [{ ...undelivered, AccountSid: accountSid, To: attacker.to, MessageSid: victim.sid }],
      [{ ...undelivered, AccountSid: accountSid, To: attacker.to, MessageSid: attacker.sid }],
      [{ ...undelivered, AccountSid: accountSid, To: victim.to, MessageSid: victim.sid }, 2],
      [{ ...undelivered, AccountSid: accountSid, To: victim.to, MessageSid: foreignSid }],
    ];
    const attack = async () => {
      for (const [params, attempt] of attacks) expect(await callback(victim, params, attempt)).toBe(204);
    };
    const sent = await timeline(victim);
    expect(sent).toEqual(["CHALLENGE_SENT answer 1"]);
    await attack();
    expect(await timeline(victim)).toEqual(sent);
    expect(await mismatches()).toEqual({ account: 1, destination: 2, attempt: 1, message: 1 });

    const code =
      oneTimeCodeIn(installation.double.messages.find(({ to }) => to === victim.to)?.body ?? "") ?? "";
    await router.client.completeSignature({ signatureId: victim.signatureId, code });
    await attack();
    expect(await timeline(victim)).toEqual([...sent, "SIGNATURE_COMPLETED 1"]);
    expect(await mismatches()).toEqual({ account: 2, destination: 4, attempt: 2, message: 2 });

    const genuine = { MessageStatus: "delivered", AccountSid: accountSid, To: victim.to };
    expect(await callback(victim, { ...genuine, MessageSid: victim.sid })).toBe(204);
    expect((await timeline(victim)).at(-1)).toMatch(/^CHALLENGE_DELIVERED/);

    const log = router.stdout.filter((line) => line.includes("receipt does not fit its challenge"));
    expect(log).toHaveLength(10);
    const all = [...router.stdout, ...router.stderr].join("\n");
    for (const { to } of [victim, attacker]) expect(all).not.toContain(to.slice(-9));
  });
});
