import { expect, test } from "vitest";
import { suspicions } from "../../src/domain/pumping.ts";
import { PostgresTrafficStore } from "../../src/postgres/traffic-store.ts";
import { useReplicas } from "../support/replicas.ts";

const { replica, now, pass, sql } = await useReplicas();
const traffic = (n: number) => new PostgresTrafficStore(replica(n).db);

test("replicas that add in parallel lose nothing", async () => {
  const batches = Array.from({ length: 40 }, (_, n) => {
    const counts = [
      { prefix: "+35191000", country: "PT", messages: 2, completions: 0 },
      { prefix: "+44770090", country: "GB", messages: 1, completions: 1 },
    ];
    const callers = [
      { caller: "cards", messages: 6, completions: 0 },
      { caller: "payments", messages: 6, completions: 1 },
    ];
    return n % 2 === 0
      ? traffic(n).add(counts, callers)
      : traffic(n).add(counts.toReversed(), callers.toReversed());
  });
  await Promise.all(batches);
  expect(await traffic(0).suspects(suspicions)).toEqual({
    prefixes: [{ prefix: "+35191000", country: "PT", messages: 80, completions: 0 }],
    countries: [],
    callers: [{ caller: "cards", messages: 240, completions: 0 }],
  });
});

test("a prefix is suspected from the bounds on, and only for an hour", async () => {
  await traffic(0).add(
    [
      { prefix: "+3911", country: "IT", messages: 19, completions: 0 },
      { prefix: "+3922", country: "IT", messages: 20, completions: 2 },
      { prefix: "+3933", country: "IT", messages: 20, completions: 1 },
      { prefix: "+3944", country: "IT", messages: 60, completions: 15 },
      { prefix: "+3955", country: "IT", messages: 60, completions: 14 },
    ],
    [],
  );
  const suspected = async () => (await traffic(1).suspects(suspicions)).prefixes.map(({ prefix }) => prefix);
  expect(await suspected()).toContain("+3933");
  expect(await suspected()).toContain("+3955");
  expect(await suspected()).not.toContain("+3944");
  expect(await suspected()).not.toContain("+3911");
  expect(await suspected()).not.toContain("+3922");
  pass(3_600_000);
  expect(await suspected()).toEqual([]);
});

test("small prefixes of a country are suspected together; large ones, home and older versions' counts are not theirs", async () => {
  const small = (country: string, count: number) =>
    Array.from({ length: count }, (_, n) => ({
      ...{ prefix: `+${country === "FR" ? 336 : 337}${String(n).padStart(2, "0")}`, country },
      ...{ messages: 10, completions: 0 },
    }));
  await traffic(0).add(small("FR", 10), []);
  await traffic(0).add(small("home", 30), []);
  await traffic(0).add([{ prefix: "+4911", country: "DE", messages: 500, completions: 450 }], []);
  await traffic(0).add([{ prefix: "+4912", country: "DE", messages: 19, completions: 0 }], []);
  await sql`insert into prefix_traffic (prefix, since, messages, completions)
    select '+99' || n, ${new Date(now()).toISOString()}::timestamptz, 15, 0 from generate_series(10, 40) as n`;
  expect((await traffic(1).suspects(suspicions)).countries).toEqual([
    { country: "FR", messages: 100, completions: 0 },
  ]);
});

test("a whole number cannot be kept", async () => {
  const whole = { prefix: "+351910000001", country: "PT", messages: 1, completions: 0 };
  await expect(traffic(0).add([whole], [])).rejects.toThrow("prefix_traffic_is_prefix");
  expect(await sql`select from prefix_traffic where prefix = ${whole.prefix}`).toHaveLength(0);
});
