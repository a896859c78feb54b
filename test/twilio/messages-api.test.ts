import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { MessagesApi } from "../../src/twilio/messages-api.ts";
import { HttpTransport } from "../../src/twilio/transport.ts";
import { sender, startTwilio } from "../support/twilio-sandbox.ts";
import { credentials } from "./credentials-of-tests.ts";
import { FaultServer, http } from "./fault-server.ts";

const { signal } = new AbortController();
const mine = { from: sender, to: "+34600111001", body: "mine" };
const other = { from: sender, to: "+34600111002", body: "other" };

async function anApi() {
  const double = await startTwilio();
  const transport = new HttpTransport({ baseUrl: double.url, connections: 2 });
  onTestFinished(async () => {
    await transport.close();
    await double.close();
  });
  return { double, api: new MessagesApi({ transport, credentials: () => credentials }) };
}

test("calls at the same time keep their own permit", async () => {
  const { api, double } = await anApi();
  const refused = api.call((messages) => messages.create(mine), signal, { mayBegin: () => false });
  const made = api.call((messages) => messages.create(other), signal, { mayBegin: () => true });
  await expect(refused).rejects.toMatchObject({ name: "LeaseLost" });
  expect((await made).result.body).toBe("other");
  expect(double.messages.map(({ body }) => body)).toEqual(["other"]);
});

test("what is asked for after its call goes out under nobody's permit", async () => {
  const { api, double } = await anApi();
  const late = async () => {
    await api.call(async (messages) => {
      await turn();
      return await messages.create(mine);
    }, signal);
  };
  await expect(late()).rejects.toMatchObject({ outcome: "not_accepted" });
  await api.call((messages) => Promise.allSettled([messages.create(other), messages.create(mine)]), signal);
  expect(double.messages.map(({ body }) => body)).toEqual(["other"]);
});

test("each snapshot of the credentials makes its own calls", async () => {
  await using server = await FaultServer.start((socket) => socket.write(http(500, "")));
  const transport = new HttpTransport({ baseUrl: server.url, connections: 1 });
  onTestFinished(() => transport.close());
  const next = { ...credentials, accountSid: `AC${"9".repeat(32)}`, authToken: "another" };
  const snapshots = [credentials, next, credentials];
  let inForce = credentials;
  const api = new MessagesApi({ transport, credentials: () => inForce });
  for (const snapshot of snapshots) {
    inForce = snapshot;
    await expect(api.call((messages) => messages.create(mine), signal)).rejects.toThrow();
  }
  for (const [n, { accountSid, authToken }] of snapshots.entries()) {
    expect(server.requests[n]).toContain(`/Accounts/${accountSid}/Messages.json`);
    expect(server.requests[n]).toContain(Buffer.from(`${accountSid}:${authToken}`).toString("base64"));
  }
});
