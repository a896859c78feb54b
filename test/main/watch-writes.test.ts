import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres, { type Sql } from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock as clock } from "../../src/main/clock.ts";
import { migrationFolder } from "../../src/main/open-database.ts";
import { watchDatabase } from "../../src/main/watch-database.ts";
import { Database } from "../../src/postgres/database.ts";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { Readiness } from "../../src/telemetry/readiness.ts";

// A server of its own: the settings that are changed here are those of the whole server.

let server: Awaited<ReturnType<typeof startEmbeddedPostgres>>;
let dataDir: string;
let admin: Sql;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "signature-router-writes-"));
  chmodSync(dataDir, 0o711);
  server = await startEmbeddedPostgres({
    dataDir,
    settings: { wal_level: "replica", max_wal_senders: "4" },
  });
  admin = postgres(server.url, { max: 2, onnotice: () => undefined }) as unknown as Sql;
  await migrate(admin, { folder: migrationFolder });
});

afterAll(async () => {
  await admin?.end();
  await server?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

/** The check `database` of a service on this database, and every state that it was in. */
function watched(url: string) {
  const database = new Database({ url, connections: 2 });
  const readiness = new Readiness({ checks: ["database"] as const, now: () => new Date() });
  const states: string[] = [];
  const woken = new Set<() => void>();
  readiness.subscribe(({ checks: [check] }) => {
    states.push(`${check?.state} ${check?.detail ?? ""}`.trim());
    for (const wake of woken) wake();
  });
  const end = new AbortController();
  const faults = { failed: () => undefined, recovered: () => undefined };
  const watching = watchDatabase({ database, clock, readiness, faults }, end.signal);
  return {
    states,
    async comesTo(state: string): Promise<void> {
      while (states.at(-1) !== state) {
        await new Promise<void>((resolve) => {
          woken.add(resolve);
        });
      }
    },
    async stop() {
      end.abort();
      await watching;
      await database.close();
    },
  };
}

describe("readiness", () => {
  let watch: ReturnType<typeof watched>;
  beforeEach(async () => {
    watch = watched(server.url);
    await watch.comesTo("ok");
  });
  afterEach(() => watch.stop());

  async function failsAndHeals(detail: string) {
    await watch.comesTo(`failed ${detail}`);
    return async (healed: () => Promise<unknown>) => {
      await healed();
      await watch.comesTo("ok");
      expect(watch.states).toEqual(["failed starting", "ok", `failed ${detail}`, "ok"]);
    };
  }

  test.each(["signature", "challenge", "event", "idempotency_key"])(
    "is lost while the table %s is locked, and comes back by itself",
    async (table) => {
      const unlocked = Promise.withResolvers<void>();
      const locked = admin.begin(async (tx) => {
        await tx.unsafe(`lock table ${table} in access exclusive mode`);
        await unlocked.promise;
      });
      const healed = await failsAndHeals("unwritable");
      await healed(() => {
        unlocked.resolve();
        return locked;
      });
    },
  );

  test("is kept through one lock of a moment", async () => {
    // Held until a trial waits for it, and for less than two.
    const seen = async () => {
      const waits = async () => {
        const rows = await admin`select from pg_locks where not granted`;
        return rows.length > 0;
      };
      while (!(await waits()));
    };
    await admin.begin(async (tx) => {
      await tx.unsafe("lock table signature in access exclusive mode");
      await seen();
    });
    await watch.stop();
    expect(watch.states).toEqual(["failed starting", "ok"]);
  });

  test("is lost while a commit waits for a synchronous stand-by that is gone", async () => {
    await admin.unsafe("alter system set synchronous_standby_names = 'gone'");
    await admin`select pg_reload_conf()`;
    const healed = await failsAndHeals("unwritable");
    const waiting = await admin`select from pg_stat_activity where wait_event = 'SyncRep'`;
    expect(waiting).toHaveLength(1);
    await healed(async () => {
      await admin.unsafe("alter system reset synchronous_standby_names");
      await admin`select pg_reload_conf()`;
    });
  });

  test("is lost while the database is read-only for new transactions", async () => {
    await admin.unsafe("alter system set default_transaction_read_only = on");
    await admin`select pg_reload_conf()`;
    const healed = await failsAndHeals("unreachable");
    await healed(async () => {
      await admin.begin("read write", async (tx) => {
        await tx`set local transaction_read_only = off`;
      });
      const [row] = await admin<{ path: string }[]>`
        select current_setting('data_directory') || '/postgresql.auto.conf' as path`;
      execFileSync("sed", ["-i", "/default_transaction_read_only/d", row?.path ?? ""]);
      await admin`select pg_reload_conf()`;
    });
  });
});

/** A small file system of its own for a tablespace; undefined where none can be mounted. */
function smallDisk(owner: { uid: number; gid: number }): string | undefined {
  const path = mkdtempSync(join(tmpdir(), "signature-router-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=40m,mode=0711", "tmpfs", path], { stdio: "ignore" });
  } catch {
    rmSync(path, { recursive: true });
    return undefined;
  }
  mkdirSync(join(path, "space"), { mode: 0o700 });
  chownSync(join(path, "space"), owner.uid, owner.gid);
  return path;
}

test("readiness is lost while the disk is full, and comes back with room (where a tmpfs can be mounted)", async (context) => {
  const [row] = await admin<{ path: string }[]>`select current_setting('data_directory') as path`;
  const disk = smallDisk(statSync(row?.path ?? ""));
  if (disk === undefined) return context.skip("no file system can be mounted here");
  const url = new URL(server.url);
  url.pathname = "/small";
  try {
    await admin.unsafe(`create tablespace small location '${join(disk, "space")}'`);
    await admin.unsafe("create database small template template0 tablespace small");
    const sql = postgres(url.href, { max: 1, onnotice: () => undefined }) as unknown as Sql;
    await migrate(sql, { folder: migrationFolder });
    await sql.unsafe("create table filler (n int, text text)");
    await sql.unsafe("alter table filler alter text set storage external");
    const watch = watched(url.href);
    await watch.comesTo("ok");
    const fill = (size: number) =>
      sql.unsafe(`insert into filler select n, repeat('x', ${size}) from generate_series(1, 1000) as n`);
    for (const size of [8000, 100]) {
      for (;;) {
        const full = await fill(size).then(
          () => false,
          (error: { code?: string }) => error.code === "53100",
        );
        if (full) break;
      }
    }
    await watch.comesTo("failed unwritable");
    await sql.unsafe("drop table filler");
    await sql.unsafe("checkpoint");
    await watch.comesTo("ok");
    expect(watch.states).toEqual(["failed starting", "ok", "failed unwritable", "ok"]);
    await watch.stop();
    await sql.end();
    await admin.unsafe("drop database small with (force)");
    await admin.unsafe("drop tablespace small");
  } finally {
    execFileSync("umount", ["-l", disk]);
    rmSync(disk, { recursive: true, force: true });
  }
});
