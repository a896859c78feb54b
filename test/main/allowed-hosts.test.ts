import { request } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { type HostNames, loopbackNames, onlyHosts, privateNames } from "../../src/main/allowed-hosts.ts";
import { systemClock } from "../../src/main/clock.ts";
import { listenHttp } from "../../src/main/http-listener.ts";

async function listening(names: HostNames) {
  const handler = onlyHosts(
    (_request, response) => void response.writeHead(200).end(),
    names,
    (path) => path !== "/livez",
  );
  const { url, close } = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, () => undefined);
  onTestFinished(() => close(0, systemClock));
  const { hostname, port } = new URL(url);
  return (host: string, path = "/metrics") =>
    new Promise<number | undefined>((resolve, reject) => {
      const options = { hostname, port, path, headers: { host }, agent: false };
      request(options, (response) => resolve(response.resume().statusCode))
        .once("error", reject)
        .end();
    });
}

const attackers = ["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "localhost.evil.example"];
const forged = [
  "127.0.0.1@evil.example",
  "evil.example/127.0.0.1",
  "evil.example#localhost",
  "x".repeat(2000),
];

describe("A listener that has no public name", () => {
  test.each([
    ["the sandbox's inbox", { form: loopbackNames, others: [] }],
    ["the operations endpoint", { form: privateNames, others: [] }],
  ])("%s answers 421 to a name that an attacker's DNS may point to it", async (_, names) => {
    const ask = await listening(names);
    for (const host of attackers) expect(await ask(host), host).toBe(421);
    for (const host of forged) expect(await ask(host), host).not.toBe(200);
    for (const host of attackers) expect(await ask(host, "/livez"), host).toBe(200);
  });

  test("the sandbox's inbox answers to this machine's names", async () => {
    const ask = await listening({ form: loopbackNames, others: ["tunnel.example"] });
    for (const host of [
      "localhost:8080",
      "127.0.0.1:8080",
      "[::1]:8080",
      "inbox.localhost",
      "tunnel.example",
    ]) {
      expect(await ask(host), host).toBe(200);
    }
    for (const host of ["router", "router.svc"]) expect(await ask(host), host).toBe(421);
  });

  test("the operations endpoint answers to addresses and names of private networks, and to those configured", async () => {
    const ask = await listening({ form: privateNames, others: ["ops.bank.example"] });
    const own = [
      "10.1.2.3:9464",
      "[fd00::1]:9464",
      "router:9464",
      "router.pay.svc",
      "r.pay.svc.cluster.local",
    ];
    for (const host of [...own, "ip-10-0-0-1.ec2.internal", "OPS.bank.example:9464", "ops.bank.example."]) {
      expect(await ask(host), host).toBe(200);
    }
    expect(await ask("router.svc.evil.example")).toBe(421);
  });
});
