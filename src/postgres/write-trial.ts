import { randomBytes, randomUUID } from "node:crypto";
import postgres, { type Sql } from "postgres";
import { newestTextVersion } from "../domain/message-texts.ts";
import type { Database } from "./database.ts";
import { recordStarts, type Start } from "./start.ts";

/** What the trial waits for a lock: a start that waits longer is late for its caller. */
const lockMs = 1000;
const statementMs = 3000;

class TakenBack extends Error {}

/**
 * Does what a start does, in the same tables, and takes it back: a lock on one of them, a full disk or a server that
 * takes no writes end it as they end every start. Then commits a record of the log alone, which waits for the disk,
 * or for a synchronous stand-by, as every commit does. Nothing of it is ever to be seen.
 */
export async function tryWrite(db: Database): Promise<void> {
  await db.apart(async (sql) => {
    await takenBack(sql, async (tx) => {
      await tx`
        select set_config('lock_timeout', ${String(lockMs)}, true),
          set_config('statement_timeout', ${String(statementMs)}, true)`;
      await recordStarts({ sql: tx, now: () => db.now() }, [trial()]);
    });
    await sql`select pg_logical_emit_message(true, 'signature-router', '')`;
  });
}

/** Whether the server itself said why, as opposed to a connection that was lost. */
export function isAnswer(error: unknown): boolean {
  return error instanceof postgres.PostgresError;
}

async function takenBack(sql: Sql, work: (tx: Sql) => Promise<void>): Promise<void> {
  try {
    await sql.begin(async (tx) => {
      await work(tx as unknown as Sql);
      throw new TakenBack();
    });
  } catch (error) {
    if (!(error instanceof TakenBack)) throw error;
  }
}

/** A start of nobody: it counts in no guard. */
function trial(): Start {
  const [id, digest] = [randomUUID(), randomBytes(32)];
  return {
    key: { caller: "trial", scope: "start", key: id, fingerprint: digest, fingerprintKeyId: "trial" },
    signature: {
      id,
      customerPseudonym: digest,
      customerKeyId: "trial",
      ...{ customerGuards: [], phoneGuards: [] },
      transactionDigest: digest,
      // So large that it needs pages that no table has free.
      ...{ transactionSealed: randomBytes(32 * 1024), phoneSealed: randomBytes(40), sealKeyId: "trial" },
      ...{ codeNonce: digest, codeKeyId: "trial", attempts: 1, locale: "es", firstFactor: "", ttlMs: 1000 },
      challenge: {
        ...{ id: randomUUID(), channel: "sms", provider: "twilio", maskedDestination: "+*** *** ***" },
        destination: { commitment: "00".repeat(32), keyId: "trial" },
        ...{ textDigests: {}, brand: "", webOtpHost: "", textVersion: newestTextVersion },
        ...{ amountPattern: "#.##0,00", calls: 1, leaseMs: 1000 },
      },
    },
    limits: { customerPerMinute: 0, phonePer10Minutes: 0 },
  };
}
