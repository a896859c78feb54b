import { type Attributes, SpanKind } from "@opentelemetry/api";
import type { SignatureProvider } from "../domain/provider.ts";
import type { Tracing } from "./tracing.ts";

export interface ProviderEndpoint {
  /** Host and port of the provider's API. */
  readonly address: string;
  readonly port: number;
  /** Path of the collection with placeholders, e.g. "/Accounts/{AccountSid}/Messages.json". */
  readonly template: string;
}

/**
 * A provider whose calls are client spans. They end here: the provider gets no trace header, and neither
 * account, number, text nor query stands in them.
 */
export function tracedProvider(
  provider: SignatureProvider,
  tracing: Tracing,
  endpoint: ProviderEndpoint,
): SignatureProvider {
  if (!tracing.enabled) return provider;
  const describe = (method: "POST" | "GET", attributes: Attributes) => ({
    name: `${method} ${endpoint.template}`,
    kind: SpanKind.CLIENT,
    attributes: {
      "http.request.method": method,
      "url.template": endpoint.template,
      "server.address": endpoint.address,
      "server.port": endpoint.port,
      ...attributes,
    },
  });
  return {
    name: provider.name,
    channel: provider.channel,
    isAvailable: () => provider.isAvailable(),
    sendChallenge(message, permit, signal) {
      const { signatureId, challengeId, attempt } = message;
      const description = describe("POST", {
        "signature.id": signatureId,
        "signature.challenge.id": challengeId,
        "signature.challenge.attempt": attempt,
        ...(attempt > 1 && { "http.request.resend_count": attempt - 1 }),
      });
      return tracing.span(description, () => provider.sendChallenge(message, permit, signal));
    },
    findChallenges(query, signal) {
      return tracing.span(describe("GET", {}), () => provider.findChallenges(query, signal));
    },
  };
}
