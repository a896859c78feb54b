import type { Channel } from "../domain/challenge.ts";
import type { PhoneNumber } from "../domain/phone-number.ts";
import type { Transaction } from "../domain/transaction.ts";
import type { Warning } from "../domain/warning.ts";

export interface StartSignatureCommand {
  readonly caller: string;
  readonly idempotencyKey: string;
  readonly customerId: string;
  readonly phoneNumber: PhoneNumber;
  readonly transaction: Transaction;
  /** Undefined lets the routing rules decide. */
  readonly channel: Channel | undefined;
  /** BCP 47; empty for the default language. */
  readonly locale: string;
  readonly ttlMs: number;
  readonly firstFactor: string;
  /** What the caller is told about the request, each time that it is repeated, too. */
  readonly warnings: readonly Warning[];
}

/** What makes two calls with one key the same request. */
export function requestContent(
  command: StartSignatureCommand,
  { digest }: { readonly digest: Buffer },
): Readonly<Record<string, string | number>> {
  return {
    customer_id: command.customerId,
    phone_number: command.phoneNumber.e164,
    transaction_digest: digest.toString("hex"),
    channel: command.channel ?? "",
    locale: command.locale,
    ttl_ms: command.ttlMs,
    first_factor: command.firstFactor,
  };
}
