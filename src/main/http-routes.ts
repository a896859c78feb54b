import { faultTexts, type RepeatedFaults } from "../telemetry/repeated-faults.ts";
import { type StatusCallbackDeps, statusCallbackHandler } from "../twilio/status-callback.ts";
import type { RecordReceipt } from "../usecases/record-receipt.ts";
import { loopbackNames, onlyHosts } from "./allowed-hosts.ts";
import type { HttpHandler } from "./http-listener.ts";

type Inbox = (...args: Parameters<HttpHandler>) => boolean;

interface Deps extends Omit<StatusCallbackDeps, "publicUrl" | "record"> {
  /** Undefined: Twilio cannot reach us, so there are no receipts. */
  readonly publicUrl: string | undefined;
  readonly recordReceipt: RecordReceipt;
  readonly faults: RepeatedFaults;
  /** The sandbox's page, which answers what is meant for it. */
  readonly inbox: Inbox | undefined;
}

/** What HTTP_LISTEN serves: Twilio's receipts and, in the sandbox, the inbox. */
export function httpRoutes({ publicUrl, recordReceipt, faults, inbox, ...deps }: Deps): HttpHandler {
  const callbacks =
    publicUrl === undefined
      ? undefined
      : statusCallbackHandler({
          ...{ ...deps, publicUrl },
          async record(receipt) {
            try {
              await recordReceipt.execute(receipt);
              faults.recovered(faultTexts.receipt, "receipt");
            } catch (error) {
              faults.failed(faultTexts.receipt, "receipt", error);
              throw error;
            }
          },
        });
  const serve: HttpHandler = (request, response) => {
    if (inbox?.(request, response)) return undefined;
    if (callbacks !== undefined) return callbacks(request, response);
    response.writeHead(404).end();
    return undefined;
  };
  if (inbox === undefined) return serve;
  const others = publicUrl === undefined ? [] : [new URL(publicUrl).hostname];
  return onlyHosts(serve, { form: loopbackNames, others }, (path) => path.startsWith("/inbox"));
}
