import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, styleText } from "node:util";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { AnySchema, anyUnpack, timestampDate } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import type { TimelineEvent } from "./gen/bank/signature/v1/signature_pb.ts";
import {
  SignatureService,
  type StartSignatureRequestSchema,
} from "./gen/bank/signature/v1/signature_service_pb.ts";
import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.ts";

const usage = `npm run try [-- ADDRESS] [--inbox URL] [--phone NUMBER]

Walks through one signature: start, message, wrong code, right code, timeline.

  ADDRESS  where the service listens for gRPC without TLS (127.0.0.1:50051)
  --inbox  the sandbox's HTTP address, to read the code from its inbox (http://127.0.0.1:8080)
  --phone  the number that gets the message (+34600000001, which the sandbox delivers)
`;

/** How long the service may take to be there, to answer a call and to deliver a message. */
const connectMs = 1500;
const answerMs = 20_000;
const deliveryMs = 15_000;

/** What ends the walk with a message and no stack. */
class Stop extends Error {}

const { green, red, dim, bold } = {
  green: (text: string) => styleText("green", text),
  red: (text: string) => styleText("red", text),
  dim: (text: string) => styleText("dim", text),
  bold: (text: string) => styleText("bold", text),
};

/** An error of the service, its google.rpc.ErrorInfo read. */
class CallFailed extends Stop {
  constructor(error: grpc.ServiceError) {
    const info = errorInfoOf(error.metadata);
    const facts = Object.entries(info?.metadata ?? {}).map(([name, value]) => `${name}=${value}`);
    super([grpc.status[error.code], info?.reason, ...facts, `"${error.details}"`].filter(Boolean).join("  "));
  }
}

/** The details travel as google.rpc.Status, whose field 3 is `repeated google.protobuf.Any details`. */
function errorInfoOf(metadata: grpc.Metadata): MessageShape<typeof ErrorInfoSchema> | undefined {
  const bytes = metadata.get("grpc-status-details-bin")[0];
  if (!(bytes instanceof Uint8Array)) return undefined;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== 3) reader.skip(wireType);
    else {
      const info = anyUnpack(fromBinary(AnySchema, reader.bytes()), ErrorInfoSchema);
      if (info !== undefined) return info;
    }
  }
  return undefined;
}

async function connect(address: string): Promise<grpc.Client> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const ready = Promise.withResolvers<void>();
  client.waitForReady(Date.now() + connectMs, (error) => (error ? ready.reject(error) : ready.resolve()));
  try {
    await ready.promise;
  } catch {
    client.close();
    throw new Stop(`Nothing answers at ${address}. Start the service with: npm start`);
  }
  return client;
}

/** Prints the request, makes the call and shows its answer, or its error before throwing it. */
async function call<I extends DescMessage, O extends DescMessage>(
  client: grpc.Client,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  show = (answer: MessageShape<O>) => JSON.stringify(toJson(method.output, answer), null, 2),
): Promise<MessageShape<O>> {
  const message = create(method.input, request);
  console.log(`${bold(`→ ${method.name}`)} ${dim(JSON.stringify(toJson(method.input, message)))}`);
  const begun = performance.now();
  const took = () => dim(`${Math.round(performance.now() - begun)} ms`);
  const answer = Promise.withResolvers<MessageShape<O>>();
  client.makeUnaryRequest(
    `/${method.parent.typeName}/${method.name}`,
    (value: MessageShape<I>) => Buffer.from(toBinary(method.input, value)),
    (bytes: Buffer) => fromBinary(method.output, bytes),
    message,
    { deadline: Date.now() + answerMs },
    (error, value) => {
      if (error) answer.reject(new CallFailed(error));
      else if (value) answer.resolve(value);
    },
  );
  try {
    const value = await answer.promise;
    console.log(`${green("← OK")} ${took()}\n${indented(show(value))}\n`);
    return value;
  } catch (error) {
    if (error instanceof CallFailed) console.log(`${red(`← ${error.message}`)} ${took()}\n`);
    throw error;
  }
}

