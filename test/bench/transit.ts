import { randomBytes, randomUUID } from "node:crypto";
import { type CodeDerivation, RingCodes } from "../../src/domain/code-derivation.ts";
import { RingSigner, type Signer } from "../../src/domain/signer.ts";
import { systemClock } from "../../src/main/clock.ts";
import { TransitCalls } from "../../src/main/transit-calls.ts";
import { TransitCodes } from "../../src/main/transit-codes.ts";
import { TransitSigner } from "../../src/main/transit-signer.ts";
import { VaultDouble } from "../../src/sandbox/vault-double.ts";
import { VaultSecrets } from "../../src/vault/vault-secrets.ts";

// `npm run bench:transit`: what a signature or a code costs by Transit instead of by a seed at hand: the double on this
// machine signs in next to no time, so that what is left is the way there and back.

const rounds = 1000;
const statement = randomBytes(300);

async function microseconds(sign: () => Promise<unknown>, calls = rounds): Promise<number> {
  for (let call = 0; call < calls / 5; call += 1) await sign();
  const begun = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  for (let call = 0; call < calls; call += 1) await sign();
  const { user, system } = process.cpuUsage(cpu);
  cpuPerCall = (user + system) / calls;
  return Number(process.hrtime.bigint() - begun) / 1000 / calls;
}
let cpuPerCall = 0;

async function report(name: string, signer: Signer, own?: number): Promise<number> {
  const keyId = signer.currentKeyId();
  const one = await microseconds(() => signer.sign(keyId, [statement]));
  const cpu = cpuPerCall;
  const batch = (await microseconds(() => signer.sign(keyId, Array(50).fill(statement)), rounds / 20)) / 50;
  const ratio = own === undefined ? "" : `, ${(one / own).toFixed(0)} times`;
  const each = (figure: number) => figure.toFixed(0).padStart(5);
  console.log(
    `${name}: ${each(one)} µs${ratio} (CPU ${each(cpu)} µs); ${each(batch)} µs each in batches of 50`,
  );
  return one;
}

const none = { primary: "", keys: new Map() };
const receipt = { primary: "r1", keys: new Map([["r1", randomBytes(32)]]) };
const codePepper = { primary: "p1", keys: new Map([["p1", randomBytes(32)]]) };
const rings = { codePepper, phoneSeal: none, pseudonym: none, evidence: none, receipt };
const keys = { current: () => rings, refresh: async () => rings };

await using double = await VaultDouble.start();
double.transit.create("receipts", "ed25519");
double.transit.create("codes", "hmac");
double.kv.put("providers/twilio", {});
double.kv.put("signature-router/keys", {});
const vault = await VaultSecrets.open(
  {
    addr: double.url,
    auth: { kind: "approle", roleId: "role-id", secretId: "secret-id" },
    validate: () => [],
    clock: systemClock,
    random: { fraction: () => 0.5 },
    transit: {
      keys: [
        { name: "receipts", use: "sign" },
        { name: "codes", use: "hmac" },
      ],
      timeoutMs: 5000,
    },
  },
  new AbortController().signal,
);
const calls = new TransitCalls(systemClock, 5000);
const own = await report("by the receipt ring", new RingSigner(keys));
await report(
  "by Transit         ",
  new TransitSigner({ transit: vault.transit!, name: "receipts", calls, keys }),
  own,
);
const binding = { signatureId: randomUUID(), nonce: randomBytes(32), transactionDigest: randomBytes(32) };
async function reportCode(name: string, codes: CodeDerivation, own?: number): Promise<number> {
  const keyId = codes.currentKeyId();
  const one = await microseconds(() => codes.code(keyId, binding));
  const ratio = own === undefined ? "" : `, ${(one / own).toFixed(0)} times`;
  console.log(`${name}: ${one.toFixed(0).padStart(5)} µs${ratio} (CPU ${cpuPerCall.toFixed(0)} µs)`);
  return one;
}
const ownCode = await reportCode("a code by the ring ", new RingCodes(keys));
await reportCode(
  "a code by Transit  ",
  new TransitCodes({ transit: vault.transit!, name: "codes", calls, keys }),
  ownCode,
);
await vault.close();
