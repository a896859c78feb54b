import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createDatabase } from "../support/database.ts";
import { failedStart } from "../support/failed-start.ts";
import { GrpcError } from "../support/grpc-client.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { countOf } from "../support/persistent-callers.ts";
import { PgBouncer, pgBouncers } from "../support/pgbouncer.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";

/** What calls were answered. UNAVAILABLE is repeated, as the contract says. */
class Answers {
  readonly ends: string[] = [];

  async to<Answer>(name: string, ask: () => Promise<Answer>): Promise<Answer | undefined> {
    for (let tries = 0; tries < 200; tries += 1) {
      try {
        const answer = await ask();
        this.ends.push(`${name} OK`);
        return answer;
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error;
        this.ends.push(`${name} ${error.code} ${error.reason ?? ""}`.trim());
        if (error.code !== "UNAVAILABLE") return undefined;
      }
      await sleep(20);
    }
    return undefined;
  }
}

/** Does something so many times, some at a time. */
async function times(count: number, atOnce: number, work: (n: number) => Promise<void>): Promise<void> {
  let begun = 0;
  const worker = async () => {
    while (begun < count) await work(begun++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Starts so many signatures, completes and reads them. */
async function sign(
  installation: LiveInstallation,
  { client }: RouterProcess,
  count: number,
): Promise<string[]> {
  const answers = new Answers();
  const started: { signatureId: string; code: string }[] = [];
  await times(count, 16, async () => {
    const to = aPhoneNumber();
    const request = aStartOf(to);
    const answer = await answers.to("start", () => client.startSignature(request, { deadlineMs: 10_000 }));
    const { body } = await installation.double.messageTo(to);
    started.push({ signatureId: answer?.signature?.id ?? "", code: /\b\d{6}\b/.exec(body)?.[0] ?? "" });
  });
  await times(count, 64, async (n) => {
    const { signatureId = "", code = "" } = started[n] ?? {};
    await answers.to("complete", () => client.completeSignature({ signatureId, code }));
    await answers.to("get", () => client.getSignature({ signatureId }));
  });
  return answers.ends;
}

describe.skipIf(pgBouncers.length === 0)("a service behind PgBouncer", () => {
  const modes = pgBouncers.flatMap(({ program, version, tracks }) => [
    { program, version, mode: "session" },
    ...(tracks ? [{ program, version, mode: "transaction" }] : []),
  ]);

  it.each(modes)(
    "$version signs in $mode mode",
    async ({ program, mode }) => {
      await using database = await createDatabase();
      const settings = { pool_mode: mode, default_pool_size: mode === "session" ? 20 : 4 };
      let bouncer = await PgBouncer.start(program, database.url, settings);
      await using installation = await LiveInstallation.create(bouncer.url);
      if (mode === "transaction") {
        const { said } = await failedStart(installation.environment());
        const statements = [...said.matchAll(/alter role .*;/g)];
        expect(statements.length).toBeGreaterThan(5);
        for (const [statement] of statements) await database.sql.unsafe(statement);
        await bouncer[Symbol.asyncDispose]();
        bouncer = await PgBouncer.start(program, database.url, settings);
      }
      await using pooler = bouncer;
      const replica = await installation.startReplica({ DATABASE_URL: pooler.url });
      const ends = await sign(installation, replica, 300);
      expect(countOf(ends)).toEqual({ "start OK": 300, "complete OK": 300, "get OK": 300 });
      expect(replica.stdout.filter((line) => /26000|42P05|INTERNAL|failed/.test(line))).toEqual([]);
    },
    120_000,
  );
});
