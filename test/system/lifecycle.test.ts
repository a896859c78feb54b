import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { failedStart } from "../support/failed-start.ts";
import { collect, grpcError } from "../support/grpc-client.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { readyz, ServiceHealth } from "../support/service-health.ts";
import { aPhoneNumber, aStartOf, challengeStatusName, timelineOf } from "../support/signature-requests.ts";

/** Calls outlast everything else here: only a shutdown ends them. */
const patient = {
  TWILIO_TIMEOUT_SECONDS: "10",
  SIGNATURE_LEASE_SECONDS: "20",
  SIGNATURE_SWEEP_SECONDS: "60",
};

describe("A replica", () => {
  let database: TestDatabase;
  let installation: LiveInstallation;
  let replica: RouterProcess;
  let survivor: RouterProcess;
  let hasty: RouterProcess;

  beforeAll(async () => {
    database = await createDatabase();
    installation = await LiveInstallation.create(database.url);
    [replica, survivor, hasty] = await Promise.all([
      installation.startReplica({
        ...patient,
        TWILIO_BREAKER_FAILURE_RATE: "0.5",
        TWILIO_BREAKER_MIN_CALLS: "2",
        TWILIO_BREAKER_OPEN_SECONDS: "0.2",
        TWILIO_RETRY_DELAYS_MS: "10",
      }),
      installation.startReplica(),
      installation.startReplica({ ...patient, DRAIN_SECONDS: "0.3" }),
    ]);
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });

  it("does not start without its database, and says which one without its password", async () => {
    const { code, said, listened } = await failedStart(
      installation.environment({ DATABASE_URL: "postgres://bank:hunter2@127.0.0.1:1/none" }),
    );
    expect({ code, listened }).toEqual({ code: 1, listened: false });
    expect(said).toContain("the database of DATABASE_URL (127.0.0.1:1/none): nothing listens there");
    expect(said).not.toContain("hunter2");
  });

  it("is degraded while its breaker is open, says since when, and serves on", async () => {
    using health = new ServiceHealth(replica.grpcAddress);
    await health.says("SERVING");
    const before = Date.now();
    const to = aPhoneNumber();
    installation.double.plan(to, [{ kind: "status", status: 429 }], { repeatLast: true });
    expect(await grpcError(replica.client.startSignature(aStartOf(to)))).toMatchObject({
      code: "UNAVAILABLE",
      reason: "PROVIDER_UNAVAILABLE",
    });
    const degraded = await readyz(replica.opsUrl);
    expect(degraded).toMatchObject({ status: 200, ready: true });
    const { state, since, detail } = degraded.checks["breaker"] ?? { state: "", since: "" };
    expect({ state, detail }).toEqual({ state: "degraded", detail: "open" });
    expect(Date.parse(since)).toBeGreaterThanOrEqual(before);
    expect(await health.check("")).toBe("SERVING");

    // The trial that closes it again.
    const closed = replica.line('"closed"');
    for (let open = true; open; ) {
      await replica.client.startSignature(aStartOf(aPhoneNumber())).catch(() => undefined);
      open = (await readyz(replica.opsUrl)).checks["breaker"]?.state !== "ok";
    }
    await closed;
    expect(health.changes.map(({ status }) => status)).toEqual(["SERVING"]);
  });

  it("finishes what is in flight after SIGTERM, not ready and open to nobody else, and ends with 0", async () => {
    using health = new ServiceHealth(replica.grpcAddress);
    await health.says("SERVING");
    const watched = await replica.client.startSignature(aStartOf(aPhoneNumber()));
    const signatureId = watched.signature?.id ?? "";
    const watch = grpcError(collect(replica.client.watchSignature({ signatureId })));
    const to = aPhoneNumber();
    installation.double.plan(to, [{ kind: "latency", ms: 1000 }]);
    const called = once(installation.double, "call");
    const answer = replica.client.startSignature(aStartOf(to));
    await called;
    const stopped = replica.stop();
    await health.says("NOT_SERVING");
    expect(await health.ended).toMatchObject({ code: "UNAVAILABLE" });
    expect(await watch).toMatchObject({ code: "UNAVAILABLE", reason: "SERVICE_UNAVAILABLE" });
    const draining = await readyz(replica.opsUrl);
    expect(draining).toMatchObject({ status: 503, ready: false });
    expect(draining.checks["draining"]).toMatchObject({ state: "failed", detail: "draining" });
    using late = new ServiceHealth(replica.grpcAddress);
    expect(await grpcError(late.check(SignatureService.typeName))).toMatchObject({ code: "UNAVAILABLE" });
    expect(challengeStatusName((await answer).signature?.challenge?.status)).toBe("SENT");
    await stopped;
    await late.ended;
  });

  it("lets go of what it must cut off, so that another replica has it at once and sends nothing twice", async () => {
    const to = aPhoneNumber();
    installation.double.plan(to, [{ kind: "hang_after_accept", delivery: { receipts: "none" } }]);
    const accepted = once(installation.double, "accepted");
    const request = aStartOf(to);
    const cut = grpcError(hasty.client.startSignature(request));
    await accepted;
    const begun = performance.now();
    await hasty.stop();
    expect(await cut).toMatchObject({ code: "UNAVAILABLE" });
    const { signature, replayed } = await survivor.client.startSignature(request);
    expect(replayed).toBe(true);
    const signatureId = signature?.id ?? "";
    for await (const change of survivor.client.watchSignature({ signatureId })) {
      if (challengeStatusName(change.signature?.challenge?.status) !== "PENDING") break;
    }
    // The lease had 20 s to go.
    expect(performance.now() - begun).toBeLessThan(15_000);
    const timeline = timelineOf(await survivor.client.getSignature({ signatureId }));
    expect(timeline).toContain("CHALLENGE_SENT look_up 1");
    expect(installation.double.messagesTo(to)).toHaveLength(1);
  });

  it("ends at once on a second signal", async () => {
    const to = aPhoneNumber();
    installation.double.plan(to, [{ kind: "hang_before_accept" }]);
    const stubborn = await installation.startReplica(patient);
    const called = once(installation.double, "call");
    const cut = grpcError(stubborn.client.startSignature(aStartOf(to)));
    await called;
    stubborn.signal("SIGTERM");
    await stubborn.line('"stopping"');
    // Those of the first second are copies of the first one: it takes whoever means it more than that.
    const begun = performance.now();
    const again = setInterval(() => stubborn.signal("SIGTERM"), 50);
    const { code } = await stubborn.kill("SIGTERM");
    clearInterval(again);
    expect(code).toBe(1);
    const took = performance.now() - begun;
    expect(took).toBeGreaterThan(500);
    expect(took).toBeLessThan(5000);
    await cut;
  });
});
