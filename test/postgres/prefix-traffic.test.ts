import { expect, test } from "vitest";
import { PostgresPrefixTraffic } from "../../src/postgres/prefix-traffic.ts";
import { useReplicas } from "../support/replicas.ts";

const { replica, pass, sql } = await useReplicas();
const traffic = (n: number) => new PostgresPrefixTraffic(replica(n).db);
const suspicion = { messages: 20, completedShare: 0.1 };

test("replicas that add in parallel lose nothing", async () => {
  const batches = Array.from({ length: 40 }, (_, n) => {
    const counts = [
      { prefix: "+35191000", messages: 2, completions: 0 },
      { prefix: "+44770090", messages: 1, completions: 1 },
    ];
    return traffic(n).add(n % 2 === 0 ? counts : counts.toReversed());
  });
  await Promise.all(batches);
  expect(await traffic(0).suspected(suspicion)).toEqual([
    { prefix: "+35191000", messages: 80, completions: 0 },
  ]);
});

test("a prefix is suspected from the bounds on, and only for an hour", async () => {
  await traffic(0).add([
    { prefix: "+3911", messages: 19, completions: 0 },
    { prefix: "+3922", messages: 20, completions: 2 },
    { prefix: "+3933", messages: 20, completions: 1 },
  ]);
  const suspected = async () => (await traffic(1).suspected(suspicion)).map(({ prefix }) => prefix);
  expect(await suspected()).toContain("+3933");
  expect(await suspected()).not.toContain("+3911");
  expect(await suspected()).not.toContain("+3922");
  pass(3_600_000);
  expect(await suspected()).toEqual([]);
});

test("a whole number cannot be kept", async () => {
  const whole = { prefix: "+351910000001", messages: 1, completions: 0 };
  await expect(traffic(0).add([whole])).rejects.toThrow("prefix_traffic_is_prefix");
  expect(await sql`select from prefix_traffic where prefix = ${whole.prefix}`).toHaveLength(0);
});
