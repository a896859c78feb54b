import { expect, test } from "vitest";
import { Failure } from "../../src/domain/failure.ts";
import { faultTexts, RepeatedFaults } from "../../src/telemetry/repeated-faults.ts";
import { capturedLog } from "./captured-log.ts";

const steps = ["take_over", "expire", "erase_phone_numbers", "purge_keys", "confirm", "redact", "seal"];
const away = () => new Failure("SERVICE_UNAVAILABLE", "the database is not available");
const { upkeep } = faultTexts;

async function faultLog() {
  const time = { now: 0 };
  const log = await capturedLog();
  return { time, faults: new RepeatedFaults({ logger: log.logger, now: () => time.now }), lines: log.lines };
}

test("an outage of five minutes is a line at its beginning, one a minute, and one at its end", async () => {
  const { time, faults, lines } = await faultLog();
  for (; time.now < 290_000; time.now += 290) for (const step of steps) faults.failed(upkeep, step, away());
  for (const step of steps) faults.recovered(upkeep, step);
  time.now += 10_000;
  faults.check();
  expect(lines.map(({ message }) => message)).toEqual([
    upkeep.begun,
    ...Array(4).fill(upkeep.goesOn),
    upkeep.over,
  ]);
  expect(lines.at(-1)).toMatchObject({ reason: "SERVICE_UNAVAILABLE", count: 7000 });
  expect(lines.filter((line) => "exception_stack" in line)).toHaveLength(1);
});

test("another fault beside it has lines of its own", async () => {
  const { time, faults, lines } = await faultLog();
  for (let n = 0; n < 100; n += 1, time.now += 100) {
    faults.failed(upkeep, "expire", away());
    faults.failed(upkeep, "seal", new TypeError("x"));
    faults.failed(faultTexts.receipt, "receipt", away());
  }
  expect(lines.map(({ message, step, reason }) => [message, step, reason])).toEqual([
    [upkeep.begun, "expire", "SERVICE_UNAVAILABLE"],
    [upkeep.begun, "seal", "INTERNAL"],
    [faultTexts.receipt.begun, "receipt", "SERVICE_UNAVAILABLE"],
  ]);
});

test("what nobody says has recovered is over once it has been quiet, and begins anew after that", async () => {
  const { time, faults, lines } = await faultLog();
  faults.failed(upkeep, "deliver_challenge", new TypeError("x"));
  time.now = 129_999;
  faults.check();
  expect(lines.map(({ message }) => message)).toEqual([upkeep.begun, upkeep.goesOn]);
  time.now = 130_000;
  faults.check();
  faults.failed(upkeep, "deliver_challenge", new TypeError("x"));
  expect(lines.map(({ message }) => message).slice(2)).toEqual([upkeep.over, upkeep.begun]);
});
