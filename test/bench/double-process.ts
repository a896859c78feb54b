import { oneTimeCodeIn } from "../../src/sandbox/one-time-code-in-text.ts";
import { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { accountSid, authToken } from "../support/twilio-sandbox.ts";
import { serveParent } from "./worker.ts";

// Twilio's double in a process of its own. It knows no magic numbers, since the numbers are random.

const double = await TwilioDouble.start({
  accountSid,
  authTokens: () => [authToken],
  behaviour: { magicNumbers: false },
  keep: 1000,
});

/** Codes by number, until they are fetched. */
let codes: [to: string, code: string][] = [];
double.on("accepted", ({ to, body }) => codes.push([to, oneTimeCodeIn(body) ?? ""]));

serveParent({
  url: () => double.url,
  latency: (milliseconds: number) => {
    double.behaviour.latencyMs = milliseconds;
  },
  /** Those that came since the last time. */
  codes: () => {
    const fetched = codes;
    codes = [];
    return fetched;
  },
  accepted: () => double.counts.accepted,
});
