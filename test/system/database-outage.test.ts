import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { DatabaseProxy, type Weather } from "../support/database-proxy.ts";
import { grpcError } from "../support/grpc-client.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { countOf, PersistentCallers } from "../support/persistent-callers.ts";
import { Pulse } from "../support/pulse.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { readyz, ServiceHealth } from "../support/service-health.ts";
import { aPhoneNumber, aStartOf, challengeStatusName } from "../support/signature-requests.ts";

interface Outage {
  readonly weather: Weather;
  /** Milliseconds until it is known; here and below, without what the machine itself is late. */
  readonly knownMs: number;
  /** What one call may take meanwhile. */
  readonly answeredMs: number;
}

const outages: readonly Outage[] = [
  { weather: "refused", knownMs: 1500, answeredMs: 1000 },
  { weather: "reset", knownMs: 1500, answeredMs: 1000 },
  { weather: "silent", knownMs: 3500, answeredMs: 3500 },
];

describe("A service whose database goes away under load", () => {
  let database: TestDatabase;
  let proxy: DatabaseProxy;
  let installation: LiveInstallation;
  let router: RouterProcess;
  let health: ServiceHealth;

  beforeAll(async () => {
    database = await createDatabase();
    proxy = await DatabaseProxy.start(database.url);
    installation = await LiveInstallation.create(proxy.url);
    // A turn in the provider's rate is the database's to give: who waits for one is answered as by a full rate.
    router = await installation.startReplica({ TWILIO_MESSAGES_PER_SECOND: "0" });
    health = new ServiceHealth(router.grpcAddress);
  });

  afterAll(async () => {
    health?.[Symbol.dispose]();
    await installation?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });

  async function unsettled(): Promise<number | undefined> {
    const [row] = await database.sql<{ n: number }[]>`
      select count(*)::int as n from challenge where status = 'pending'`;
    return row?.n;
  }

  it.each(outages)(
    "says so, answers UNAVAILABLE at once, loses nothing and heals: $weather",
    async ({ weather, knownMs, answeredMs }) => {
      await health.says("SERVING");
      const { double } = installation;
      const pulse = new Pulse(router.opsUrl);
      const load = new PersistentCallers({ client: router.client, callers: 8, tries: 200, pauseMs: 100 });

      // Twilio has taken this message when the database is gone, and nobody can write that down.
      const taken = aStartOf(aPhoneNumber());
      double.plan(taken.phoneNumber ?? "", [{ kind: "latency", ms: 300 }]);
      const accepted = double.messageTo(taken.phoneNumber ?? "");
      const called = new Promise<void>((resolve) => {
        double.on("call", ({ to }) => to === taken.phoneNumber && resolve());
      });
      const first = router.client.startSignature(taken, { deadlineMs: 15_000 }).then(
        () => "OK",
        (error: Error) => error.message,
      );
      await called;

      const cutAt = performance.now();
      await proxy.turn(weather);
      const known = (await health.says("NOT_SERVING")) - cutAt;
      expect(known).toBeLessThan(knownMs + pulse.slack);
      const away = await readyz(router.opsUrl);
      expect(away).toMatchObject({ status: 503, ready: false });
      expect(away.checks["database"]).toMatchObject({ state: "failed", detail: "unreachable" });
      expect((await fetch(`${router.opsUrl}/livez`)).status).toBe(200);
      const { sid } = await accepted;

      const askedAt = performance.now();
      const refused = await grpcError(router.client.startSignature(aStartOf(aPhoneNumber())));
      expect(performance.now() - askedAt).toBeLessThan(500 + pulse.slack);
      expect(refused).toMatchObject({ code: "UNAVAILABLE", reason: "SERVICE_UNAVAILABLE" });
      expect(refused.retryAfterMs).toBeGreaterThan(0);
      await expect.poll(() => load.tries.some(({ end }) => end !== "OK"), { timeout: 10_000 }).toBe(true);

      await proxy.turn("fair");
      const healedAt = performance.now();
      const healed = (await health.says("SERVING")) - healedAt;
      expect(healed).toBeLessThan(2000 + pulse.slack);
      await load.stop();
      await pulse.stop();
      await first;

      const again = await router.client.startSignature(taken, { deadlineMs: 15_000 });
      expect(again.replayed).toBe(true);
      const signatureId = again.signature?.id ?? "";
      for await (const { signature } of router.client.watchSignature({ signatureId })) {
        if (challengeStatusName(signature?.challenge?.status) !== "PENDING") break;
      }
      const history = await router.client.getSignature({ signatureId });
      expect(history.signature?.challenge?.providerChallengeId).toBe(sid);
      expect(double.messagesTo(taken.phoneNumber ?? "")).toHaveLength(1);

      const ends = countOf(load.tries.map(({ end }) => end));
      const failed = load.calls.filter((call) => call.signatureId === undefined);
      const during = load.tries.filter(({ begunAt }) => begunAt >= cutAt && begunAt < healedAt);
      const slowest = Math.max(0, ...during.filter(({ end }) => end !== "OK").map(({ tookMs }) => tookMs));
      console.info(
        `${weather}: known after ${known.toFixed()} ms, healed ${healed.toFixed()} ms after its return; ` +
          `${load.calls.length} calls in ${load.tries.length} tries ${JSON.stringify(ends)}, ` +
          `${failed.length} failed; slowest refusal ${slowest.toFixed()} ms, slack ${pulse.slack.toFixed()} ms`,
      );
      expect(Object.keys(ends).sort()).toEqual(["OK", "UNAVAILABLE SERVICE_UNAVAILABLE"]);
      expect(failed).toEqual([]);
      expect(slowest).toBeLessThan(answeredMs + pulse.slack);
      // What was answered as under way, its lease unheard of, is taken over within the lease.
      await expect.poll(unsettled, { timeout: 15_000 }).toBe(0);
      const messages = load.calls.map(({ to }) => `${double.messagesTo(to).length} messages`);
      expect(countOf(messages)).toEqual({ "1 messages": load.calls.length });
    },
  );
});
