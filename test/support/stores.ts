import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, expect } from "vitest";
import { newestTextVersion } from "../../src/domain/message-texts.ts";
import type { NewChallenge, NewSignature, RequestKey } from "../../src/domain/stores.ts";
import { PostgresClosingStore } from "../../src/postgres/closing-store.ts";
import { Database } from "../../src/postgres/database.ts";
import { PostgresDeliveryStore } from "../../src/postgres/delivery-store.ts";
import { PostgresSignatureReader } from "../../src/postgres/signature-reader.ts";
import { PostgresSignatureStore } from "../../src/postgres/signature-store.ts";
import { PostgresUpkeepStore } from "../../src/postgres/upkeep-store.ts";
import { useDatabase } from "./database.ts";
import { wastefulPlans } from "./plans.ts";

/** The stores on a database of their own, with a time of day that only moves when the test says so. */
export async function useStores() {
  const { url, sql } = await useDatabase();
  const time = { now: new Date("2026-11-22T12:00:00.000Z") };
  const connections = 10;
  const db = new Database({ url, connections, clock: () => time.now });
  afterAll(async () => {
    const plans = await wastefulPlans(db, connections);
    await db.close();
    expect(plans).toEqual([]);
  });
  return {
    url,
    sql,
    db,
    signatures: new PostgresSignatureStore(db),
    closings: new PostgresClosingStore(db, true),
    deliveries: new PostgresDeliveryStore(db),
    reader: new PostgresSignatureReader(db),
    upkeep: new PostgresUpkeepStore(db),
    now: () => time.now,
    pass(ms: number) {
      time.now = new Date(time.now.getTime() + ms);
    },
  };
}

export function aRequestKey(over: Partial<RequestKey> = {}): RequestKey {
  return {
    caller: "payments",
    scope: "start",
    key: randomUUID(),
    fingerprint: randomBytes(32),
    fingerprintKeyId: "n1",
    ...over,
  };
}

export function aNewChallenge(over: Partial<NewChallenge> = {}): NewChallenge {
  return {
    id: randomUUID(),
    channel: "sms",
    provider: "twilio",
    maskedDestination: "+34 *** *** 001",
    destination: { commitment: "0d".repeat(32), keyId: "e1" },
    textDigests: { 5: "0c".repeat(32) },
    brand: "",
    webOtpHost: "",
    textVersion: newestTextVersion,
    amountPattern: "#.##0,00",
    calls: 4,
    leaseMs: 20_000,
    ...over,
  };
}

export function aNewSignature(over: Partial<NewSignature> = {}): NewSignature {
  return {
    id: randomUUID(),
    customerPseudonym: randomBytes(32),
    customerKeyId: "n1",
    customerGuards: [randomBytes(32)],
    phoneGuards: [randomBytes(32)],
    transactionDigest: randomBytes(32),
    transactionSealed: randomBytes(60),
    phoneSealed: randomBytes(40),
    sealKeyId: "s1",
    codeNonce: randomBytes(32),
    codeKeyId: "p1",
    attempts: 3,
    locale: "es",
    firstFactor: "",
    ttlMs: 300_000,
    challenge: aNewChallenge(),
    ...over,
  };
}

/** A Message SID that no other test uses. */
export function aSid(): string {
  return `SM${randomBytes(16).toString("hex")}`;
}

export const noLimits = { customerPerMinute: 0, phonePer10Minutes: 0 };
export const noLockout = { failures: 0, windowMs: 1000, stepsMs: [1000] };
