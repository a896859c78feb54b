import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inboxHandler } from "../src/sandbox/inbox.ts";
import { TwilioDouble } from "../src/sandbox/twilio-double.ts";

// `node .deploy/twilio-double.ts FILE [API port] [inbox port]`: Twilio's double for a service in live mode, for the
// account in FILE (the JSON of Vault's providers/twilio). The API listens on loopback only, by default on port 8090;
// the inbox page, which shows every code, on every address, by default on port 8081.

const [file = "", apiPort = "8090", inboxPort = "8081"] = process.argv.slice(2);
const account = JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;
const double = await TwilioDouble.start({
  accountSid: account["account-sid"] ?? "",
  authTokens: () => [account["auth-token"] ?? ""],
  port: Number(apiPort),
});
const inbox = inboxHandler(double);
const pages = createServer((request, response) => {
  if (!inbox(request, response)) response.writeHead(302, { Location: "/inbox" }).end();
});
pages.listen(Number(inboxPort));
await once(pages, "listening");
const { port } = pages.address() as AddressInfo;
console.log(JSON.stringify({ api: double.url, inbox: `http://127.0.0.1:${port}/inbox` }));

process.once("SIGTERM", async () => {
  await double.close();
  pages.close();
  pages.closeAllConnections();
});