function indented(text: string): string {
  return text.replace(/^/gm, "  ");
}

interface InboxMessage {
  readonly sid: string;
  readonly body: string;
  readonly code: string | null;
}

/** The messages of a number, newest first; undefined where no sandbox answers. */
async function inboxOf(url: string, phoneNumber: string): Promise<readonly InboxMessage[] | undefined> {
  try {
    const response = await fetch(new URL(`/inbox/messages.json?to=${encodeURIComponent(phoneNumber)}`, url));
    const inbox = (await response.json()) as { sandbox?: boolean; messages?: readonly InboxMessage[] };
    return inbox.sandbox === true ? inbox.messages : undefined;
  } catch {
    return undefined;
  }
}

/** The code of the first message that was not there before. */
async function codeFromInbox(
  url: string,
  phoneNumber: string,
  before: readonly InboxMessage[],
): Promise<string> {
  const known = new Set(before.map(({ sid }) => sid));
  for (const end = Date.now() + deliveryMs; Date.now() < end; await sleep(100)) {
    const message = (await inboxOf(url, phoneNumber))?.find(({ sid }) => !known.has(sid));
    if (!message?.code) continue;
    console.log(`${bold(`✉ Message to ${phoneNumber}`)}\n${indented(message.body)}\n`);
    return message.code;
  }
  throw new Stop(`No message for ${phoneNumber} came to ${url}/inbox within ${deliveryMs / 1000} s.`);
}

async function codeFromPerson(): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    for (;;) {
      const code = (await terminal.question("Code in the message: ")).trim();
      if (/^\d{6}$/.test(code)) return code;
    }
  } finally {
    terminal.close();
  }
}

const transaction: NonNullable<MessageInitShape<typeof StartSignatureRequestSchema>["transaction"]> = {
  type: "transfer",
  amount: { currencyCode: "EUR", units: 1250n, nanos: 500_000_000 },
  payee: "ACME SL",
  payeeAccount: "ES9121000418450200051332",
  reference: "invoice 2026-118",
};

async function walkThrough(client: grpc.Client, inbox: string, phone: string | undefined): Promise<void> {
  const { startSignature, completeSignature, getSignature } = SignatureService.method;
  const phoneNumber = phone ?? "+34600000001";
  const before = await inboxOf(inbox, phoneNumber);
  if (before === undefined && phone === undefined) {
    throw new Stop(`No sandbox inbox at ${inbox}: this service may send real messages, and charge for them.
Give the sandbox's address with --inbox, or a number of your own with --phone.`);
  }

  const started = await call(client, startSignature, {
    idempotencyKey: `try-${randomUUID()}`,
    customerId: `try-${randomUUID()}`,
    phoneNumber,
    transaction,
  });
  const signatureId = started.signature?.id ?? "";
  const code = before ? await codeFromInbox(inbox, phoneNumber, before) : await codeFromPerson();

  const wrongCode = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
  try {
    await call(client, completeSignature, { signatureId, code: wrongCode });
    throw new Stop("The service took a wrong code for the right one.");
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error;
  }
  await call(client, completeSignature, { signatureId, code });

  await call(client, getSignature, { signatureId }, ({ timeline }) => timeline.map(lineOf).join("\n"));
}

function lineOf({ at, type, details }: TimelineEvent): string {
  const time = at === undefined ? "" : timestampDate(at).toISOString();
  const facts = Object.entries(details).map(([name, value]) => `${name}=${value}`);
  return `${dim(time)}  ${type.padEnd(19)}  ${dim(facts.join(" "))}`;
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        inbox: { type: "string", default: "http://127.0.0.1:8080" },
        phone: { type: "string" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new Stop(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  if (values.help) return console.log(usage);
  const client = await connect(positionals[0] ?? "127.0.0.1:50051");
  try {
    await walkThrough(client, values.inbox, values.phone);
  } finally {
    client.close();
  }
}

main().catch((error: unknown) => {
  // A failed call has printed itself.
  if (!(error instanceof CallFailed)) console.error(error instanceof Stop ? error.message : error);
  process.exitCode = 1;
});
