import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { context, ROOT_CONTEXT, TraceFlags, trace } from "@opentelemetry/api";
import { describe, expect, test } from "vitest";
import type { LogFields } from "../../src/telemetry/log-fields.ts";
import { capturedLog } from "./captured-log.ts";
import { foreignErrors, personal, phone } from "./foreign-errors.ts";
import { startedTelemetry } from "./started-telemetry.ts";

describe("the log", () => {
  test("writes a constant message, a level, a time and the fields it was given", async () => {
    const { logger, lines } = await capturedLog();
    logger.warn("challenge taken over", { challenge_id: "c1", attempt: 2, reason: undefined });
    expect(lines).toEqual([
      {
        level: "warn",
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        message: "challenge taken over",
        challenge_id: "c1",
        attempt: 2,
      },
    ]);
  });

  test("drops fields that are not on the allow-list, and values that are not plain", async () => {
    const { logger, text } = await capturedLog();
    const fields = { phone, to: phone, customer_id: phone, detail: { to: phone }, code: [phone], count: 1 };
    logger.info("something happened", fields as unknown as LogFields);
    expect(text()).toContain('"count":1');
    expect(text()).not.toContain(phone);
  });

  test("bounds texts and takes control characters out of them", async () => {
    const { logger, lines } = await capturedLog();
    logger.info("something happened", { caller: `a\n\u001b[31m${"x".repeat(500)}` });
    expect(lines[0]?.["caller"]).toMatch(/^a\?\?\[31mx+$/);
    expect(String(lines[0]?.["caller"])).toHaveLength(200);
  });

  test("never prints the texts of foreign errors", async () => {
    const { logger, text, lines } = await capturedLog();
    for (const error of foreignErrors()) logger.error("upkeep failed", { step: "expire" }, error);
    for (const part of personal) expect(text()).not.toContain(part);
    expect(lines[0]).toMatchObject({
      exception_type: "PostgresError",
      exception_code: "23505",
      exception_constraint: "challenge_sid_unique",
      exception_stack: expect.stringContaining("foreign-errors.ts"),
    });
  });

  test("names trace and span where a span is active, and only there", async () => {
    await using started = await startedTelemetry();
    const { logger, lines } = started;
    const ids = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };
    const span = trace.wrapSpanContext({ ...ids, traceFlags: TraceFlags.SAMPLED });
    await context.with(trace.setSpan(ROOT_CONTEXT, span), async () => {
      await Promise.resolve();
      logger.info("inside");
    });
    logger.info("outside");
    expect(lines[0]).toMatchObject({ trace_id: ids.traceId, span_id: ids.spanId });
    expect(lines[1]).not.toHaveProperty("trace_id");
  });

  test("says nothing below its level", async () => {
    const { logger, lines } = await capturedLog("warn");
    logger.info("something happened");
    logger.warn("something else happened");
    expect(lines.map(({ message }) => message)).toEqual(["something else happened"]);
  });

  test("loses no line when the process exits right after it, and writes for people when asked to", async () => {
    const lines = (pretty: boolean) =>
      printed(`
      import { createLogger } from ${JSON.stringify(new URL("../../src/telemetry/logger.ts", import.meta.url).href)};
      const logger = await createLogger({ level: "info", pretty: ${pretty} });
      for (let i = 1; i <= 200; i += 1) logger.info("a line", { count: i });
      process.exit(0);`);
    const [plain, pretty] = await Promise.all([lines(false), lines(true)]);
    expect(plain.trim().split("\n")).toHaveLength(200);
    expect(JSON.parse(plain.trim().split("\n").at(-1) ?? "")).toMatchObject({ count: 200 });
    expect(pretty).toMatch(/INFO.*: .*a line/);
    expect(pretty).toContain("count: 200");
  });
});

async function printed(source: string): Promise<string> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return await text(child.stdout);
}
