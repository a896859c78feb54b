import { describe, expect, test } from "vitest";
import { keyedDigest } from "../../src/domain/keys.ts";
import type { ReplicaSettings } from "../support/replica.ts";
import { aStartCommand, codeIn, useService, wrongCode } from "../support/service.ts";

const service = await useService();
const { time, sql } = service;

const caller = "payments";
const minute = 60_000;

/** All that the tables hold, as PostgreSQL prints rows: bytes are lower-case hex. */
async function wholeDatabase(): Promise<string> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public'`;
  const texts = await Promise.all(
    tables.map(({ name }) => sql.unsafe<{ row: string }[]>(`select r::text as row from ${name} r`)),
  );
  return texts.flatMap((rows) => rows.map(({ row }) => row)).join("\n");
}

const pseudonym = (number: string) =>
  keyedDigest(service.keys.current().pseudonym.keys.get("k1")!, "phone-guard-v1", number);

/** The numbers among a thousand neighbours of the given ones whose pseudonym the text holds. */
function numbersIn(text: string, around: readonly string[]): string[] {
  const candidates = around.flatMap((number) =>
    Array.from({ length: 1000 }, (_, n) => `${number.slice(0, -3)}${String(n).padStart(3, "0")}`),
  );
  return [...new Set(candidates)].filter((number) => text.includes(pseudonym(number).toString("hex")));
}

async function started(settings: ReplicaSettings = {}) {
  const replica = service.replica(settings);
  const command = aStartCommand();
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  const code = codeIn(service.messages(command)[0]);
  const complete = (typed: string) =>
    replica.completeSignature.execute({
      ...{ caller, signatureId: signature.id, code: typed, transaction: undefined },
    });
  return { replica, id: signature.id, number: command.phoneNumber.e164, code, complete };
}

const closures: Record<string, (of: Awaited<ReturnType<typeof started>>) => Promise<unknown>> = {
  completed: ({ complete, code }) => complete(code),
  aborted: ({ replica, id }) =>
    replica.abortSignature.execute({ caller, signatureId: id, reason: "operator", note: "" }),
  async failed({ complete, code }) {
    for (let attempt = 0; attempt < 3; attempt += 1) await complete(wrongCode(code)).catch(() => undefined);
  },
  async expired({ replica }) {
    await time.pass(5 * minute);
    await replica.sweep();
  },
};

describe("Whoever has the database and the pseudonym key", () => {
  test("finds the number of an open signature, and none of closed ones", async () => {
    const closed = [];
    for (const [status, close] of Object.entries(closures)) {
      const signature = await started();
      expect(
        numbersIn((await guardsOf(signature.id)).map((guard) => guard.toString("hex")).join(), [
          signature.number,
        ]),
      ).toEqual([signature.number]);
      await close(signature);
      expect(await service.row("signature", signature.id)).toMatchObject({ status, phone_guards: [] });
      closed.push(signature);
    }
    // The limits' own rows name no signature, and go with their windows.
    const numbers = closed.map(({ number }) => number);
    const [{ replica }] = closed as [(typeof closed)[0]];
    await time.pass(26 * minute);
    await replica.sweep();
    expect(numbersIn(await wholeDatabase(), numbers)).toEqual([]);
  });

  test("cannot tell the number that wrong codes were sent to from thousands of others", async () => {
    const lockout = { failures: 5, windowMs: 60 * minute, stepsMs: [minute] };
    const { complete, code, id, number } = await started({ lockout });
    await complete(wrongCode(code)).catch(() => undefined);
    const rows = await sql<{ failed_for: Buffer[] }[]>`
      select failed_for from lockout where last_signature_id = ${id}`;
    const kept = rows.flatMap((row) => row.failed_for);
    expect(kept).toHaveLength(2);
    const likeIt = Array.from(
      { length: 20_000 },
      (_, n) => `+346${String(n).padStart(5, "0")}${number.slice(-3)}`,
    );
    const fitting = likeIt.filter((candidate) =>
      kept.every((of) =>
        of.subarray(0, -caller.length).equals(pseudonym(candidate).subarray(0, of.length - caller.length)),
      ),
    );
    expect(fitting.length).toBeGreaterThan(20);
  });

  test("finds none of those that an older version closed, once they were swept", async () => {
    const signature = await started();
    const guards = (await guardsOf(signature.id)).map((guard) => guard.toString("hex"));
    await signature.complete(signature.code);
    await time.pass(26 * minute);
    await signature.replica.sweep();
    await sql`
      update signature set phone_guards = array(select decode(g, 'hex') from unnest(${guards}::text[]) g)
      where id = ${signature.id}`;
    expect(numbersIn(await wholeDatabase(), [signature.number])).toEqual([signature.number]);
    await signature.replica.sweep();
    expect(numbersIn(await wholeDatabase(), [signature.number])).toEqual([]);
  });
});

async function guardsOf(id: string): Promise<Buffer[]> {
  const [row] = await sql<{ guards: string[] }[]>`
    select array(select encode(g, 'hex') from unnest(phone_guards) g) as guards from signature where id = ${id}`;
  return (row?.guards ?? []).map((guard) => Buffer.from(guard, "hex"));
}
