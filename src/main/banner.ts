import type { Config } from "../config.ts";
import type { Logger } from "../telemetry/logger.ts";

/** URLs of what listens. */
export interface Listeners {
  readonly grpc: string;
  readonly http: string;
  readonly ops: string;
}

/** What a newcomer needs after `npm start`: that this is a sandbox, where it listens, lines to paste. */
function sandboxBanner({ grpc: grpcUrl, http, ops }: Listeners): string {
  const grpc = new URL(grpcUrl).host;
  const start = JSON.stringify({
    idempotencyKey: "demo-1",
    customerId: "customer-1",
    phoneNumber: "+34600000001",
    transaction: {
      type: "transfer",
      amount: { currencyCode: "EUR", units: "1250" },
      payee: "ACME SL",
      payeeAccount: "ES9121000418450200051332",
    },
  });
  const service = "bank.signature.v1.SignatureService";
  return `
==============================================================================
  SANDBOX: no message leaves this machine, and the inbox shows every code.
  Set the TWILIO_* credentials (README, Configuration) to go live.
==============================================================================
  gRPC     ${grpc}  (h2c, reflection on)
  Inbox    ${http}/inbox
  Receipts ${http}/twilio/status
  Metrics  ${ops}/metrics   Health ${ops}/readyz

  Start a signature, read the code in the inbox, and complete it:

  grpcurl -plaintext ${grpc} list
  grpcurl -plaintext -d '${start}' ${grpc} ${service}/StartSignature
  grpcurl -plaintext -d '{"signatureId":"<id>","code":"<code>"}' ${grpc} ${service}/CompleteSignature
  grpcurl -plaintext -d '{"signatureId":"<id>"}' ${grpc} ${service}/GetSignature

  Or let \`npm run try\` walk through it. Ctrl-C stops everything.
`;
}

/** Says where each listener is, what production would refuse and, loudly, that a sandbox is one. */
export function announce(
  logger: Logger,
  { sandbox, allowed }: Pick<Config, "sandbox" | "allowed">,
  listeners: Listeners,
): void {
  for (const { risk, variable } of allowed) logger.warn("allowed in production", { variable, detail: risk });
  const mode = sandbox ? "sandbox" : "live";
  for (const [service, listen] of Object.entries(listeners)) {
    logger.info("listening", { mode, service, listen });
  }
  if (sandbox) console.log(sandboxBanner(listeners));
}
