import { randomUUID } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  CompleteSignatureRequestSchema,
  GetSignatureRequestSchema,
  StartSignatureRequestSchema,
  StartSignatureResponseSchema,
} from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";
import { type Call, type ClientKind, caller } from "./caller.ts";
import { closedLoop, type LoadResult, type OneCall, openLoop } from "./load.ts";
import { serveParent } from "./worker.ts";

// The callers, in a process of their own, so that their cost is not the service's.

export type Method = "StartSignature" | "CompleteSignature" | "GetSignature" | "Check";

export interface LoadOrder {
  readonly method: Method;
  /** Callers of a closed loop, or calls a second of an open one. */
  readonly callers?: number;
  readonly perSecond?: number;
  readonly seconds: number;
}

const service = "/bank.signature.v1.SignatureService";
const longestTtl = durationFromMs(600_000);

let call: Call = () => Promise.reject(new Error("not connected"));
let close = () => {};
/** Signatures that were started here: waiting for their code, ready to be completed, and all of the last. */
const started = new Map<string, string>();
const ready: { id: string; code: string }[] = [];
const known: string[] = [];
const mostKnown = 10_000;

async function start(): Promise<number> {
  const number = aPhoneNumber();
  const request = create(StartSignatureRequestSchema, aStartOf(number, { ttl: longestTtl }));
  const { code, message } = await call(
    `${service}/StartSignature`,
    toBinary(StartSignatureRequestSchema, request),
  );
  if (code !== 0) return code;
  const id = fromBinary(StartSignatureResponseSchema, message).signature?.id ?? "";
  started.set(number, id);
  if (known.length < mostKnown) known.push(id);
  else known[Math.floor(Math.random() * mostKnown)] = id;
  return code;
}

const calls: Readonly<Record<Method, OneCall>> = {
  StartSignature: start,
  CompleteSignature() {
    const next = ready.pop();
    if (next === undefined) return undefined;
    const request = create(CompleteSignatureRequestSchema, { signatureId: next.id, code: next.code });
    const bytes = toBinary(CompleteSignatureRequestSchema, request);
    return call(`${service}/CompleteSignature`, bytes).then(({ code }) => code);
  },
  GetSignature() {
    const signatureId = known[Math.floor(Math.random() * known.length)];
    if (signatureId === undefined) return undefined;
    const bytes = toBinary(GetSignatureRequestSchema, create(GetSignatureRequestSchema, { signatureId }));
    return call(`${service}/GetSignature`, bytes).then(({ code }) => code);
  },
  Check: () => call("/grpc.health.v1.Health/Check", new Uint8Array()).then(({ code }) => code),
};

serveParent({
  async connect(target: { kind: ClientKind; addresses: string[]; connections: number }) {
    close();
    ({ call, close } = await caller(target.kind, target.addresses, target.connections));
  },
  /** What was started belongs to another database than what is called next. */
  forget(): void {
    started.clear();
    ready.length = 0;
    known.length = 0;
  },
  load({ method, callers, perSecond, seconds }: LoadOrder): Promise<LoadResult> {
    if (callers !== undefined) return closedLoop(callers, seconds, calls[method]);
    return openLoop(perSecond ?? 1, seconds, calls[method]);
  },
  /** Takes the codes of started signatures; answers how many can be completed now. */
  codes(codes: [to: string, code: string][]): number {
    for (const [to, code] of codes) {
      const id = started.get(to);
      started.delete(to);
      if (id !== undefined) ready.push({ id, code });
    }
    return ready.length;
  },
  /** The same requests again and again at the same time, so that every replica gets each of them. */
  async sameKeys(keys: number): Promise<{ calls: number; failed: number }> {
    const codes: Promise<number>[] = [];
    for (let key = 0; key < keys; key += 1) {
      const request = create(StartSignatureRequestSchema, aStartOf(aPhoneNumber(), { ttl: longestTtl }));
      const bytes = toBinary(StartSignatureRequestSchema, request);
      for (let copy = 0; copy < 8; copy += 1)
        codes.push(call(`${service}/StartSignature`, bytes).then(({ code }) => code));
    }
    const failed = (await Promise.all(codes)).filter((code) => code !== 0).length;
    return { calls: codes.length, failed };
  },
  /** One signature with its key and challenge, for whoever listens on the wire to its statements. */
  async sample(): Promise<{ key: string; signatureId: string; challengeId: string; number: string }> {
    const number = aPhoneNumber();
    const key = randomUUID();
    const request = create(
      StartSignatureRequestSchema,
      aStartOf(number, { idempotencyKey: key, ttl: longestTtl }),
    );
    const answer = await call(`${service}/StartSignature`, toBinary(StartSignatureRequestSchema, request));
    const { signature } = fromBinary(StartSignatureResponseSchema, answer.message);
    const signatureId = signature?.id ?? "";
    started.set(number, signatureId);
    known.length = 0;
    known.push(signatureId);
    return { key, number, signatureId, challengeId: signature?.challenge?.id ?? "" };
  },
});
