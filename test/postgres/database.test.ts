import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Database } from "../../src/postgres/database.ts";
import { guarded } from "../../src/postgres/errors.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { DatabaseProxy } from "../support/database-proxy.ts";

describe("Database", () => {
  let real: TestDatabase;
  let proxy: DatabaseProxy;

  beforeAll(async () => {
    real = await createDatabase({ empty: true });
    proxy = await DatabaseProxy.start(real.url);
  });

  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await real[Symbol.asyncDispose]();
  });

  function open(): Database {
    const database = new Database({ url: proxy.url, connections: 4 });
    onTestFinished(async () => {
      await proxy.turn("fair");
      await database.close();
    });
    return database;
  }

  it("has PostgreSQL plan a statement once, and not for its values again", async () => {
    const database = new Database({ url: real.url, connections: 1 });
    onTestFinished(() => database.close());
    for (let n = 1; n <= 8; n += 1) await database.sql`select ${n}::int as planned`;
    const plans = await database.sql`
      select generic_plans::int, custom_plans::int from pg_prepared_statements where statement like '%as planned'`;
    expect(plans).toEqual([{ generic_plans: 8, custom_plans: 0 }]);
  });

  it("says whether it answers in time, whatever its pool is busy with", async () => {
    const database = open();
    const busy = Array.from({ length: 8 }, () => database.sql`select pg_sleep(0.2)`.catch(() => undefined));
    expect(await database.answers(2000)).toBe("yes");
    await Promise.all(busy);
    await proxy.turn("silent");
    expect(await database.answers(100)).toBe("late");
    await proxy.turn("refused");
    expect(await database.answers(2000)).toBe("no");
    await proxy.turn("fair");
    expect(await database.answers(2000)).toBe("yes");
  });

  it("takes a connection that is not made in time for late, as other silence, and not for a refusal", async () => {
    const database = open();
    await proxy.turn("silent");
    // Longer than the driver waits for a connection.
    expect(await database.answers(10_000)).toBe("late");
  });

  it("takes a server that cannot be written to for none", async () => {
    const name = real.sql.unsafe("select current_database() as name");
    const [row] = await name;
    await real.sql.unsafe(`alter database ${row?.["name"]} set default_transaction_read_only = on`);
    expect(await open().answers(2000)).toBe("no");
    await real.sql.unsafe(`alter database ${row?.["name"]} reset default_transaction_read_only`);
  });

  it("ends what hangs when it is given up, refuses at once what comes later, and works again once found", async () => {
    const database = open();
    const store = guarded({ ask: async () => await database.sql`select 1 as one` });
    await store.ask();
    await proxy.turn("silent");
    const hanging = Array.from({ length: 8 }, () => store.ask());
    const ends = Promise.allSettled(hanging);
    database.lose();
    for (const end of await ends) {
      expect(end).toMatchObject({ status: "rejected", reason: { reason: "SERVICE_UNAVAILABLE" } });
    }
    await expect(store.ask()).rejects.toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
    await proxy.turn("fair");
    database.find();
    expect(await store.ask()).toHaveLength(1);
  });

  it("ends its calls, and not the process, when connections go at any moment of their beginning", async () => {
    const unheard: unknown[] = [];
    const listen = (error: unknown) => unheard.push(error);
    process.on("unhandledRejection", listen);
    try {
      for (let round = 0; round < 40; round += 1) {
        await proxy.turn("fair");
        const database = new Database({ url: proxy.url, connections: 4 });
        const calls = Array.from({ length: 4 }, () => database.sql`select 1`);
        const ends = Promise.allSettled(calls);
        // Greeting, password, array types, rows: each connection begins with several of them.
        await Promise.race([proxy.answers(round), ends]);
        await proxy.turn("reset");
        await ends;
        database.lose();
      }
    } finally {
      process.off("unhandledRejection", listen);
    }
    expect(unheard).toEqual([]);
  });

  it("closes at once though the server has ended every connection, busy ones too", async () => {
    const database = new Database({ url: real.url, connections: 4 });
    await Promise.all(Array.from({ length: 4 }, () => database.sql`select pg_sleep(0.02)`));
    const busy = Array.from({ length: 8 }, () => database.sql`select pg_sleep(20)`);
    const ends = Promise.allSettled(busy);
    const sleeping = async () => {
      const [row] = await real.sql<{ n: number }[]>`
        select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'`;
      return row?.n;
    };
    await expect.poll(sleeping, { interval: 10 }).toBe(4);
    await real.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'signature-router'`;
    expect((await ends).map(({ status }) => status)).toEqual(Array(8).fill("rejected"));
    const begunAt = performance.now();
    await database.close();
    // Of the 5 s that it would wait for what is under way.
    expect(performance.now() - begunAt).toBeLessThan(4000);
  });

  it("lets what is under way end before it closes", async () => {
    const database = new Database({ url: real.url, connections: 1 });
    const answer = database.sql`select 1 as one from pg_sleep(0.2)`.then(([row]) => row?.["one"]);
    await database.answers(2000);
    await database.close();
    expect(await answer).toBe(1);
  });

  it("leaves no guarded call waiting beyond its deadline", async () => {
    const store = guarded({ ask: () => new Promise<never>(() => undefined) }, 50);
    await expect(store.ask()).rejects.toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
  });
});
