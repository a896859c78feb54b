import { createHmac, randomBytes, randomInt } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { memoryOf } from "../support/process-memory.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";
import { authToken } from "../support/twilio-sandbox.ts";
import { Attacker } from "./http2-frames.ts";

const heapMiB = 256;
const mostResident = 3 * heapMiB * 2 ** 20;

let database: TestDatabase;
let installation: LiveInstallation;
let router: RouterProcess;
/** A callback that Twilio made, as it is told the service. */
let genuine: { search: string; body: string; signature: string };
let publicUrl: string;

beforeAll(async () => {
  database = await createDatabase();
  installation = await LiveInstallation.create(database.url, { receipts: "none" });
  publicUrl = installation.environment()["PUBLIC_URL"] ?? "";
  router = await installation.startReplica({
    LOG_LEVEL: "error",
    NODE_OPTIONS: `--max-old-space-size=${heapMiB}`,
  });
  const to = aPhoneNumber();
  const { signature } = await router.client.startSignature(aStartOf(to));
  const challenge = signature?.challenge;
  const search = `?challenge=${challenge?.id}&attempt=1`;
  const body = new URLSearchParams({
    MessageSid: challenge?.providerChallengeId ?? "",
    MessageStatus: "sent",
    To: to,
    From: "+34910000000",
  }).toString();
  genuine = { search, body, signature: signed(search, body) };
});

afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

afterEach(async () => {
  // Twilio is still heard, and so are the operators.
  expect(await post(genuine.search, genuine.body, { "x-twilio-signature": genuine.signature })).toBe(204);
  for (const path of ["livez", "readyz", "metrics"]) {
    expect((await fetch(`${router.opsUrl}/${path}`)).status, path).toBe(200);
  }
  expect(memoryOf(router.pid).peak).toBeLessThan(mostResident);
  expect(router.stdout.filter((line) => line.includes('"level":"error"'))).toEqual([]);
});

/** As Twilio signs a form: HMAC-SHA1 over the address and the sorted parameters. */
function signed(search: string, body: string): string {
  const params = [...new Map([...new URLSearchParams(body)].sort())];
  const text = `${publicUrl}/twilio/status${search}${params.map(([name, value]) => name + value).join("")}`;
  return createHmac("sha1", authToken).update(text).digest("base64");
}

