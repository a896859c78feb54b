import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type FileRegistry, type Message } from "@bufbuild/protobuf";
import type { AnySchema } from "@bufbuild/protobuf/wkt";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError } from "@connectrpc/connect";

type Any = ReturnType<typeof create<typeof AnySchema>>;

interface Field {
  readonly name: string;
  readonly value: string[];
}
interface WantedError {
  readonly code: Code;
  readonly message?: string;
  readonly details: Any[];
}
interface Definition {
  readonly responseHeaders: Field[];
  readonly responseTrailers: Field[];
  readonly responseDelayMs: number;
}
interface UnaryDefinition extends Definition {
  readonly response: { readonly case: "responseData" | "error" | undefined; readonly value?: unknown };
}
interface StreamDefinition extends Definition {
  readonly responseData: Uint8Array[];
  readonly error?: WantedError;
}
interface UnaryRequest extends Message {
  readonly responseDefinition?: UnaryDefinition;
}
interface StreamRequest extends Message {
  readonly responseDefinition?: StreamDefinition;
  readonly fullDuplex?: boolean;
}
/** What handlers of unary calls and of streams are told alike. */
interface Context {
  readonly requestHeader: Headers;
  readonly responseHeader: Headers;
  readonly responseTrailer: Headers;
  timeoutMs(): number | undefined;
}

/** Handlers of connectrpc.conformance.v1.ConformanceService, which answer what each request says. */
export function conformanceHandlers(schema: FileRegistry) {
  const message = (name: string): DescMessage => {
    const found = schema.getMessage(`connectrpc.conformance.v1.${name}`);
    if (found === undefined) throw new Error(`the schema has no message ${name}`);
    return found;
  };
  const requestInfo = message("ConformancePayload.RequestInfo");
  const packed = (request: Message): Any =>
    anyPack(message(request.$typeName.split(".").at(-1) ?? ""), request);

  const infoOf = (context: Context, requests: Message[]) => {
    const timeoutMs = context.timeoutMs();
    return create(requestInfo, {
      requestHeaders: [...context.requestHeader].map(([name, value]) => ({ name, value: [value] })),
      ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.ceil(timeoutMs)) }),
      requests: requests.map(packed),
    } as never);
  };
  const errorOf = (
    { code, message: text, details }: WantedError,
    info: Message | undefined,
  ): ConnectError => {
    const error = new ConnectError(text ?? "", code);
    const all = info === undefined ? details : [...details, anyPack(requestInfo, info)];
    error.details = all.map(({ typeUrl, value }) => ({ type: typeUrl.split("/").at(-1) ?? "", value }));
    return error;
  };
  const answerOnce = async (
    definition: UnaryDefinition | undefined,
    requests: Message[],
    context: Context,
  ): Promise<object> => {
    const info = infoOf(context, requests);
    setMetadata(definition, context);
    await sleep(definition?.responseDelayMs ?? 0);
    const { case: kind, value } = definition?.response ?? {};
    if (kind === "error") throw errorOf(value as WantedError, info);
    return { payload: { ...(kind === "responseData" && { data: value }), requestInfo: info } };
  };
  async function* answerEach(
    definition: StreamDefinition | undefined,
    from: number,
    requests: Message[],
    context: Context,
  ): AsyncGenerator<object> {
    for (const [index, data] of (definition?.responseData ?? []).entries()) {
      if (index < from) continue;
      await sleep(definition?.responseDelayMs ?? 0);
      yield { payload: { data, ...(index === 0 && { requestInfo: infoOf(context, requests) }) } };
    }
    if (definition?.error === undefined) return;
    const silent = from === 0 && definition.responseData.length === 0;
    throw errorOf(definition.error, silent ? infoOf(context, requests) : undefined);
  }

  return {
    unary: (request: UnaryRequest, context: Context) =>
      answerOnce(request.responseDefinition, [request], context),

    idempotentUnary: (request: UnaryRequest, context: Context) =>
      answerOnce(request.responseDefinition, [request], context),

    async clientStream(requests: AsyncIterable<UnaryRequest>, context: Context) {
      const all: UnaryRequest[] = [];
      for await (const request of requests) all.push(request);
      return await answerOnce(all[0]?.responseDefinition, all, context);
    },

    async *serverStream(request: StreamRequest, context: Context) {
      setMetadata(request.responseDefinition, context);
      yield* answerEach(request.responseDefinition, 0, [request], context);
    },

    async *bidiStream(requests: AsyncIterable<StreamRequest>, context: Context) {
      let definition: StreamDefinition | undefined;
      let unanswered: StreamRequest[] = [];
      let answers = 0;
      for await (const request of requests) {
        if (definition === undefined) {
          definition = request.responseDefinition;
          setMetadata(definition, context);
        }
        unanswered.push(request);
        if (request.fullDuplex !== true && answers === 0) continue;
        const data = definition?.responseData[answers];
        if (data === undefined) break;
        await sleep(definition?.responseDelayMs ?? 0);
        const info =
          answers === 0
            ? infoOf(context, unanswered)
            : create(requestInfo, { requests: unanswered.map(packed) } as never);
        yield { payload: { data, requestInfo: info } };
        answers += 1;
        unanswered = [];
      }
      yield* answerEach(definition, answers, unanswered, context);
    },
  };
}

function setMetadata(definition: Definition | undefined, context: Context): void {
  for (const { name, value } of definition?.responseHeaders ?? [])
    for (const one of value) context.responseHeader.append(name, one);
  for (const { name, value } of definition?.responseTrailers ?? [])
    for (const one of value) context.responseTrailer.append(name, one);
}
