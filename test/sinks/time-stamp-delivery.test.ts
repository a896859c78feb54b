import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type EvidencePack, packFile } from "../../src/domain/evidence-pack.ts";
import { MessageTexts } from "../../src/domain/message-texts.ts";
import type { Observation } from "../../src/domain/observation.ts";
import { openCheckpointSinks } from "../../src/main/checkpoint-sinks.ts";
import { runEvidenceCommand } from "../../src/main/evidence-command.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { DeliverCheckpoints } from "../../src/usecases/deliver-checkpoints.ts";
import { ExportEvidence } from "../../src/usecases/export-evidence.ts";
import { SealSignatures } from "../../src/usecases/seal-signatures.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { receiptKey } from "../support/evidence-pack.ts";
import { aStartCommand, useService } from "../support/service.ts";
import { signPack } from "../support/signing.ts";
import { TsaDouble } from "../support/tsa-double.ts";

const tsa = new TsaDouble();
const foreign = new CertificateAuthority("Foreign CA");
afterAll(() => {
  tsa[Symbol.dispose]();
  foreign[Symbol.dispose]();
});
const service = await useService();
const { time, keys } = service;
const evidence = new PostgresEvidenceStore(service.database);
const sealing = new SealSignatures({ evidence, keys });
const never = new AbortController().signal;
const directory = tsa.ca.directory;

async function aStampedPack(): Promise<{ pack: EvidencePack; results: string[]; sink: string }> {
  const sink = `rfc3161+${await tsa.listen()}`;
  const headersFile = join(directory, "headers.json");
  const { origin } = new URL(sink.slice("rfc3161+".length));
  writeFileSync(headersFile, JSON.stringify({ [origin]: { authorization: "Bearer b1" } }));
  const sinks = openCheckpointSinks({ sinks: [sink], headersFile, tsaCaFile: tsa.ca.certFile });
  const seen: Observation[] = [];
  const delivering = new DeliverCheckpoints({
    ...{ evidence, sinks, observer: { observe: (one: Observation) => void seen.push(one) } },
  });
  const replica = service.replica();
  const { signature } = await time.drive(replica.startSignature.execute(aStartCommand(), 20_000));
  await replica.abortSignature.execute({
    caller: "payments",
    signatureId: signature.id,
    reason: undefined,
    note: "",
  });
  await sealing.once(never);
  await time.pass(86_400_000 + 3_600_000);
  await sealing.once(never);
  tsa.faults = { status: 2 };
  await delivering.once(never);
  tsa.faults = {};
  await delivering.once(never);
  await time.pass(60_001);
  await delivering.once(never);
  await delivering.once(never);
  const results = seen.map((one) =>
    one.type === "checkpoint_delivery"
      ? [one.sink, one.result, (one.cause as { code?: string } | undefined)?.code ?? ""].join(" ")
      : one.type,
  );
  const exporting = new ExportEvidence({
    ...{ evidence, keys, sealing, texts: new MessageTexts(), proves: () => true },
  });
  const pack = await exporting.execute(signature.id);
  if (pack === undefined) throw new Error("there is no pack");
  return { pack, results, sink };
}

const stamped = await aStampedPack();

function written(name: string, pack: EvidencePack): string {
  const path = join(directory, name);
  writeFileSync(path, packFile(pack));
  return path;
}

async function verify(...args: string[]): Promise<{ code: number; text: string }> {
  const lines: string[] = [];
  const code = await runEvidenceCommand(["verify", ...args], {
    withDesk: () => Promise.reject(new Error("the database is not asked")),
    print: (line) => lines.push(line),
  });
  return { code, text: lines.join("\n") };
}

test("a refusal is tried again after a minute, and the token is kept, packed and asked for once", () => {
  expect(stamped.results).toEqual(["tsa failed TSA_REJECTED", "tsa delivered "]);
  expect(tsa.queries.map(({ headers }) => headers["authorization"])).toEqual(["Bearer b1", "Bearer b1"]);
  expect(stamped.pack.checkpoints.map(({ timestamps }) => timestamps?.map(({ sink }) => sink))).toEqual([
    [stamped.sink],
  ]);
});

test("verify says the time under the trusted authorities, and otherwise that it did not check", async () => {
  const file = written("pack.json", stamped.pack);
  const [day] = stamped.pack.checkpoints.map((checkpoint) => checkpoint.day);
  const checked = await verify(file, "--tsa-ca", tsa.ca.certFile);
  expect(checked.code).toBe(0);
  const said = new RegExp(`the checkpoint of ${day} existed at (\\S+Z), says (\\S+)\n`);
  expect(Math.abs(Date.now() - Date.parse(said.exec(checked.text)?.[1] ?? ""))).toBeLessThan(3_600_000);
  const unchecked = await verify(file);
  expect(unchecked).toEqual({
    code: 0,
    text: expect.stringContaining("time stamps present, not checked: check them by --tsa-ca"),
  });
});

test("verify names a token of a foreign authority, of another checkpoint, and none; and files that are none", async () => {
  const file = written("pack.json", stamped.pack);
  expect(await verify(file, "--tsa-ca", foreign.certFile)).toEqual({
    code: 1,
    text: expect.stringMatching(/^DOES NOT FIT: the time stamp of rfc3161.*none of the trusted authorities$/),
  });
  const restamped = (token: string | undefined) =>
    signPack(
      {
        ...stamped.pack,
        checkpoints: stamped.pack.checkpoints.map((one) => ({
          ...one,
          timestamps: token === undefined ? [] : [{ sink: "another", token }],
        })),
      },
      { id: "k1", key: keys.current().receipt.keys.get("k1") ?? receiptKey.key },
    );
  const token = stamped.pack.checkpoints[0]?.timestamps?.[0]?.token ?? "";
  const other = token.replace(/(?<=0420)[0-9a-f]{64}/, "0a".repeat(32));
  expect((await verify(written("other.json", restamped(other)), "--tsa-ca", tsa.ca.certFile)).text).toMatch(
    /^DOES NOT FIT: the time stamp of another over .*something else/,
  );
  expect((await verify(written("odd.json", restamped("00")), "--tsa-ca", tsa.ca.certFile)).code).toBe(1);
  expect(await verify(written("none.json", restamped(undefined)), "--tsa-ca", tsa.ca.certFile)).toEqual({
    code: 0,
    text: expect.stringContaining("has no time stamp"),
  });
  expect((await verify(file, "--tsa-ca", file)).code).toBe(2);
  expect((await verify(file, "--tsa-ca", join(directory, "absent.pem"))).code).toBe(2);
});
