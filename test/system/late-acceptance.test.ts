import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf, timelineOf } from "../support/signature-requests.ts";

/** Twilio takes a call so long after it came, though its caller hung up after half a second. */
const takenAfterMs = 2_000;
const abandonedAfterMs = 500;
const perWave = 40;

let database: TestDatabase;
let installation: LiveInstallation;
let replicas: readonly RouterProcess[];

interface Sent {
  readonly to: string;
  readonly id: string;
}

/** Starts whose first calls are all taken late; of half of the messages no receipt ever comes. */
async function wave(): Promise<Sent[]> {
  const starts = Array.from({ length: perWave }, async (_, n) => {
    const to = aPhoneNumber();
    const delivery = { receipts: n % 4 < 2 ? "none" : "in_order" } as const;
    installation.double.plan(to, [{ kind: "latency", ms: takenAfterMs, delivery }]);
    const { signature } = await replicas[n % 2]!.client.startSignature(aStartOf(to));
    return { to, id: signature?.id ?? "" };
  });
  return await Promise.all(starts);
}

const messages = ({ to }: Sent) => installation.double.messagesTo(to).length;

async function duplicatesOf({ id }: Sent): Promise<number> {
  const history = await replicas[0]!.client.getSignature({ signatureId: id });
  return timelineOf(history).filter((event) => event.startsWith("DUPLICATE_SENT")).length;
}

/** Waits until the timeline names every message but the first. */
async function named(sent: Sent): Promise<void> {
  for await (const _ of replicas[0]!.client.watchSignature({ signatureId: sent.id })) {
    if ((await duplicatesOf(sent)) >= messages(sent) - 1) return;
  }
}

async function metric(name: string): Promise<number[]> {
  const pattern = new RegExp(`^${name}(?:\\{\\S*\\})? (\\S+)`, "m");
  const read = async ({ opsUrl }: RouterProcess) => (await fetch(`${opsUrl}/metrics`)).text();
  return (await Promise.all(replicas.map(read))).map((text) => Number(pattern.exec(text)?.[1]));
}

const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);

beforeAll(async () => {
  database = await createDatabase();
  installation = await LiveInstallation.create(database.url);
  const env = { SIGNATURE_LEASE_SECONDS: "8" };
  replicas = await Promise.all([installation.startReplica(env), installation.startReplica(env)]);
});

afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

describe("Calls that Twilio takes after the look-up had shown nothing", () => {
  it("are each named and counted, and the pause grows until it covers the next ones", async () => {
    expect(await metric("signature_settling_pause")).toEqual([0.1, 0.1]);
    const first = await wave();
    await Promise.all(
      first.map(async (sent) => {
        while (messages(sent) < 2)
          await new Promise((resolve) => installation.double.once("changed", resolve));
        await named(sent);
      }),
    );
    expect(first.map(messages)).toEqual(Array(perWave).fill(2));
    expect(await Promise.all(first.map(duplicatesOf))).toEqual(Array(perWave).fill(1));
    expect(sum(await metric("signature_duplicates_total"))).toBe(perWave);

    const pauses = await metric("signature_settling_pause");
    for (const pause of pauses) {
      expect(pause).toBeGreaterThanOrEqual((takenAfterMs - abandonedAfterMs) / 1000);
      // The lease of 8 s less the timeout, a second for a place and half a second.
      expect(pause).toBeLessThanOrEqual(6);
    }
    const second = await wave();
    const doubled = second.filter((sent) => messages(sent) > 1).length;
    expect({ doubled, of: second.length }).toEqual({ doubled: 0, of: perWave });
    expect(sum(await metric("signature_duplicates_total"))).toBe(perWave);
  });
});
