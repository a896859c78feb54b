import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { TwilioHousekeeping } from "../../src/twilio/housekeeping.ts";
import { HttpTransport } from "../../src/twilio/transport.ts";
import { create, startTwilio } from "../support/twilio-sandbox.ts";
import { credentials } from "./credentials-of-tests.ts";
import { FaultServer, http } from "./fault-server.ts";

const to = "+34600111001";
const inTime = () => AbortSignal.timeout(5_000);
const unknownSid = `SM${"0".repeat(32)}`;

describe("TwilioHousekeeping", () => {
  let double: TwilioDouble;
  let transport: HttpTransport;
  let housekeeping: TwilioHousekeeping;

  beforeEach(async () => {
    double = await startTwilio({ behaviour: { queueMs: 1, deliverMs: 1 } });
    transport = new HttpTransport({ baseUrl: double.url, connections: 2 });
    housekeeping = new TwilioHousekeeping({ transport, credentials: () => credentials });
  });
  afterEach(async () => {
    await transport.close();
    await double.close();
  });

  async function sent(form: Record<string, string> = {}): Promise<string> {
    await create(double, to, form);
    return double.messages.at(-1)?.sid ?? "";
  }

  test("confirms feedback for a message that was sent with it", async () => {
    const sid = await sent({ ProvideFeedback: "true" });
    expect(await housekeeping.confirmFeedback(sid, inTime())).toBe("done");
    expect(double.messages[0]?.feedback).toBe("confirmed");
  });

  test("gives feedback up for a message that was sent without it", async () => {
    expect(await housekeeping.confirmFeedback(await sent(), inTime())).toBe("gone");
  });

  test("redacts a text once the message is final, and not before", async () => {
    double.behaviour.queueMs = 60_000;
    const early = await sent();
    expect(await housekeeping.redactBody(early, inTime())).toBe("later");
    double.behaviour.queueMs = 1;
    const sid = await sent();
    await double.statusReached(sid, "delivered");
    expect(await housekeeping.redactBody(sid, inTime())).toBe("done");
    expect(double.messages.map(({ redacted }) => redacted)).toEqual([false, true]);
  });

  test("has nothing left to do for a message that is gone", async () => {
    expect(await housekeeping.confirmFeedback(unknownSid, inTime())).toBe("gone");
    expect(await housekeeping.redactBody(unknownSid, inTime())).toBe("gone");
  });

  test.each([401, 404, 429, 500, 503])(
    "tries again later after a %i that says nothing of the message",
    async (status) => {
      await using server = await FaultServer.start((socket) => socket.write(http(status, "")));
      await using own = disposable(new HttpTransport({ baseUrl: server.url, connections: 1 }));
      const keeping = new TwilioHousekeeping({ transport: own.transport, credentials: () => credentials });
      expect(await keeping.confirmFeedback(unknownSid, inTime())).toBe("later");
      expect(await keeping.redactBody(unknownSid, inTime())).toBe("later");
    },
  );

  test("tries again later after no answer at all", async () => {
    await double.close();
    expect(await housekeeping.redactBody(unknownSid, inTime())).toBe("later");
    expect(await housekeeping.confirmFeedback(unknownSid, AbortSignal.abort())).toBe("later");
  });
});

function disposable(transport: HttpTransport) {
  return { transport, [Symbol.asyncDispose]: () => transport.close() };
}