/** The status; 0 where the connection ended without one. */
async function post(
  search: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<number> {
  const type = { "content-type": "application/x-www-form-urlencoded" };
  const response = await fetch(`${router.httpUrl}/twilio/status${search}`, {
    method: "POST",
    headers: { ...type, ...headers },
    body: typeof body === "string" ? body : Buffer.from(body),
    signal: AbortSignal.timeout(10_000),
  }).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status ?? 0;
}

/** Raw bytes on a connection, and all that is answered until it is closed. */
async function raw(url: string, bytes: string | Uint8Array): Promise<string> {
  const attacker = await Attacker.connect(url.slice("http://".length));
  let answer = "";
  attacker.socket.setEncoding("latin1").on("data", (text: string) => {
    answer += text;
  });
  attacker.socket.end(bytes);
  await attacker.closed;
  return answer;
}

const statusesOf = (answer: string) =>
  answer.match(/^HTTP\/1\.1 \d{3}/gm)?.map((line) => Number(line.slice(9))) ?? [];

describe("The callback endpoint", () => {
  it("refuses what Twilio did not sign, however it is written", async () => {
    const { search, body, signature } = genuine;
    const forged = [
      ...[
        "",
        "A",
        "=",
        signature.slice(1),
        `${signature}, ${signature}`,
        signature.toLowerCase(),
        "x".repeat(8000),
      ],
      ...Array.from({ length: 100 }, () => randomBytes(20).toString("base64")),
    ].map((one) => ({ search, body, one }));
    const moved = [
      { search: `${search}&attempt=2`, body, one: signature },
      { search: search.replace("attempt=1", "attempt=2"), body, one: signature },
      { search: `${search}#x`.replace("#", "%23"), body, one: signature },
      { search: `${search}&bodySHA256=`, body, one: signature },
      { search: `?bodySHA256=${"0".repeat(64)}`, body: "{}", one: signature },
      { search, body: `${body}&MessageStatus=delivered`, one: signature },
      { search, body: body.replace("sent", "delivered"), one: signature },
      { search, body: `${body}&__proto__=x&constructor=y`, one: signature },
      { search, body: "", one: signature },
      { search: "", body, one: signature },
    ];
    for (const { search: at, body: form, one } of [...forged, ...moved]) {
      expect(await post(at, form, { "x-twilio-signature": one })).toBe(403);
    }
  });

  it("refuses bodies of every kind, and those that are too large unread", async () => {
    const signature = { "x-twilio-signature": genuine.signature };
    const bodies = [
      "&".repeat(16_000),
      "a=1&".repeat(4000),
      "a&".repeat(8000),
      "%".repeat(16_000),
      "%ED%A0%80=%00".repeat(1000),
      `${"a[".repeat(4000)}=${"]".repeat(4000)}`,
      "[".repeat(16_000),
      '{"a":'.repeat(3000),
      "\u0000".repeat(1000),
      "=".repeat(16_000),
      ...Array.from({ length: 100 }, () => randomBytes(randomInt(16_000))),
    ];
    for (const body of bodies) {
      for (const type of [
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data",
        "é",
      ]) {
        const header = { ...signature, "content-type": encodeURI(type), "content-encoding": "gzip" };
        expect(await post(genuine.search, body, header)).toBe(403);
      }
    }
    const large = await Promise.all(
      [17_000, 1 << 20, 20 << 20].map((bytes) => post(genuine.search, Buffer.alloc(bytes, 97), signature)),
    );
    // 413, or the connection is gone before all was written.
    for (const status of large) expect([413, 0]).toContain(status);
  });

  it("refuses forms that repeat one name thousands of times", async () => {
    // Were the values copied for each one, a call would be given up here before its turn came.
    const work = Array.from({ length: 40 }, () =>
      post(genuine.search, "a&".repeat(8000), { "x-twilio-signature": "x" }),
    );
    expect(new Set(await Promise.all(work))).toEqual(new Set([403]));
  });

  it("answers a replayed callback as the first, and adds nothing to the timeline", async () => {
    const replays = await Promise.all(
      Array.from({ length: 100 }, () =>
        post(genuine.search, genuine.body, { "x-twilio-signature": genuine.signature }),
      ),
    );
    expect(new Set(replays)).toEqual(new Set([204]));
    const [kept] = await database.sql<{ events: number }[]>`
      select count(*)::int as events from event where type in ('CHALLENGE_SENT', 'CHALLENGE_DELIVERED')`;
    expect(kept?.events).toBe(1);
    // Nor is it kept more than once: a captured call must not fill the database.
    expect(await database.sql`select from provider_receipt`).toHaveLength(1);
  });

  it("answers signed calls about nothing of ours, whatever they say, and changes nothing", async () => {
    const odd = [
      "challenge=",
      "challenge=x&attempt=1",
      "attempt=1e9",
      "challenge[]=1",
      `challenge=${"0".repeat(2000)}`,
    ];
    const forms = ["MessageStatus=__proto__", "MessageSid=SM1&MessageStatus=sent", "a=1&a=2&a=1", ""];
    for (const query of odd) {
      for (const form of forms) {
        const signature = signed(`?${query}`, form);
        // A signature over repeated parameters is not made here as Twilio makes it.
        expect([204, 403]).toContain(await post(`?${query}`, form, { "x-twilio-signature": signature }));
      }
    }
  });
});

const heads = [
  "GET / HTTP/1.1\r\n\r\n",
  "POST /twilio/status HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
  "POST /twilio/status HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
  "POST /twilio/status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
  "POST /twilio/status HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort",
  "POST http://elsewhere/twilio/status HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
  "POST //twilio/status HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
  "POST /twilio/status?%zz HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\nContent-Length: 0\r\n\r\n",
  "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
  "GET /metrics HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
  "POST /twilio/status HTTP/1.1\r\nHost: x\r\nExpect: the worst\r\nContent-Length: 0\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  `GET /${"a".repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: x\r\n${"X-A: b\r\n".repeat(5000)}\r\n`,
  `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"a".repeat(1 << 20)}\r\n\r\n`,
  `TRACE ${"/../".repeat(1000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  "\u0000\u0001\u0002",
  "",
];

describe("Both HTTP listeners", () => {
  it("answer what is no request with a refusal, and go on", async () => {
    for (const url of [router.httpUrl, router.opsUrl]) {
      const answers = await Promise.all([
        ...heads.map((head) => raw(url, head)),
        ...Array.from({ length: 100 }, () => raw(url, randomBytes(randomInt(3000)))),
      ]);
      for (const answer of answers) {
        for (const status of statusesOf(answer))
          expect([200, 400, 403, 404, 405, 413, 417, 431]).toContain(status);
      }
    }
  });

  it("answer thousands of requests in one go, one after another", async () => {
    const pipelined = 2000;
    const call = "POST /twilio/status HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=1";
    const last = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for (const [url, status] of [
      [router.httpUrl, 403],
      [router.opsUrl, 405],
    ] as const) {
      const answers = statusesOf(await raw(url, call.repeat(pipelined) + last));
      expect(answers.filter((one) => one === status).length).toBeGreaterThanOrEqual(pipelined);
    }
  });

  it("serve others while hundreds of connections dawdle over heads and bodies", async () => {
    const slow = await Promise.all(
      [router.httpUrl, router.opsUrl].flatMap((url) =>
        Array.from({ length: 150 }, async (_, n) => {
          const attacker = await Attacker.connect(url.slice("http://".length));
          const head = "POST /twilio/status HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n";
          await attacker.write(Buffer.from(n % 2 ? `${head}a=` : head.slice(0, n % head.length)));
          return attacker;
        }),
      ),
    );
    const times = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const begun = performance.now();
        const { search, body, signature } = genuine;
        expect(await post(search, body, { "x-twilio-signature": signature })).toBe(204);
        expect((await fetch(`${router.opsUrl}/metrics`)).status).toBe(200);
        return performance.now() - begun;
      }),
    );
    expect(Math.max(...times)).toBeLessThan(8000);
    for (const attacker of slow) attacker[Symbol.dispose]();
  });
});
