import type { BudgetLimits } from "../domain/message-budget.ts";
import { SignatureService } from "../gen/bank/signature/v1/signature_service_pb.ts";
import type { Caller } from "./call.ts";
import { type HeldKind, heldKinds, type Quota } from "./quotas.ts";

/** The callers of CALLERS_FILE, by their names and by their certificates' names. */
export interface Callers {
  readonly list: readonly Caller[];
  /** By subject alternative name, e.g. "URI:spiffe://bank/payments"; host names in lower case. */
  readonly bySubjectAltName: ReadonlyMap<string, Caller>;
}

/** The caller where there is no TLS; no certificate may take its name, or it would see its signatures. */
export const localCaller: Caller = {
  name: "local",
  methods: new Set(["*"]),
  perSecond: undefined,
  // Nobody else is there to keep anything from.
  quota: { connections: Infinity, calls: Infinity, streams: Infinity },
};

const knownMethods = new Set(["*", ...SignatureService.methods.map((method) => method.name)]);
const callerKeys = new Set<string>([
  ...["name", "san", "methods", "per_second", "messages_per_day", "cost_per_day"],
  ...heldKinds,
]);

/**
 * Reads `{"callers":[{"name":"payments","san":["DNS:payments.bank"],"methods":["*"],"per_second":100,
 * "messages_per_day":50000,"cost_per_day":4000,"connections":200,"calls":2000,"streams":1000}]}`; what follows the methods may be left out.
 * @throws Error with every fault of the file in one message
 */
export function parseCallersFile(text: string): Callers {
  const faults: string[] = [];
  const list: Caller[] = [];
  const names = new Set<string>();
  const bySubjectAltName = new Map<string, Caller>();
  const entries = callerEntries(text, faults);
  for (const [index, entry] of entries.entries()) {
    const at = `callers[${index}]`;
    if (!isObject(entry)) {
      faults.push(`${at} must be an object`);
      continue;
    }
    for (const key of Object.keys(entry)) {
      if (!callerKeys.has(key)) faults.push(`${at} has the unknown key ${JSON.stringify(key)}`);
    }
    const caller = parseCaller(entry, at, faults);
    if (names.has(caller.name)) faults.push(`${at}.name is there twice`);
    names.add(caller.name);
    list.push(caller);
    for (const san of stringList(entry["san"], `${at}.san`, faults)) {
      const name = parseSubjectAltName(san);
      if (name === undefined) faults.push(`${at}.san must hold DNS:<host> or URI:<uri> only`);
      else if (bySubjectAltName.has(name)) faults.push(`${at}.san has a name that is there twice`);
      else bySubjectAltName.set(name, caller);
    }
  }
  if (faults.length > 0) throw new Error(`callers file: ${faults.join("; ")}`);
  return { list, bySubjectAltName };
}

function callerEntries(text: string, faults: string[]): unknown[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    faults.push("is not JSON");
    return [];
  }
  if (!isObject(file) || !Array.isArray(file["callers"]) || Object.keys(file).length !== 1) {
    faults.push('must be an object with the one key "callers", a list');
    return [];
  }
  if (file["callers"].length === 0) faults.push("must name at least one caller");
  return file["callers"];
}

function parseCaller(entry: Record<string, unknown>, at: string, faults: string[]): Caller {
  const { name, per_second: perSecond } = entry;
  // It is a metric label and part of every idempotency key's scope.
  if (typeof name !== "string" || !/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name)) {
    faults.push(`${at}.name must be 1 to 63 of a-z, 0-9, dot, underscore and hyphen`);
  } else if (name === localCaller.name) {
    faults.push(`${at}.name must not be "${localCaller.name}"`);
  }
  const methods = stringList(entry["methods"], `${at}.methods`, faults);
  for (const method of methods) {
    if (!knownMethods.has(method)) faults.push(`${at}.methods has the unknown RPC ${JSON.stringify(method)}`);
  }
  if (
    perSecond !== undefined &&
    !(typeof perSecond === "number" && perSecond > 0 && Number.isFinite(perSecond))
  ) {
    faults.push(`${at}.per_second must be a number above 0`);
  }
  const quota = parseQuota(entry, at, faults);
  const budget = parseBudget(entry, at, faults);
  return {
    ...(Object.keys(quota).length > 0 && { quota }),
    ...(Object.keys(budget).length > 0 && { budget }),
    name: typeof name === "string" ? name : "",
    methods: new Set(methods),
    perSecond: typeof perSecond === "number" ? perSecond : undefined,
  };
}

function parseQuota(entry: Record<string, unknown>, at: string, faults: string[]): Partial<Quota> {
  const quota: Partial<Record<HeldKind, number>> = {};
  for (const kind of heldKinds) {
    const most = entry[kind];
    if (most === undefined) continue;
    if (typeof most === "number" && Number.isInteger(most) && most > 0) quota[kind] = most;
    else faults.push(`${at}.${kind} must be a whole number above 0`);
  }
  return quota;
}

/** Messages, and their cost in the currency of SIGNATURE_PRICES_FILE; 0 is no budget. */
function parseBudget(entry: Record<string, unknown>, at: string, faults: string[]): Partial<BudgetLimits> {
  const number = (key: string, isGood: (value: number) => boolean, form: string): number | undefined => {
    const value = entry[key];
    if (value === undefined) return undefined;
    if (typeof value === "number" && value >= 0 && value <= 1e9 && isGood(value)) return value;
    faults.push(`${at}.${key} must be ${form} from 0 to 1000000000`);
    return undefined;
  };
  const messages = number("messages_per_day", Number.isInteger, "a whole number");
  const cost = number("cost_per_day", Number.isFinite, "a number");
  return {
    ...(messages !== undefined && { messages }),
    ...(cost !== undefined && { micros: Math.round(cost * 1e6) }),
  };
}

function stringList(value: unknown, at: string, faults: string[]): string[] {
  if (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string")) return value;
  faults.push(`${at} must be a list of at least one string`);
  return [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The form in which names are compared; undefined for kinds that name no service. */
export function parseSubjectAltName(san: string): string | undefined {
  const dns = /^DNS:([a-z0-9._-]+)$/i.exec(san);
  // Host names know no case (RFC 4343), URIs do. A wildcard would stand for many callers: never.
  if (dns) return `DNS:${dns[1]!.toLowerCase()}`;
  return /^URI:\S+$/.test(san) ? san : undefined;
}
