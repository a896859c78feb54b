import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { MessagesApi } from "../../src/twilio/messages-api.ts";
import { HttpTransport } from "../../src/twilio/transport.ts";
import { sender, startTwilio } from "../support/twilio-sandbox.ts";
import { credentials } from "./credentials-of-tests.ts";

const signal = AbortSignal.timeout(5_000);
const mine = { from: sender, to: "+34600111001", body: "mine" };
const other = { from: sender, to: "+34600111002", body: "other" };

async function anApi() {
  const double = await startTwilio();
  const transport = new HttpTransport({ baseUrl: double.url, connections: 2 });
  onTestFinished(async () => {
    await transport.close();
    await double.close();
  });
  let current = credentials;
  const api = new MessagesApi({ transport, credentials: () => current });
  return { double, api, use: (next: typeof credentials) => (current = next) };
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

test("each snapshot of the credentials signs its own calls", async () => {
  const { api, double, use } = await anApi();
  await api.call((messages) => messages.create(mine), signal);
  use({ ...credentials, authToken: "another" });
  const refused = api.call((messages) => messages.create(other), signal);
  await expect(refused).rejects.toMatchObject({ credentialsRefused: true });
  expect(double.messages.map(({ body }) => body)).toEqual(["mine"]);
});
