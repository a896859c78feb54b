import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GetSignatureResponse } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { oneTimeCodeIn } from "../../src/sandbox/one-time-code-in-text.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf, timelineOf } from "../support/signature-requests.ts";

let database: TestDatabase;
let installation: LiveInstallation;
/** The replica that sends, and never sweeps; and the one that notices. */
let sender: RouterProcess;
let sweeper: RouterProcess;

/** As number 9860 of the sandbox: taken, not answered, in the list too late, and no receipt comes. */
async function sentTwice() {
  const to = aPhoneNumber();
  installation.double.plan(to, [{ kind: "hang_after_accept", delivery: { receipts: "none" } }]);
  installation.double.planLookups(to, [{ kind: "nothing" }]);
  const { signature } = await sender.client.startSignature(aStartOf(to));
  return { to, signatureId: signature?.id ?? "" };
}

/** The history once the timeline has an event of the type. */
async function historyWith(type: string, signatureId: string): Promise<GetSignatureResponse> {
  for await (const _ of sweeper.client.watchSignature({ signatureId })) {
    const history = await sweeper.client.getSignature({ signatureId });
    if (history.timeline.some((event) => event.type === type)) return history;
  }
  throw new Error(`no ${type} came`);
}

async function duplicatesCounted({ opsUrl }: RouterProcess): Promise<number> {
  const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
  return Number(/^signature_duplicates_total\S* (\d+)/m.exec(metrics)?.[1] ?? 0);
}

const noticed = [
  ...["OUTCOME_UNKNOWN timeout 1", "LOOKED_UP nothing 1", "CHALLENGE_SENT answer 2"],
  "DUPLICATE_SENT look_up 2",
];

beforeAll(async () => {
  database = await createDatabase();
  installation = await LiveInstallation.create(database.url, { receipts: "none" });
  [sender, sweeper] = await Promise.all([
    installation.startReplica({ SIGNATURE_SWEEP_SECONDS: "60" }),
    installation.startReplica(),
  ]);
});

afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

describe("A message that Twilio lists too late, so that it is sent again", () => {
  it("is noticed by a last look at the list, counted once, and redacted with the other after completion", async () => {
    const { double } = installation;
    const before = await duplicatesCounted(sweeper);
    const { to, signatureId } = await sentTwice();
    const messages = double.messagesTo(to);
    expect(messages).toHaveLength(2);
    expect(messages[1]?.body).toBe(messages[0]?.body);
    expect(timelineOf(await historyWith("DUPLICATE_SENT", signatureId))).toEqual(noticed);
    expect(await duplicatesCounted(sweeper)).toBe(before + 1);

    const code = oneTimeCodeIn(messages[0]?.body ?? "") ?? "";
    await sweeper.client.completeSignature({ signatureId, code });
    const redacted = new Promise<void>((resolve) =>
      double.on("changed", () => {
        if (double.messagesTo(to).every((message) => message.redacted)) resolve();
      }),
    );
    // A minute has passed.
    await database.sql`
      update challenge set redact_due_at = redact_due_at - interval '1 minute'
      where signature_id = ${signatureId} and redact_due_at is not null`;
    await redacted;
    // Looked for again all the while, and not counted twice.
    expect(timelineOf(await sweeper.client.getSignature({ signatureId })).slice(0, -1)).toEqual(noticed);
    expect(await duplicatesCounted(sweeper)).toBe(before + 1);
  });

  it("is noticed by another replica where the one that sent it is killed right after its answer", async () => {
    const before = await duplicatesCounted(sweeper);
    const { to, signatureId } = await sentTwice();
    await sender.kill("SIGKILL");
    expect(timelineOf(await historyWith("DUPLICATE_SENT", signatureId))).toEqual(noticed);
    expect(await duplicatesCounted(sweeper)).toBe(before + 1);
    expect(installation.double.messagesTo(to)).toHaveLength(2);
  });
});
