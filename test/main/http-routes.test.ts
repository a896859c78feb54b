import { request } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import type { DeliveryReceipt } from "../../src/domain/delivery-receipt.ts";
import { systemClock } from "../../src/main/clock.ts";
import { listenHttp } from "../../src/main/http-listener.ts";
import { httpRoutes } from "../../src/main/http-routes.ts";
import { inboxHandler } from "../../src/sandbox/inbox.ts";
import { webhookSignature } from "../../src/sandbox/webhook-signature.ts";
import { RepeatedFaults } from "../../src/telemetry/repeated-faults.ts";
import type { RecordReceipt } from "../../src/usecases/record-receipt.ts";
import { startTwilio } from "../support/twilio-sandbox.ts";
import { capturedLog } from "../telemetry/captured-log.ts";
import { credentials, evidence } from "../twilio/credentials-of-tests.ts";

const publicUrl = "https://bank.example/sign";
const search = "?challenge=0190b0c0-0000-7000-9000-000000000001&attempt=2";
const params = { MessageSid: `SM${"a".repeat(32)}`, MessageStatus: "delivered" };

/** What HTTP_LISTEN serves, with the receipts that were recorded. */
async function served() {
  const receipts: DeliveryReceipt[] = [];
  const recordReceipt = { execute: async (receipt: DeliveryReceipt) => void receipts.push(receipt) };
  const twilio = await startTwilio();
  const { logger } = await capturedLog();
  const inbox = inboxHandler(twilio);
  const handler = httpRoutes({
    faults: new RepeatedFaults({ logger, now: () => 0 }),
    ...{ publicUrl, inbox, clock: systemClock, credentials: () => credentials },
    ...{ refreshCredentials: async () => undefined, evidenceKey: () => evidence },
    recordReceipt: recordReceipt as unknown as RecordReceipt,
  });
  const listener = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, (error) => {
    throw error;
  });
  onTestFinished(async () => {
    inbox.close();
    await listener.close(0, systemClock);
    await twilio.close();
  });
  return { url: listener.url, receipts };
}

function statusOf(url: string, method: string, target: string, headers = {}, body = ""): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const { hostname, port } = new URL(url);
  request({ hostname, port, method, path: target, headers }, (response) =>
    resolve(response.resume().statusCode ?? 0),
  )
    .on("error", reject)
    .end(body);
  return promise;
}

test.each(["http://ingress.bank", "https://ingress.bank:8443", "HTTP://10.0.0.1:8080"])(
  "a signed receipt is recorded whose target is in absolute form: %s",
  async (origin) => {
    const { url, receipts } = await served();
    const form = new Map(Object.entries(params));
    const signature = webhookSignature(credentials.authToken, `${publicUrl}/twilio/status${search}`, form);
    const headers = {
      "x-twilio-signature": signature,
      "content-type": "application/x-www-form-urlencoded",
    };
    const body = String(new URLSearchParams(params));
    expect(await statusOf(url, "POST", `${origin}/twilio/status${search}`, headers, body)).toBe(204);
    expect(receipts).toMatchObject([{ status: "delivered", attempt: 2 }]);
    expect(await statusOf(url, "POST", `${origin}/sign/twilio/status${search}`, headers, body)).toBe(204);
    expect(receipts).toHaveLength(2);
  },
);

test("the inbox is found by a target in absolute form, and nothing by one without a path", async () => {
  const { url } = await served();
  expect(await statusOf(url, "GET", `${url}/inbox/messages.json`)).toBe(200);
  for (const target of ["http://ingress.bank", "http://ingress.bank/http://ingress.bank/inbox"]) {
    expect(await statusOf(url, "GET", target)).toBe(404);
  }
});
