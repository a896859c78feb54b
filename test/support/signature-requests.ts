import { randomInt, randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ChallengeStatus } from "../../src/gen/bank/signature/v1/challenge_pb.ts";
import { SignatureStatus } from "../../src/gen/bank/signature/v1/signature_pb.ts";
import type {
  GetSignatureResponse,
  StartSignatureRequestSchema,
} from "../../src/gen/bank/signature/v1/signature_service_pb.ts";

type StartRequest = Extract<MessageInitShape<typeof StartSignatureRequestSchema>, { $typeName?: never }>;

let numbers = randomInt(1_000_000, 50_000_000);

/** A Spanish mobile number that no other call of this process gets. */
export function aPhoneNumber(): string {
  numbers += 1;
  return `+346${String(numbers).padStart(8, "0")}`;
}

/** A request of a customer, number and key of its own. */
export function aStartOf(phoneNumber: string, change: StartRequest = {}): StartRequest {
  return {
    idempotencyKey: randomUUID(),
    customerId: `customer ${phoneNumber}`,
    phoneNumber,
    transaction: {
      type: "transfer",
      amount: { currencyCode: "EUR", units: 1250n },
      payee: "ACME SL",
      payeeAccount: "ES9121000418450200051332",
    },
    ...change,
  };
}

function nameOf(values: Readonly<Record<string, number>>, value: number | undefined): string {
  return Object.entries(values).find(([, known]) => known === value)?.[0] ?? `unknown ${value}`;
}

/** E.g. "SENT". */
export function challengeStatusName(status: ChallengeStatus | undefined): string {
  return nameOf(ChallengeStatus, status);
}

/** E.g. "CHALLENGE_SENT". */
export function signatureStatusName(status: SignatureStatus | undefined): string {
  return nameOf(SignatureStatus, status);
}

/** What tells events of one type apart in a test. */
const facts = ["error_code", "provider_error_code", "found", "known_by", "attempt"];

/** The timeline after its first two events, each as its type and what matters of its details. */
export function timelineOf({ timeline }: GetSignatureResponse): string[] {
  return timeline.slice(2).map(({ type, details }) => {
    const told = facts.flatMap((name) => (details[name] === undefined ? [] : [details[name]]));
    return [type, ...told].join(" ");
  });
}
