import type { Lockout } from "./limits.ts";
import type { ProviderOutcome } from "./provider.ts";
import type { SignatureStatus } from "./signature.ts";
import type { AcceptanceSource } from "./stores.ts";
import type { Warning } from "./warning.ts";

interface OfChallenge {
  readonly signatureId: string;
  readonly challengeId: string;
  readonly provider: string;
}

/** What of a well signed receipt does not fit its challenge; `message`: one more than it had calls. */
export type ReceiptFault = "account" | "destination" | "attempt" | "message";

/** What operators want to know of: each becomes a log line, a count, or both. No personal data. */
export type Observation =
  | { readonly type: "signature_started"; readonly warnings: readonly Warning[] }
  | { readonly type: "signature_closed"; readonly status: SignatureStatus; readonly count: number }
  | { readonly type: "code_rejected"; readonly signatureId: string }
  | ({
      readonly type: "message_composed";
      readonly encoding: string;
      readonly segments: number;
    } & OfChallenge)
  | ({
      readonly type: "challenge_sent";
      readonly providerChallengeId: string;
      readonly knownBy: AcceptanceSource;
    } & OfChallenge)
  | ({
      readonly type: "provider_failed";
      readonly outcome: ProviderOutcome;
      readonly errorCode: string;
      readonly accountAtFault?: boolean;
      readonly attempt: number;
    } & OfChallenge)
  /** Sending ended without acceptance: refused, or given up after every call certainly failed. */
  | ({ readonly type: "sending_failed"; readonly errorCode: string; readonly refused: boolean } & OfChallenge)
  | ({ readonly type: "looked_up"; readonly found: "message" | "nothing" | "unreadable" } & OfChallenge)
  | ({ readonly type: "taken_over" } & OfChallenge)
  | ({ readonly type: "duplicate_sent"; readonly providerChallengeId: string } & OfChallenge)
  | ({
      readonly type: "receipt";
      readonly status: "delivered" | "undelivered";
      readonly errorCode: string;
      readonly accountAtFault?: boolean;
    } & OfChallenge)
  /** Nothing was recorded of a receipt: whoever made it has the provider's token, and is not the provider. */
  | ({ readonly type: "receipt_mismatch"; readonly fault: ReceiptFault } & OfChallenge)
  /** Wrong codes in a row have locked a customer out for a caller; the signature is the one of the last of them. */
  | ({
      readonly type: "customer_locked_out";
      readonly caller: string;
      readonly signatureId: string;
    } & Lockout)
  /** Many messages, and few completions: of a prefix's first digits, a country's small prefixes, or a caller. */
  | {
      readonly type: "pumping_suspected";
      readonly kind: "prefix" | "country" | "caller";
      readonly name: string;
      readonly messages: number;
      readonly completions: number;
    }
  /** From 80 % of a day's budget on; `caller` is empty for the budget of all. */
  | {
      readonly type: "budget_nearly_used";
      readonly scope: "all" | "caller";
      readonly caller: string;
      readonly unit: "messages" | "cost";
      readonly share: number;
    }
  /** A statement that calls shared was undone for the sake of one, and they were asked for again. */
  | { readonly type: "statement_repeated"; readonly statement: string; readonly calls: number }
  /** A day's checkpoint was made and is not in the database any more. */
  | { readonly type: "checkpoint_missing"; readonly day: string }
  /** A checkpoint went to a place outside the database, or could not yet. */
  | {
      readonly type: "checkpoint_delivery";
      readonly sink: "file" | "http" | "tsa";
      readonly day: string;
      readonly result: "delivered" | "failed" | "differs";
      readonly cause?: unknown;
    }
  /** A step outside a call could not be done; it is tried again. */
  | { readonly type: "upkeep_failed"; readonly step: string; readonly cause: unknown }
  /** The first time that it could be done again. */
  | { readonly type: "upkeep_recovered"; readonly step: string };

export interface Observer {
  observe(observation: Observation): void;
}
