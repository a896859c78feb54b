import { Failure } from "../domain/failure.ts";
import { LeaseLost, ProviderError } from "../domain/provider.ts";

/** What may be said of an error. Nothing in it was written by anybody but us or the engine. */
export interface ErrorDescription {
  /** Name of its class. */
  readonly name: string;
  /** SQLSTATE, Node's or the provider's code: the first in the chain of causes. */
  readonly code: string | undefined;
  /** Name of the violated constraint. */
  readonly constraint: string | undefined;
  /** Of our own errors only. */
  readonly message: string | undefined;
  /** Where it was made, without its text. */
  readonly stack: string | undefined;
  /** Classes and codes of what it was caused by, nearest first. */
  readonly causes: string | undefined;
}

const mostCauses = 5;
const mostFrames = 20;
const mostMessage = 300;

/**
 * Reduces an error to what is safe to print. Errors of libraries quote statements, bound parameters, request
 * bodies and headers in their messages and properties, and so phone numbers and codes: neither is read.
 */
export function describeError(error: unknown): ErrorDescription {
  const chain = chainOf(error);
  return {
    name: nameOf(error),
    code: first(chain, codeOf),
    constraint: first(chain, constraintOf),
    message: ownMessage(error),
    stack: framesOf(error),
    causes: chain.length > 1 ? chain.slice(1).map(labelOf).join(" < ") : undefined,
  };
}

function chainOf(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let next = error; chain.length <= mostCauses && next !== undefined && next !== null; ) {
    chain.push(next);
    next = next instanceof Error ? next.cause : undefined;
  }
  return chain;
}

function first(chain: unknown[], pick: (error: unknown) => string | undefined): string | undefined {
  for (const error of chain) {
    const found = pick(error);
    if (found !== undefined) return found;
  }
  return undefined;
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const name = error.name === "Error" ? error.constructor.name : error.name;
  return /^[A-Za-z][A-Za-z0-9_]{0,59}$/.test(name) ? name : "Error";
}

/** Five digits or letters (SQLSTATE, Twilio), a word in capitals (Node, undici), or our own reason or code. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof Failure) return error.reason;
  if (error instanceof ProviderError) return error.providerErrorCode;
  const code = property(error, "code");
  const text = typeof code === "number" ? String(code) : code;
  return typeof text === "string" && /^(?:[0-9A-Z]{5}|[A-Z][A-Z_]{2,39})$/.test(text) ? text : undefined;
}

/** As postgres.js has it; only beside a SQLSTATE, and only in the form of a plain identifier. */
function constraintOf(error: unknown): string | undefined {
  const name = property(error, "constraint_name");
  return typeof name === "string" && codeOf(error) !== undefined && /^[a-z_][a-z0-9_]{0,62}$/.test(name)
    ? name
    : undefined;
}

function ownMessage(error: unknown): string | undefined {
  const ours = error instanceof Failure || error instanceof ProviderError || error instanceof LeaseLost;
  return ours ? error.message.slice(0, mostMessage) : undefined;
}

function labelOf(error: unknown): string {
  const code = codeOf(error);
  return code === undefined ? nameOf(error) : `${nameOf(error)} ${code}`;
}

const frame =
  /^ {4}at (?:(?:async |new )*[\w$.<>#[\] ]{1,120} \((?:[^\s()]+:\d+:\d+|<anonymous>)\)|(?:async )?[^\s()]+:\d+:\d+)$/;

/**
 * The frames below the text. A text can look like frames itself, so it must be found where it belongs and is
 * cut away; where it was changed after the stack was taken, nothing is printed.
 */
function framesOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || typeof error.stack !== "string") return undefined;
  const { stack, message } = error;
  const head = /^[\w$]*(?: \[\w+\])?(?:: )?/.exec(stack)?.[0] ?? "";
  if (!`${stack}\n`.startsWith(`${head}${message}\n`)) return undefined;
  const lines = stack.slice(head.length + message.length).split("\n");
  const frames = lines.filter((line) => frame.test(line)).map((line) => line.trim());
  return frames.length > 0 ? frames.slice(0, mostFrames).join("\n") : undefined;
}

function property(error: unknown, name: string): unknown {
  if (typeof error !== "object" || error === null) return undefined;
  const value: unknown = Reflect.get(error, name);
  return value;
}
