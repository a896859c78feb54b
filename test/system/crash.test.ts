import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GetSignatureResponse } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import type { CreateStep, LookupStep } from "../../src/sandbox/steps.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf, challengeStatusName, timelineOf } from "../support/signature-requests.ts";
import type { StopPoint } from "../support/stop-points.ts";

const stopPoints = new URL("../support/stop-points.ts", import.meta.url).pathname;
/** A replica that is to be killed or stopped; what it drops it leaves to the other one. */
const stoppingAt = (points: readonly StopPoint[]) => ({
  STOP_POINTS: JSON.stringify(points),
  SIGNATURE_SWEEP_SECONDS: "60",
});

let database: TestDatabase;
let installation: LiveInstallation;
/** The replica that goes on, the one that is killed, and the one that is stopped for a while. */
let survivor: RouterProcess;
let victim: RouterProcess;
let stalled: RouterProcess;

/** The history of a signature once its latest challenge has been sent. */
async function historyOnceSent(signatureId: string): Promise<GetSignatureResponse> {
  for await (const { signature } of survivor.client.watchSignature({ signatureId })) {
    if (challengeStatusName(signature?.challenge?.status) === "SENT") break;
  }
  return await survivor.client.getSignature({ signatureId });
}

async function signatureIdOf(idempotencyKey: string): Promise<string> {
  const [row] = await database.sql<{ id: string }[]>`
    select signature_id as id from idempotency_key where key = ${idempotencyKey}`;
  return row?.id ?? "";
}

async function leasesOf(signatureId: string): Promise<number> {
  const rows = await database.sql`
    select id from challenge where lease_until is not null and signature_id = ${signatureId}`;
  return rows.length;
}

/** Where a signature stands at the moment of the kill, and what the other replica makes of it. */
interface Step {
  readonly step: string;
  readonly point?: Omit<StopPoint, "to" | "effect">;
  readonly calls?: readonly CreateStep[];
  readonly lookUps?: readonly LookupStep[];
  /** The event of the double that says it is reached, where no stop point does. */
  readonly reached?: "call" | "accepted" | "lookup";
  readonly timeline: readonly string[];
}

const sentByOther = (attempt: number) => [
  `CHALLENGE_TAKEN_OVER ${attempt}`,
  `LOOKED_UP nothing ${attempt}`,
  `CHALLENGE_SENT answer ${attempt + 1}`,
];
const foundByOther = ["CHALLENGE_TAKEN_OVER 1", "LOOKED_UP message", "CHALLENGE_SENT look_up 1"];

const steps: readonly Step[] = [
  { step: "after TX 1, before the call", point: { at: "before_call" }, timeline: sentByOther(1) },
  {
    step: "mid-call, before Twilio has accepted",
    ...{ calls: [{ kind: "hang_before_accept" }], reached: "call", timeline: sentByOther(1) },
  },
  {
    step: "mid-call, after Twilio has accepted",
    ...{ calls: [{ kind: "hang_after_accept" }], reached: "accepted", timeline: foundByOther },
  },
  { step: "after the answer, before TX 2", point: { at: "after_answer" }, timeline: foundByOther },
  {
    step: "after a retry was recorded, before its call",
    ...{ calls: [{ kind: "status", status: 429 }], point: { at: "before_call", call: 2 } },
    timeline: sentByOther(2),
  },
  {
    step: "in the look-up of a message that Twilio has",
    ...{ calls: [{ kind: "reset_after_accept" }], lookUps: [{ kind: "hang" }], reached: "lookup" },
    timeline: ["OUTCOME_UNKNOWN connection 1", ...foundByOther],
  },
  {
    step: "in the look-up of a message that Twilio has not",
    ...{ calls: [{ kind: "reset_before_accept" }], lookUps: [{ kind: "hang" }], reached: "lookup" },
    timeline: ["OUTCOME_UNKNOWN connection 1", ...sentByOther(1)],
  },
];

const killed = steps.map((step) => ({ ...step, request: aStartOf(aPhoneNumber()) }));

const stops = [
  { step: "between TX 1 and the call", at: "before_call", to: aPhoneNumber() },
  { step: "just before the socket write", at: "before_write", to: aPhoneNumber() },
] as const;

