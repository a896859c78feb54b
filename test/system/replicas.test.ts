import { once } from "node:events";
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generatedKeysFile } from "../../src/config/keys-file.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { failedStart } from "../support/failed-start.ts";
import { collect, grpcError } from "../support/grpc-client.ts";
import { LiveInstallation, temporaryDirectory } from "../support/live-installation.ts";
import { Pulse } from "../support/pulse.ts";
import { RouterProcess } from "../support/router-process.ts";
import {
  aPhoneNumber,
  aStartOf,
  challengeStatusName,
  signatureStatusName,
  timelineOf,
} from "../support/signature-requests.ts";

const metricsOf = async ({ opsUrl }: RouterProcess) => await (await fetch(`${opsUrl}/metrics`)).text();

describe("Two live replicas on one database", () => {
  let database: TestDatabase;
  let installation: LiveInstallation;
  let one: RouterProcess;
  let other: RouterProcess;

  beforeAll(async () => {
    database = await createDatabase();
    installation = await LiveInstallation.create(database.url);
    const inNoHurry = { TWILIO_TIMEOUT_SECONDS: "5", SIGNATURE_LEASE_SECONDS: "8" };
    [one, other] = await Promise.all([
      installation.startReplica(inNoHurry),
      installation.startReplica(inNoHurry),
    ]);
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });

  it("answer a key that the other one knows with the same signature, and send nothing", async () => {
    const to = aPhoneNumber();
    const request = aStartOf(to);
    const first = await one.client.startSignature(request);
    const replay = await other.client.startSignature(request);
    expect({ first: first.replayed, replay: replay.replayed }).toEqual({ first: false, replay: true });
    expect(replay.signature?.id).toBe(first.signature?.id);
    expect(installation.double.messagesTo(to)).toHaveLength(1);
    const changed = aStartOf(to, { ...request, customerId: "somebody else" });
    expect(await grpcError(other.client.startSignature(changed))).toMatchObject({
      code: "ALREADY_EXISTS",
      reason: "IDEMPOTENCY_KEY_REUSED",
    });
  });

  it("make one signature and one message of 50 calls at once with one key, and answer all of them", async () => {
    const to = aPhoneNumber();
    const request = aStartOf(to);
    installation.double.plan(to, [{ kind: "latency", ms: 100 }]);
    const calls = Array.from({ length: 50 }, (_, n) => (n % 2 ? one : other).client.startSignature(request));
    const answers = await Promise.all(calls);
    expect(new Set(answers.map(({ signature }) => signature?.id)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(installation.double.messagesTo(to)).toHaveLength(1);
  });

  it("show within a second that a message arrived, to whoever reads and whoever watches", async () => {
    const pulse = new Pulse(other.opsUrl);
    const to = aPhoneNumber();
    installation.double.plan(to, [{ kind: "accept", delivery: { deliverMs: 300 } }]);
    const { signature } = await one.client.startSignature(aStartOf(to));
    const signatureId = signature?.id ?? "";
    for await (const change of other.client.watchSignature({ signatureId })) {
      if (challengeStatusName(change.signature?.challenge?.status) === "DELIVERED") break;
    }
    const message = await installation.double.messageTo(to);
    const [record] = await installation.double.callbacksMade(message.sid, 1, "delivered");
    const shownMs = Date.now() - (record?.at ?? 0);
    await pulse.stop();
    expect(shownMs).toBeLessThan(1000 + pulse.slack);
    const history = await one.client.getSignature({ signatureId });
    expect(history.signature?.challenge?.deliveredAt).toBeDefined();
    expect(timelineOf(history)).toEqual(["CHALLENGE_SENT answer 1", "CHALLENGE_DELIVERED"]);
  });

  it("show that a message did not arrive, with the provider's code, and let its code be used all the same", async () => {
    const to = aPhoneNumber();
    installation.double.plan(to, [
      { kind: "accept", delivery: { outcome: "undelivered", errorCode: 30003, receiptCopies: 2 } },
    ]);
    const { signature } = await one.client.startSignature(aStartOf(to));
    const signatureId = signature?.id ?? "";
    const watched = collect(other.client.watchSignature({ signatureId }));
    const { sid, body } = await installation.double.messageTo(to);
    await installation.double.callbacksMade(sid, 2, "undelivered");
    const failed = await one.client.getSignature({ signatureId });
    expect(failed.signature?.challenge).toMatchObject({
      providerErrorCode: "30003",
      providerChallengeId: sid,
    });
    expect(challengeStatusName(failed.signature?.challenge?.status)).toBe("FAILED");
    expect(timelineOf(failed)).toEqual(["CHALLENGE_SENT answer 1", "CHALLENGE_UNDELIVERED 30003"]);

    const code = /\b\d{6}\b/.exec(body)?.[0] ?? "";
    await one.client.completeSignature({ signatureId, code });
    const last = (await watched).at(-1)?.signature;
    expect(signatureStatusName(last?.status)).toBe("COMPLETED");
  });

  it("answer a call of unknown outcome by the receipt that reached the other, without a look-up", async () => {
    // Outside the ingress: its receipts reach the other two alone, and its pause outlasts the test.
    const patient = { TWILIO_SETTLE_MS: "14000", SIGNATURE_LEASE_SECONDS: "30" };
    const env = installation.environment(patient);
    await using waiting = await RouterProcess.start({ env, cwd: installation.directory });
    const { double } = installation;
    const to = aPhoneNumber();
    double.plan(to, [
      {
        kind: "reset_after_accept",
        delivery: { receiptDelayMs: 500, receipts: "in_order", outcome: "sent" },
      },
    ]);
    const lookUps: string[] = [];
    double.on("lookup", (number) => lookUps.push(number));
    const { signature } = await waiting.client.startSignature(aStartOf(to));
    const { sid } = await double.messageTo(to);
    expect(signature?.challenge).toMatchObject({ providerChallengeId: sid, inProgress: false });
    expect(challengeStatusName(signature?.challenge?.status)).toBe("SENT");
    const history = await one.client.getSignature({ signatureId: signature?.id ?? "" });
    expect(timelineOf(history)).toEqual(["OUTCOME_UNKNOWN connection 1", "CHALLENGE_SENT receipt 1"]);
    // The work itself has ended, not the caller's wait alone.
    await expect
      .poll(async () => /^signature_in_flight\S* (\d+)/m.exec(await metricsOf(waiting))?.[1])
      .toBe("0");
    expect(double.messagesTo(to)).toHaveLength(1);
    expect(double.calls.filter((call) => call.to === to)).toHaveLength(1);
    expect(lookUps).not.toContain(to);
  });

  it("refuse a third one that has other keys under the same ids", async () => {
    const directory = temporaryDirectory();
    const keys = { SIGNATURE_KEYS_FILE: generatedKeysFile(directory) };
    const { code, said } = await failedStart(installation.environment(keys));
    rmSync(directory, { recursive: true });
    expect(code).toBe(1);
    expect(said).toContain("this database knows other keys under the ids");
    expect(said).toContain("codePepper.c1");
  });

  // Last, because it takes a replica away.
  it("finish what is in flight when they are told to stop, and take nothing new", async () => {
    const to = aPhoneNumber();
    installation.double.plan(to, [{ kind: "latency", ms: 500 }]);
    const called = once(installation.double, "call");
    const answer = one.client.startSignature(aStartOf(to));
    await called;
    const stopped = one.stop();
    const { signature } = await answer;
    expect(challengeStatusName(signature?.challenge?.status)).toBe("SENT");
    await stopped;
    expect(await grpcError(one.client.getSignature({ signatureId: signature?.id ?? "" }))).toMatchObject({
      code: "UNAVAILABLE",
    });
    const kept = await other.client.getSignature({ signatureId: signature?.id ?? "" });
    expect(kept.signature?.challenge?.inProgress).toBe(false);
    expect(installation.double.messagesTo(to)).toHaveLength(1);
  });
});
