import type { EvidencePack } from "./evidence-pack.ts";

/** The pack for people: the same facts in the order in which somebody asks for them. */
export function evidenceText(pack: Omit<EvidencePack, "signed" | "text_sha256">): string {
  const { signature, transaction, challenges, events, seals, checkpoints } = pack;
  const lines = [
    `Evidence of signature ${signature.id}`,
    `exported ${pack.exported_at}; all times are UTC`,
    "",
    `Status          ${signature.status}`,
    `Requested by    ${signature.caller}`,
    `Created         ${signature.created_at}`,
    `Expires         ${signature.expires_at}`,
    `Closed          ${signature.closed_at ?? "still open"}`,
    ...(signature.abort_reason === null ? [] : [`Abort reason    ${signature.abort_reason}`]),
    `First factor    ${signature.first_factor || "not told"}`,
    "",
    "What was to be signed",
    ...Object.entries(transaction).flatMap(([name, value]) => transactionLine(name, value)),
    `  digest (SHA-256)  ${signature.transaction_digest}`,
    "",
    "Challenges",
    ...challenges.flatMap((challenge, index) => [
      `  ${index + 1}. ${challenge.channel} by ${challenge.provider} to ${challenge.masked_destination}, ${challenge.status}`,
      `     message   ${challenge.message_sid ?? "none"}`,
      `     created   ${challenge.created_at}, sent ${challenge.sent_at ?? "-"}, delivered ${challenge.delivered_at ?? "-"}`,
      ...(challenge.provider_error_code === null ? [] : [`     error     ${challenge.provider_error_code}`]),
      ...(challenge.provider_proof === null ? [] : [`     proof     ${challenge.provider_proof}`]),
      ...(challenge.text ?? "(the text that was confirmed is not rendered by this release)")
        .split("\n")
        .map((line, number) => `     ${number === 0 ? "text      " : "          "}${line}`),
    ]),
    "",
    "Reports of the provider, without the customer's number",
    ...pack.provider_receipts.map(
      (receipt) =>
        `  ${receipt.received_at}  ${receipt.parameters}${receipt.proof_fits ? "" : "  (PROOF DOES NOT FIT)"}`,
    ),
    "",
    "Timeline",
    ...events.map((event) => `  ${event.number}. ${event.at}  ${event.type}  ${event.details}`),
    "",
    "Seals",
    ...seals.map(
      (seal) => `  over ${seal.length} events, ${seal.sealed_at}, key ${seal.key_id}: ${seal.head}`,
    ),
    ...checkpoints.map(
      (checkpoint) =>
        `  checkpoint of ${checkpoint.day} over ${checkpoint.seals} seals, key ${checkpoint.key_id}: ${checkpoint.digest}`,
    ),
    "",
    `Receipt         ${pack.receipt ?? "none: it was not completed"}`,
    "",
    "`npm run evidence -- verify <the JSON file> --jwks <the bank's key set>` checks all of it without the",
    "bank's database. It cannot show what somebody changed who held both the database and the receipt key.",
  ];
  return `${lines.join("\n")}\n`;
}

function transactionLine(name: string, value: unknown): string[] {
  if (value === "" || value === null) return [];
  const shown = typeof value === "string" ? value : JSON.stringify(value);
  return shown === "{}" ? [] : [`  ${name.padEnd(16)}  ${shown}`];
}