/** Brings the victim to all of its steps at once, and kills it there. */
async function killAtEachStep(): Promise<void> {
  const { double } = installation;
  const reached = killed.map(async ({ point, request, calls, lookUps, reached: event }) => {
    const to = request.phoneNumber ?? "";
    if (calls) double.plan(to, calls);
    if (lookUps) double.planLookups(to, lookUps);
    if (point) {
      await victim.line(`reached ${point.at} ${to}`);
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const listen = (about: string | { to: string }) => {
      if (about === to || (typeof about === "object" && about.to === to)) resolve();
    };
    double.on(event ?? "call", listen);
    await promise.finally(() => double.off(event ?? "call", listen));
  });
  const answers = killed.map(({ request }) => victim.client.startSignature(request));
  const tooEarly = answers.map(async (answer) => {
    throw new Error("a call was answered before the kill", { cause: await answer });
  });
  await Promise.race([Promise.all(reached), ...tooEarly]);
  await victim.kill("SIGKILL");
  for (const answer of answers) await expect(answer).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await Promise.allSettled(tooEarly);
}

beforeAll(async () => {
  database = await createDatabase();
  // Without receipts, so that only the look-up can tell what became of a call.
  installation = await LiveInstallation.create(database.url, { receipts: "none" });
  const holding = killed.flatMap(({ point, request }): StopPoint[] =>
    point === undefined ? [] : [{ ...point, to: request.phoneNumber ?? "", effect: "hold" }],
  );
  const stopping = stops.map(({ at, to }): StopPoint => ({ at, to, effect: "stop" }));
  const unhurried = {
    TWILIO_TIMEOUT_SECONDS: "2.5",
    TWILIO_MESSAGES_PER_SECOND: "0",
    SIGNATURE_LEASE_SECONDS: "4.2",
  };
  [survivor, victim, stalled] = await Promise.all([
    installation.startReplica({ SIGNATURE_LEASE_SECONDS: "10" }),
    installation.startReplica({ ...stoppingAt(holding), ...unhurried }, [stopPoints]),
    installation.startReplica(stoppingAt(stopping), [stopPoints]),
  ]);
  // The first call of a process is slow; those that count shall stand at their steps before a timeout.
  await Promise.all([victim, stalled].map(({ client }) => client.startSignature(aStartOf(aPhoneNumber()))));
  await killAtEachStep();
});

afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

describe("A live owner stopped with SIGSTOP past its lease", () => {
  it.each(stops)("writes nothing when it wakes up: $step", async ({ at, to }) => {
    const { double } = installation;
    const request = aStartOf(to);
    const answer = stalled.client.startSignature(request);
    await stalled.line(`reached ${at} ${to}`);
    const signatureId = await signatureIdOf(request.idempotencyKey ?? "");
    await historyOnceSent(signatureId);
    expect(double.messagesTo(to)).toHaveLength(1);

    stalled.signal("SIGCONT");
    // Its caller still waits, and is told what the other replica did: it has done with the challenge.
    const { signature, replayed } = await answer;
    expect({ id: signature?.id, replayed }).toEqual({ id: signatureId, replayed: false });
    expect(challengeStatusName(signature?.challenge?.status)).toBe("SENT");
    // And it works on: whatever it had still to write would have been written before this.
    await stalled.client.startSignature(aStartOf(aPhoneNumber()));
    const calls = double.calls.filter((call) => call.to === to);
    expect({ calls: calls.length, messages: double.messagesTo(to).length }).toEqual({
      calls: 1,
      messages: 1,
    });
    expect(timelineOf(await survivor.client.getSignature({ signatureId }))).toEqual(sentByOther(1));
    expect(await leasesOf(signatureId)).toBe(0);
  });
});

describe("A replica killed with SIGKILL", () => {
  it.each(killed)("loses and doubles nothing $step", async ({ request, timeline }) => {
    const { double } = installation;
    const to = request.phoneNumber ?? "";
    const signatureId = await signatureIdOf(request.idempotencyKey ?? "");
    const history = await historyOnceSent(signatureId);
    expect(timelineOf(history)).toEqual(timeline);
    const [message, ...others] = double.messagesTo(to);
    expect(others).toEqual([]);
    const { challenge } = history.signature ?? {};
    expect(challenge).toMatchObject({ providerChallengeId: message?.sid, inProgress: false });
    expect(await leasesOf(signatureId)).toBe(0);
    // The caller, whose answer was lost, asks again.
    const replay = await survivor.client.startSignature(request);
    expect(replay).toMatchObject({ replayed: true, signature: { id: signatureId } });
    expect(double.messagesTo(to)).toHaveLength(1);
  });
});
