import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { Pool } from "undici";
import { planning } from "../../src/postgres/session.ts";
import { accountSid, authToken, sender } from "../support/twilio-sandbox.ts";
import { closedLoop, type LoadResult } from "./load.ts";
import type { Statement } from "./wire-tap.ts";
import { serveParent } from "./worker.ts";

// The floor: what the drivers alone cost, in a process where the service would be.

export interface FloorResult extends LoadResult {
  /** CPU of this process in microseconds a call. */
  readonly ownUs: number;
}

export interface StatementOrder {
  readonly databaseUrl: string;
  readonly statements: readonly Statement[];
  /** Values of the sample, each of which every call replaces by one of its own. */
  readonly unique: readonly string[];
  readonly callers: number;
  readonly seconds: number;
}

/** A parameter's text as the driver was given it: it would write these two in another way. */
function fromWire(value: string | null, isBoolean: boolean): string | boolean | Buffer | null {
  if (isBoolean) return value === "t";
  return value?.startsWith("\\x") ? Buffer.from(value.slice(2), "hex") : value;
}

const newSid = () => `SM${randomUUID().replaceAll("-", "")}`;

serveParent({
  /** The statements of one call, one after the other, each prepared once for each connection. */
  async statements({
    databaseUrl,
    statements,
    unique,
    callers,
    seconds,
  }: StatementOrder): Promise<FloorResult> {
    const sql = postgres(databaseUrl, { max: 10, connection: planning, onnotice: () => {} });
    const once = async () => {
      const replaced = unique.map(
        (value) => [value, value.startsWith("SM") ? newSid() : randomUUID()] as const,
      );
      for (const { text, parameters } of statements) {
        const values = parameters.map((parameter, index) => {
          const value = replaced.reduce((text, [from, to]) => text?.replaceAll(from, to) ?? null, parameter);
          return fromWire(value, text.includes(`$${index + 1}::boolean`));
        });
        await sql.unsafe(text, values, { prepare: true });
      }
      return 0;
    };
    await closedLoop(callers, 0.5, once);
    const result = await costOf(() => closedLoop(callers, seconds, once));
    await sql.end();
    return result;
  },

  /** The statements of one read in its transaction, sent without waiting in between. */
  async transaction({ databaseUrl, statements, callers, seconds }: StatementOrder): Promise<FloorResult> {
    const sql = postgres(databaseUrl, { max: 10, connection: planning, onnotice: () => {} });
    const once = async () => {
      await sql.begin("isolation level repeatable read read only", (tx) =>
        statements.map(({ text, parameters }) => tx.unsafe(text, [...parameters], { prepare: true })),
      );
      return 0;
    };
    await closedLoop(callers, 0.5, once);
    const result = await costOf(() => closedLoop(callers, seconds, once));
    await sql.end();
    return result;
  },

  /** The HTTP POST that a create call is. */
  async post(order: { url: string; callers: number; seconds: number }): Promise<FloorResult> {
    const { origin, pathname } = new URL(order.url);
    const pool = new Pool(origin, { connections: order.callers, pipelining: 1 });
    const path = `${pathname}/Accounts/${accountSid}/Messages.json`;
    const headers = {
      accept: "application/json",
      authorization: `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded",
    };
    const text = "123456 es el código para firmar 1.250,00 EUR a ACME SL. Válido 10 min. No lo comparta.";
    const body = new URLSearchParams({ To: "+34600000001", From: sender, Body: text, ValidityPeriod: "600" });
    const once = async () => {
      const answer = await pool.request({ method: "POST", path, headers, body: body.toString() });
      await answer.body.text();
      return answer.statusCode === 201 ? 0 : answer.statusCode;
    };
    await closedLoop(order.callers, 0.5, once);
    const result = await costOf(() => closedLoop(order.callers, order.seconds, once));
    await pool.close();
    return result;
  },
});

async function costOf(load: () => Promise<LoadResult>): Promise<FloorResult> {
  const before = process.cpuUsage();
  const result = await load();
  const { user, system } = process.cpuUsage(before);
  return { ...result, ownUs: (user + system) / result.calls };
}
