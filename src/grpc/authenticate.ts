import type { TLSSocket } from "node:tls";
import { Failure } from "../domain/failure.ts";
import { type Call, type CallContext, type Caller, callOf, type Peer } from "./call.ts";
import { type Callers, localCaller, parseSubjectAltName } from "./callers-file.ts";
import { refuse } from "./map-errors.ts";
import { checkTimeout } from "./timeout.ts";

/**
 * `anyone`: health, which probes ask without a name; `callers`: any known caller; `granted`: callers whose
 * list of methods has it.
 */
export type Access = "anyone" | "callers" | "granted";

export type AccessTable = Readonly<Record<string, Access>>;

/** Every RPC that is served. One that is missing here is refused. */
export const accessTable: AccessTable = {
  "bank.signature.v1.SignatureService/StartSignature": "granted",
  "bank.signature.v1.SignatureService/SendChallenge": "granted",
  "bank.signature.v1.SignatureService/CompleteSignature": "granted",
  "bank.signature.v1.SignatureService/AbortSignature": "granted",
  "bank.signature.v1.SignatureService/GetSignature": "granted",
  "bank.signature.v1.SignatureService/WatchSignature": "granted",
  "grpc.health.v1.Health/Check": "anyone",
  "grpc.health.v1.Health/List": "anyone",
  "grpc.health.v1.Health/Watch": "anyone",
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": "callers",
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "callers",
};

/**
 * The gate of every call: it runs before anything of a request's body is read, decompressed or parsed.
 * @param callers read for every call, so that a reloaded file counts at once
 * @param table who may use which RPC
 */
export function authenticate(
  callers: () => Callers,
  table: AccessTable = accessTable,
): (context: CallContext) => void {
  return (context) => {
    const call = callOf(context.values);
    const { name } = context.method;
    const path = `${context.service.typeName}/${name}`;
    try {
      admit(call, Object.hasOwn(table, path) ? table[path] : undefined, name, callers);
      checkTimeout(call.timeout);
    } catch (error) {
      throw refuse(call, error);
    }
  };
}

function admit(call: Call, access: Access | undefined, method: string, callers: () => Callers): void {
  if (access === undefined) throw new Failure("CALLER_NOT_ALLOWED", "the method is open to nobody");
  const known = callersOf(call.peer, callers);
  if (known.length === 1) call.caller = known[0];
  if (access === "anyone") return;
  if (call.caller === undefined) {
    const message = known.length > 1 ? "the certificate names several callers" : "the caller is unknown";
    throw new Failure("CALLER_UNKNOWN", message);
  }
  if (access === "callers") return;
  if (!call.caller.methods.has("*") && !call.caller.methods.has(method)) {
    throw new Failure("CALLER_NOT_ALLOWED", "the caller may not use this method");
  }
}

/** The one caller that the peer's certificate names; undefined for none, and for several. */
export function callerOfPeer(peer: Peer, callers: () => Callers): Caller | undefined {
  const known = callersOf(peer, callers);
  return known.length === 1 ? known[0] : undefined;
}

function callersOf(peer: Peer, callers: () => Callers): Caller[] {
  if (peer.kind === "plain") return [localCaller];
  const { bySubjectAltName } = callers();
  return [...new Set(peer.subjectAltNames.flatMap((name) => bySubjectAltName.get(name) ?? []))];
}

// Node quotes values with commas or quotes as JSON, so that no value can pass for two names (CVE-2021-44532).
const oneSubjectAltName = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;

/** The names in a verified client certificate, as CALLERS_FILE writes them. */
export function peerOf(socket: TLSSocket): Peer {
  const text = socket.authorized ? (socket.getPeerCertificate().subjectaltname ?? "") : "";
  const subjectAltNames = [...text.matchAll(oneSubjectAltName)].flatMap(([, kind, value]) => {
    const name = value?.startsWith('"') ? undefined : parseSubjectAltName(`${kind}:${value}`);
    return name ?? [];
  });
  return { kind: "certificate", subjectAltNames };
}
