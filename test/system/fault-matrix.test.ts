import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ChallengeStatus } from "../../src/gen/bank/signature/v1/challenge_pb.ts";
import type {
  GetSignatureResponse,
  StartSignatureResponse,
} from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { GrpcError, grpcError } from "../support/grpc-client.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import type { RouterProcess } from "../support/router-process.ts";
import {
  aPhoneNumber,
  aStartOf,
  challengeStatusName,
  signatureStatusName,
  timelineOf,
} from "../support/signature-requests.ts";
import { type Case, cases } from "./fault-cases.ts";

interface Run {
  readonly answer: string;
  readonly replay: string;
  readonly ended: GetSignatureResponse;
  readonly calls: number;
  readonly texts: readonly string[];
}

let database: TestDatabase;
let installation: LiveInstallation;
let router: RouterProcess;
const runs = new Map<string, Promise<Run>>();

const started = (call: Promise<StartSignatureResponse>): Promise<string> =>
  call.then(
    ({ signature }) => `OK ${challengeStatusName(signature?.challenge?.status)}`,
    (error: unknown) => {
      if (!(error instanceof GrpcError)) throw error;
      return `${error.reason} ${error.metadata["provider_error_code"]}`;
    },
  );

async function run(of: Case): Promise<Run> {
  const { double } = installation;
  const { client } = router;
  const to = aPhoneNumber();
  if (of.steps.length > 0) double.plan(to, of.steps, { repeatLast: of.always === true });
  if (of.lookUps) double.planLookups(to, of.lookUps);
  const request = aStartOf(to);
  const answer = await started(client.startSignature(request));
  const [{ id }] = await database.sql<[{ id: string }]>`
    select signature_id as id from idempotency_key where key = ${request.idempotencyKey ?? ""}`;
  const last = `${of.timeline.length + 2}`;
  let ended = await client.getSignature({ signatureId: id });
  for await (const _ of client.watchSignature({ signatureId: id })) {
    ended = await client.getSignature({ signatureId: id });
    if (ended.timeline.length >= Number(last)) break;
  }
  const messages = double.messagesTo(to);
  const calls = double.calls.filter((call) => call.to === to).length;
  const isFinal = of.ends !== "PENDING";
  const replay = isFinal ? await started(client.startSignature(request)) : "";
  return { answer, replay, ended, calls, texts: messages.map((message) => message.body) };
}

const isSentTwice = ({ accepted }: Case) => accepted > 1;

beforeAll(async () => {
  database = await createDatabase();
  installation = await LiveInstallation.create(database.url, { receipts: "none" });
  router = await installation.startReplica({
    TWILIO_TIMEOUT_SECONDS: "0.8",
    // Nobody dies here: a machine under load shall not lose a lease.
    SIGNATURE_LEASE_SECONDS: "10",
  });
  // The first call of a process is slow, and some cases below are about time.
  await router.client.startSignature(aStartOf(aPhoneNumber()));
  const begin = (one: Case, result: Promise<Run>) => {
    // Whoever waits for it hears of its end; until then it is nobody's unhandled rejection.
    result.catch(() => undefined);
    runs.set(one.fault, result);
  };
  // What is sent twice makes the settling pause longer for all that follows.
  const [twice, once] = [cases.filter(isSentTwice), cases.filter((one) => !isSentTwice(one))];
  for (const one of once) begin(one, run(one));
  const ended = Promise.allSettled(runs.values());
  for (const one of twice)
    begin(
      one,
      ended.then(() => run(one)),
    );
});

afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

describe("A message through faults of Twilio's", () => {
  it.each(cases)("is sent as often as promised: $fault", async (expected) => {
    const { answer, replay, ended, calls, texts } = await runs.get(expected.fault)!;
    const ordered = (timeline: readonly string[]) => (expected.inAnyOrder ? timeline.toSorted() : timeline);
    const timeline = ordered(timelineOf(ended));
    expect({ answer, timeline, calls, accepted: texts.length }).toEqual({
      answer: expected.answer,
      timeline: ordered(expected.timeline),
      calls: expected.calls,
      accepted: expected.accepted,
    });
    const { status, challenge } = ended.signature!;
    expect(challengeStatusName(challenge?.status)).toBe(expected.ends);
    expect(challenge?.inProgress).toBe(false);
    const wasSent = expected.ends === "SENT";
    expect(signatureStatusName(status)).toBe(wasSent ? "CHALLENGE_SENT" : "PENDING");
    // Whatever slipped through carries the same text, and so the same code.
    expect(new Set(texts).size).toBe(Math.min(1, expected.accepted));
    if (expected.ends === "FAILED") expect(replay).toBe(expected.answer);
    if (wasSent) expect(replay).toBe(`OK ${expected.ends}`);
  });

  it("is given up while nobody listens, and sent once when the same call comes again", async () => {
    await Promise.allSettled(runs.values());
    const { double } = installation;
    const { client } = router;
    const to = aPhoneNumber();
    const request = aStartOf(to);
    await double.goDown();
    const error = await grpcError(client.startSignature(request));
    expect(error).toMatchObject({
      code: "UNAVAILABLE",
      reason: "PROVIDER_UNAVAILABLE",
      metadata: { provider: "twilio", provider_error_code: "connection" },
    });
    expect(error.retryAfterMs).toBeGreaterThan(0);
    const { signature_id: signatureId = "" } = error.metadata;
    const givenUp = await client.getSignature({ signatureId });
    expect(timelineOf(givenUp)).toEqual(["CHALLENGE_GIVEN_UP connection 4"]);
    expect(givenUp.signature?.challenge).toMatchObject({
      status: ChallengeStatus.PENDING,
      inProgress: false,
    });

    await double.comeBack();
    const again = await client.startSignature(request);
    expect(again.replayed).toBe(true);
    expect(again.signature?.challenge?.status).toBe(ChallengeStatus.SENT);
    const history = await client.getSignature({ signatureId });
    expect(timelineOf(history)).toEqual([
      "CHALLENGE_GIVEN_UP connection 4",
      "CHALLENGE_TAKEN_OVER 4",
      "CHALLENGE_SENT answer 5",
    ]);
    expect(double.messagesTo(to)).toHaveLength(1);
  });

  it("is counted: one message for each signature, but for those that slipped through and were noticed", async () => {
    await Promise.allSettled(runs.values());
    const { accepted } = installation.double.counts;
    expect(accepted).toBe(cases.reduce((sum, one) => sum + one.accepted, 2));
    const [{ leases, duplicates }] = await database.sql<[{ leases: number; duplicates: number }]>`
      select (select count(*)::int from challenge where lease_until is not null) as leases,
        (select count(*)::int from event where type = 'DUPLICATE_SENT') as duplicates`;
    expect({ leases, duplicates }).toEqual({ leases: 0, duplicates: 2 });
  });
});
