import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { AnySchema, anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../src/gen/google/rpc/error_details_pb.ts";

export interface CallOptions {
  /** Milliseconds from now. */
  readonly deadlineMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Cancels the call when it fires. */
  readonly signal?: AbortSignal;
}

/** Methods of a service by their names in TypeScript; unary ones give a promise, streaming ones an iterable. */
export type GrpcClient<S extends DescService> = {
  [Name in keyof S["method"]]: S["method"][Name] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : S["method"][Name] extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : never;
} & { close(): void };

/** An error as @grpc/grpc-js hands it out, its google.rpc details decoded. */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  /** Name of the code, e.g. "INVALID_ARGUMENT". */
  readonly code: string;
  readonly reason: string | undefined;
  readonly domain: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly { readonly field: string; readonly description: string }[];
  readonly retryAfterMs: number | undefined;

  constructor(error: grpc.ServiceError) {
    super(error.details);
    this.code = grpc.status[error.code] ?? String(error.code);
    const details = detailsOf(error.metadata);
    const info = details.map((any) => anyUnpack(any, ErrorInfoSchema)).find((value) => value !== undefined);
    const request = details
      .map((any) => anyUnpack(any, BadRequestSchema))
      .find((value) => value !== undefined);
    const retry = details.map((any) => anyUnpack(any, RetryInfoSchema)).find((value) => value !== undefined);
    this.reason = info?.reason;
    this.domain = info?.domain;
    this.metadata = info?.metadata ?? {};
    this.violations = (request?.fieldViolations ?? []).map(({ field, description }) => ({
      field,
      description,
    }));
    this.retryAfterMs = retry?.retryDelay && durationMs(retry.retryDelay);
  }
}

// google.rpc.Status: int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3.
function detailsOf(metadata: grpc.Metadata | undefined): MessageShape<typeof AnySchema>[] {
  const bytes = metadata?.get("grpc-status-details-bin")[0];
  if (!(bytes instanceof Uint8Array)) return [];
  const details: MessageShape<typeof AnySchema>[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 3) details.push(fromBinary(AnySchema, reader.bytes()));
    else reader.skip(wireType);
  }
  return details;
}

/** A client over @grpc/grpc-js, so that what the server says is read by other hands than its own. */
export function grpcClient<S extends DescService>(
  service: S,
  address: string,
  credentials = grpc.credentials.createInsecure(),
  options: grpc.ClientOptions = {},
): GrpcClient<S> {
  // Subchannels are shared by address within a process; tests want connections of their own.
  const client = new grpc.Client(address, credentials, { "grpc.use_local_subchannel_pool": 1, ...options });
  const methods = service.methods.map((method) => {
    const path = `/${service.typeName}/${method.name}`;
    const encode = (message: MessageShape<DescMessage>): Buffer =>
      Buffer.from(toBinary(method.input, message));
    const decode = (bytes: Buffer): MessageShape<DescMessage> => fromBinary(method.output, bytes);
    const unary = (request: MessageInitShape<DescMessage>, callOptions: CallOptions = {}) =>
      new Promise((resolve, reject) => {
        const message = create(method.input, request);
        const call = client.makeUnaryRequest(
          path,
          encode,
          decode,
          message,
          metadataOf(callOptions),
          deadlineOf(callOptions),
          (error, value) => (error ? reject(new GrpcError(error)) : resolve(value)),
        );
        callOptions.signal?.addEventListener("abort", () => call.cancel());
      });
    const streaming = async function* (
      request: MessageInitShape<DescMessage>,
      callOptions: CallOptions = {},
    ) {
      const message = create(method.input, request);
      const call = client.makeServerStreamRequest(
        path,
        encode,
        decode,
        message,
        metadataOf(callOptions),
        deadlineOf(callOptions),
      );
      callOptions.signal?.addEventListener("abort", () => call.cancel());
      try {
        yield* call;
      } catch (error) {
        throw new GrpcError(error as grpc.ServiceError);
      } finally {
        call.cancel();
      }
    };
    return [method.localName, method.methodKind === "unary" ? unary : streaming] as const;
  });
  return { ...Object.fromEntries(methods), close: () => client.close() } as GrpcClient<S>;
}

function metadataOf({ metadata = {} }: CallOptions): grpc.Metadata {
  const result = new grpc.Metadata();
  for (const [key, value] of Object.entries(metadata)) result.set(key, value);
  return result;
}

function deadlineOf({ deadlineMs }: CallOptions): grpc.CallOptions {
  return deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
}

/** The GrpcError that a call ends with. @throws Error where it succeeds */
export async function grpcError(call: Promise<unknown>): Promise<GrpcError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof GrpcError) return error;
    throw error;
  }
  throw new Error("the call succeeded");
}

/** All messages of a stream, once it has ended. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}
