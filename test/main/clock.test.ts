import { expect, test } from "vitest";
import { systemRandom } from "../../src/main/clock.ts";

test("random bytes come in the length that was asked for, and none is given out twice", () => {
  const lengths = [32, 12, 12, 5000, ...Array.from({ length: 400 }, () => 16)];
  const values = lengths.map((length) => systemRandom.bytes(length));
  expect(values.map((value) => value.length)).toEqual(lengths);
  expect(new Set(values.map((value) => value.toString("hex"))).size).toBe(values.length);
  const kept = values[0]?.toString("hex");
  values.slice(1).forEach((value) => {
    value.fill(0);
  });
  expect(values[0]?.toString("hex")).toBe(kept);
  expect(systemRandom.bytes(32).every((byte) => byte === 0)).toBe(false);
});
