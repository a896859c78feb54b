import { create, type DescMessage, type Message, ScalarType, toBinary } from "@bufbuild/protobuf";
import { type ReflectMap, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { leastOf, processorMs } from "../support/cost.ts";
import { costlyUnits, runOf } from "../support/costly-text.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";
import { answerOf, envelope, type RawConnection, rawConnection } from "../support/raw-grpc.ts";

/** What is left of 64 KiB when the rest of a request is in it. */
const bytes = 64_000;
const control = "x";
// Half a pair is no UTF-8, and protobuf's texts are.
const sendable = Object.entries(costlyUnits).filter(([, unit]) => unit.isWellFormed());

const start = aStartRequest();
const valid: Readonly<Record<string, object>> = {
  startSignature: start,
  sendChallenge: { signatureId: crypto.randomUUID(), idempotencyKey: "key" },
  completeSignature: { signatureId: crypto.randomUUID(), code: "123456", transaction: start.transaction },
  abortSignature: { signatureId: crypto.randomUUID(), note: "note" },
  getSignature: { signatureId: crypto.randomUUID() },
  watchSignature: { signatureId: crypto.randomUUID() },
};

/** Every text in a message, messages within it and keys and values of maps included, as what puts one there. */
function textsOf(
  desc: DescMessage,
  path = "",
): { path: string; put(message: ReflectMessage, text: string): void }[] {
  return desc.fields.flatMap((field) => {
    const at = `${path}${field.name}`;
    if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) {
      return [{ path: at, put: (message: ReflectMessage, text: string) => message.set(field, text) }];
    }
    if (field.fieldKind === "map") {
      const map = (message: ReflectMessage) => message.get(field) as ReflectMap;
      return [
        {
          path: `${at} (key)`,
          put: (message: ReflectMessage, text: string) => void map(message).set(text, "v"),
        },
        {
          path: `${at} (value)`,
          put: (message: ReflectMessage, text: string) => void map(message).set("k", text),
        },
      ];
    }
    if (field.fieldKind !== "message") return [];
    return textsOf(field.message, `${at}.`).map(({ path: inner, put }) => ({
      path: inner,
      put(message: ReflectMessage, text: string) {
        const one = message.get(field) as ReflectMessage;
        put(one, text);
        message.set(field, one);
      },
    }));
  });
}

const fields = SignatureService.methods.flatMap((method) =>
  textsOf(method.input).map((text) => ({ method, name: `${method.name} ${text.path}`, put: text.put })),
);

describe("A text of 64 KiB costs what a plain one of its length does", () => {
  let running: RunningServer;
  let connection: RawConnection;

  beforeAll(async () => {
    running = await runServer();
    connection = await rawConnection(running.address);
  });
  afterAll(async () => {
    connection[Symbol.dispose]();
    await running[Symbol.asyncDispose]();
  });

  it("is tried in every text that a caller can send", () => {
    expect(fields.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        "StartSignature transaction.payee",
        "StartSignature transaction.attributes (key)",
        "StartSignature transaction.amount.currency_code",
        "CompleteSignature code",
        "AbortSignature note",
        "WatchSignature signature_id",
      ]),
    );
    expect(fields.length).toBeGreaterThan(25);
  });

  it.each(fields)("$name", async ({ method, put }) => {
    const costOf = async (unit: string) => {
      const message: Message = create(method.input, structuredClone(valid[method.localName]) as never);
      put(reflect(method.input, message), runOf(unit, bytes));
      const body = envelope(toBinary(method.input, message));
      const call = async () => {
        const answer = await answerOf(
          connection.send(`${SignatureService.typeName}/${method.name}`, { body }),
        );
        expect(answer["grpc-status"]).toBe("3");
      };
      return await leastOf(2, () => processorMs(call));
    };
    const plain = await costOf(control);
    for (const [name, unit] of sendable) {
      expect(await costOf(unit), name).toBeLessThan(8 * plain + 20);
    }
  });
});
