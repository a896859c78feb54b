import { randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AbortReason } from "../../src/gen/bank/signature/v1/signature_pb.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { grpcError } from "../support/grpc-client.ts";
import { LiveInstallation, temporaryDirectory } from "../support/live-installation.ts";
import { RouterProcess } from "../support/router-process.ts";
import { readyz } from "../support/service-health.ts";
import { aPhoneNumber, aStartOf, signatureStatusName } from "../support/signature-requests.ts";
import { runTool, type ToolRun } from "../support/tool-process.ts";

describe("npm run admin against two replicas", () => {
  const as = "Ana Ruiz";
  let database: TestDatabase;
  let installation: LiveInstallation;
  let one: RouterProcess;
  let other: RouterProcess;
  const said: string[] = [];

  beforeAll(async () => {
    database = await createDatabase();
    installation = await LiveInstallation.create(database.url);
    const env = { SIGNATURE_RESEND_SECONDS: "0", SIGNATURE_LIMIT_CUSTOMER_PER_MINUTE: "0" };
    [one, other] = await Promise.all([installation.startReplica(env), installation.startReplica(env)]);
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });

  /** With the database alone: no key and no credential is in its environment. */
  async function admin(...args: string[]): Promise<ToolRun> {
    const env = { DATABASE_URL: database.url, SIGNATURE_RETENTION_DAYS: "1" };
    const run = await runTool("admin", [...args, "--as", as], env);
    said.push(run.said);
    return run;
  }

  async function started(request = aStartOf(aPhoneNumber())) {
    const { signature } = await one.client.startSignature(request);
    return { request, to: request.phoneNumber ?? "", id: signature?.id ?? "" };
  }

  it("explains what it was not told, and changes nothing without a name", async () => {
    const { id } = await started();
    const env = { DATABASE_URL: database.url };
    const [nameless, unknown, without, nobody, away] = await Promise.all([
      runTool("admin", ["abort", id], env),
      runTool("admin", ["explode", "--as", as], env),
      runTool("admin", ["resend", "--as", as, "not-an-id"], env),
      runTool("admin", ["abort", randomUUID(), "--as", as], env),
      runTool("admin", ["stuck", "--as", as], { DATABASE_URL: "postgres://bank:hunter2@127.0.0.1:1/none" }),
    ]);
    expect(nameless).toMatchObject({
      code: 2,
      said: expect.stringContaining("--as <your name> is mandatory"),
    });
    expect(unknown).toMatchObject({ code: 2, said: expect.stringContaining("no such command: explode") });
    expect(without).toMatchObject({ code: 2, said: expect.stringContaining("resend needs a signature id") });
    expect(nobody).toMatchObject({ code: 1, said: expect.stringContaining("no such signature") });
    expect(away).toMatchObject({
      code: 1,
      said: expect.stringMatching(/nothing listens there \(ECONNREFUSED\)/),
    });
    expect(away.said).not.toContain("hunter2");
    const { signature } = await one.client.getSignature({ signatureId: id });
    expect(signatureStatusName(signature?.status)).toBe("CHALLENGE_SENT");
  });

  it("resends and aborts through a replica, and shows who ordered it", async () => {
    const { id, to } = await started();
    expect(await admin("resend", id)).toMatchObject({
      code: 0,
      said: expect.stringMatching(/^challenge \S+ sent$/m),
    });
    expect(installation.double.messagesTo(to)).toHaveLength(2);
    expect(await admin("abort", id, "--note", "customer called")).toMatchObject({
      code: 0,
      said: "aborted\n",
    });
    const { signature, timeline } = await other.client.getSignature({ signatureId: id });
    expect(signatureStatusName(signature?.status)).toBe("ABORTED");
    const aborted = timeline.find(({ type }) => type === "SIGNATURE_ABORTED");
    expect(JSON.stringify(aborted?.details)).toContain("Ana Ruiz (unverified): customer called");
    const [shown, again] = await Promise.all([admin("show", id), admin("resend", id)]);
    expect(again).toMatchObject({ code: 1, said: "refused: SIGNATURE_CLOSED\n" });
    expect(shown.code).toBe(0);
    for (const fact of ["status                aborted", "SIGNATURE_ABORTED", "CHALLENGE_SUPERSEDED", as]) {
      expect(shown.said).toContain(fact);
    }
    expect(shown.said.match(/by Ana Ruiz \(unverified\): /g)?.length).toBeGreaterThanOrEqual(2);
  });

  it("lists what was given up, and takes it up again", async () => {
    const to = aPhoneNumber();
    installation.double.plan(to, Array(4).fill({ kind: "status", status: 429 }));
    const request = aStartOf(to);
    const error = await grpcError(one.client.startSignature(request));
    expect(error).toMatchObject({ reason: "PROVIDER_UNAVAILABLE" });
    const id = error.metadata["signature_id"] ?? "";
    expect((await admin("stuck")).said).toMatch(new RegExp(`${id}.*4 calls  given up`));
    expect(await admin("requeue", id)).toMatchObject({
      code: 0,
      said: expect.stringMatching(/^challenge \S+ accepted$/m),
    });
    expect(installation.double.messagesTo(to)).toHaveLength(1);
    expect((await admin("requeue", id)).said).toBe("nothing was given up\n");
    const { timeline } = await one.client.getSignature({ signatureId: id });
    expect(JSON.stringify(timeline.map(({ details }) => details))).toContain(as);
  });

  it("lists customers who are locked out, whichever spelling of their id guessed, and frees them", async () => {
    const customerId = `Customer-${randomUUID()}`;
    const spellings = [customerId, customerId.toUpperCase(), ` ${customerId}`, `${customerId}\u200b`];
    const wrong = async (spelling: string) => {
      const { signature } = await one.client.startSignature(
        aStartOf(aPhoneNumber(), { customerId: spelling }),
      );
      const call = other.client.completeSignature({ signatureId: signature?.id ?? "", code: "000000" });
      return { id: signature?.id ?? "", error: await grpcError(call) };
    };
    let last = "";
    for (let n = 0; n < 5; n += 1) {
      const { id, error } = await wrong(spellings[n % spellings.length] ?? "");
      expect(error.reason).toBe("CODE_MISMATCH");
      last = id;
    }
    const blocked = await grpcError(one.client.startSignature(aStartOf(aPhoneNumber(), { customerId })));
    expect(blocked.reason).toBe("CUSTOMER_BLOCKED");
    expect((await admin("lockouts")).said).toMatch(
      new RegExp(`^${last}  since .* 5 failures, lockout 1$`, "m"),
    );
    expect((await admin("free-customer", last)).said).toBe("done\n");
    expect((await admin("lockouts")).said).not.toContain(last);
    expect((await wrong(customerId)).error.reason).toBe("CODE_MISMATCH");
  });

  it("blocks and frees a customer and a number, in all replicas", async () => {
    const { id, request, to } = await started();
    const customer = (at: RouterProcess) =>
      at.client.startSignature(aStartOf(aPhoneNumber(), { customerId: request.customerId ?? "" }));
    const number = (at: RouterProcess) =>
      at.client.startSignature(aStartOf(to, { customerId: randomUUID() }));
    for (const [whom, start] of [
      ["customer", customer],
      ["number", number],
    ] as const) {
      expect((await admin(`block-${whom}`, id, "--seconds", "600")).said).toBe("done\n");
      for (const at of [one, other]) {
        const { reason, retryAfterMs } = await grpcError(start(at));
        expect(reason).toBe(whom === "customer" ? "CUSTOMER_BLOCKED" : "RATE_LIMITED");
        expect(retryAfterMs).toBeGreaterThan(500_000);
      }
      expect((await admin(`free-${whom}`, id)).said).toBe("done\n");
      for (const at of [one, other]) expect((await start(at)).signature?.id).toBeDefined();
    }
  });

  it("opens and closes the breaker of every replica, even while an order to send hangs", async () => {
    const { id, to } = await started();
    installation.double.plan(to, [{ kind: "hang_before_accept" }], { repeatLast: true });
    const hanging = admin("resend", id);
    const states = async () =>
      await Promise.all([one, other].map(async (at) => (await readyz(at.opsUrl)).checks["breaker"]?.detail));
    const become = async (state: string | undefined) => {
      while ((await states()).some((now) => now !== state)) await new Promise(setImmediate);
    };
    await admin("open-breaker");
    await become("isolated");
    for (const at of [one, other]) {
      const refused = await grpcError(at.client.startSignature(aStartOf(aPhoneNumber())));
      expect(refused.metadata["provider_error_code"]).toBe("circuit_open");
    }
    await admin("close-breaker");
    await become(undefined);
    expect((await started()).id).not.toBe("");
    await hanging;
  });

  it("purges in batches what is closed, sealed and older, whole, and nothing else", async () => {
    const closed = await Promise.all(Array.from({ length: 3 }, () => started()));
    const open = await started();
    for (const { id } of closed)
      await one.client.abortSignature({ signatureId: id, reason: AbortReason.CUSTOMER_CANCELLED });
    const [{ sealed } = { sealed: 0 }] = await database.sql<{ sealed: number }[]>`
      select count(*)::int as sealed from signature where closed_at is not null`;
    await expect
      .poll(async () => {
        const [row] = await database.sql<{ n: number }[]>`
          select count(*)::int as n from signature where closed_at is not null and sealed_length = chain_length`;
        return row?.n;
      })
      .toBe(sealed);
    expect((await admin("purge", "--days", "1")).said).toBe(
      "refused: the database keeps closed signatures for 400 days at least (npm run migrate -- policy)\n",
    );
    const byDefault = await runTool("admin", ["purge", "--days", "399", "--as", as], {
      DATABASE_URL: database.url,
    });
    expect(byDefault.said).toBe("refused: SIGNATURE_RETENTION_DAYS keeps closed signatures for 400 days\n");
    const policy = await runTool("migrate", ["policy", "--retention-floor", "1"], {
      DATABASE_URL: database.url,
    });
    expect(policy).toMatchObject({ code: 0, said: expect.stringContaining("retention floor: 1 days") });
    expect((await admin("purge")).said).toContain("0 signatures removed");
    await database.sql.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`update signature set closed_at = closed_at - interval '2 days' where closed_at is not null`;
    });
    const purged = await admin("purge", "--days", "1");
    expect(purged).toMatchObject({ code: 0, said: expect.stringContaining(`${sealed} signatures removed`) });
    const { said: log } = await admin("acts");
    const [id = ""] =
      new RegExp(`ORDERED  Ana Ruiz \\(unverified, login \\w+\\)  .*due=${sealed} .*`, "m").exec(log) ?? [];
    const actId = id.slice(-36);
    expect(id).toMatch(/purge .*days=1 .*closed_before=20/);
    expect(log).toMatch(new RegExp(`REMOVED .*signatures=${sealed} .*${actId}`));
    expect(log).toMatch(new RegExp(`DONE .*removed=${sealed}.*${actId}`));
    expect(log).toMatch(/READ .*show signature_id=/);
    expect(log).toMatch(/POLICY .*retention_floor_days=1/);
    expect(log).toMatch(/\d+ entries, all fit; head [0-9a-f]{64}\n$/);
    const [left] = await database.sql<{ closed: number; orphans: number }[]>`
      select (select count(*)::int from signature where closed_at is not null) as closed,
        (select count(*)::int from event e where not exists (select from signature where id = e.signature_id)) as orphans`;
    expect(left).toEqual({ closed: 0, orphans: 0 });
    expect(await grpcError(one.client.getSignature({ signatureId: closed[0]?.id ?? "" }))).toMatchObject({
      code: "NOT_FOUND",
    });
    expect((await one.client.getSignature({ signatureId: open.id })).signature?.id).toBe(open.id);
  });

  it("printed no code, number, customer or key through all of this", () => {
    const keys = JSON.parse(readFileSync(installation.keysFile, "utf8")) as Record<
      string,
      { keys: Record<string, string> }
    >;
    const everything = said.join("\n");
    const secrets = [
      ...Object.values(keys).flatMap((ring) => Object.values(ring.keys)),
      ...installation.double.messages.flatMap(({ to, body }) => [to, /\b\d{6}\b/.exec(body)?.[0] ?? to]),
      "customer +346",
      "the-auth-token",
      new URL(database.url).password,
    ];
    expect(secrets.length).toBeGreaterThan(20);
    // A code's six digits may stand in an id by chance, but not alone.
    const words = new Set(everything.split(/[^A-Za-z0-9+/=_-]+/));
    const printed = secrets.filter(
      (secret) => words.has(secret) || (secret.length > 6 && everything.includes(secret)),
    );
    expect(printed).toEqual([]);
  });
});

describe("npm run admin beside a service with an embedded database", () => {
  it("finds the running one by DATA_DIR, and disturbs nobody", async () => {
    const dataDir = temporaryDirectory();
    try {
      await using sandbox = await RouterProcess.start({ env: { DATA_DIR: dataDir }, cwd: dataDir });
      const { signature } = await sandbox.client.startSignature(aStartOf(aPhoneNumber()));
      const signatureId = signature?.id ?? "";
      const run = await runTool("admin", ["abort", signatureId, "--as", "Ana"], { DATA_DIR: dataDir });
      expect(run).toEqual({ code: 0, said: "aborted\n" });
      const after = await sandbox.client.getSignature({ signatureId });
      expect(signatureStatusName(after.signature?.status)).toBe("ABORTED");
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
