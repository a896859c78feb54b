import {
  create,
  createRegistry,
  type DescFile,
  type DescService,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.ts";
import {
  ErrorResponseSchema,
  ExtensionNumberResponseSchema,
  FileDescriptorResponseSchema,
  ListServiceResponseSchema,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
  ServerReflection as V1,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  ServerReflection as V1Alpha,
  ServerReflectionRequestSchema as V1AlphaRequestSchema,
  ServerReflectionResponseSchema as V1AlphaResponseSchema,
} from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { symbolsOf } from "./file-symbols.ts";
import type { Routes } from "./routes.ts";

type Question = ServerReflectionRequest["messageRequest"];
type Answer = ServerReflectionResponse["messageResponse"];

/**
 * Serves grpc.reflection v1, and v1alpha for the tools that still ask it.
 * @param closing fires, with the Failure that callers shall see, when the server starts to close
 */
export function serveReflection(
  routes: Routes,
  services: readonly DescService[],
  closing: AbortSignal,
): void {
  const answer = reflection([...services, V1, V1Alpha]);
  async function* answers(
    requests: AsyncIterable<ServerReflectionRequest>,
  ): AsyncGenerator<ServerReflectionResponse> {
    for await (const request of untilAborted(requests, closing)) {
      const { host: validHost, messageRequest } = request;
      const messageResponse = answer(messageRequest);
      yield create(ServerReflectionResponseSchema, { validHost, originalRequest: request, messageResponse });
    }
  }
  routes.service(V1, { serverReflectionInfo: answers });
  routes.service(V1Alpha, {
    async *serverReflectionInfo(requests) {
      const asV1 = mapEach(requests, (request) =>
        fromBinary(ServerReflectionRequestSchema, toBinary(V1AlphaRequestSchema, request)),
      );
      // The two versions differ in their package alone: on the wire they are the same.
      yield* mapEach(answers(asV1), (response) =>
        fromBinary(V1AlphaResponseSchema, toBinary(ServerReflectionResponseSchema, response)),
      );
    },
  });
}

async function* mapEach<From, To>(items: AsyncIterable<From>, map: (item: From) => To): AsyncGenerator<To> {
  for await (const item of items) yield map(item);
}

/** @throws the signal's reason as soon as it fires, also while the next item is awaited */
async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    signal.throwIfAborted();
    const iterator = items[Symbol.asyncIterator]();
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted.promise]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Answers questions about the files of the given services and about everything they import. */
function reflection(services: readonly DescService[]): (question: Question) => Answer {
  // No method names the error details, but a tool has to find them to print an error.
  const roots = [...services.map((service) => service.file), file_google_rpc_error_details];
  const files = new Set(roots.flatMap((file) => withImports(file)));
  const filesByName = new Map([...files].map((file) => [file.proto.name, file]));
  const registry = createRegistry(...files);

  const filesBySymbol = new Map(
    [...files].flatMap((file) => symbolsOf(file.proto).map((name) => [name, file])),
  );

  return (question) => {
    switch (question.case) {
      case "listServices": {
        const service = services.map(({ typeName }) => ({ name: typeName }));
        return { case: "listServicesResponse", value: create(ListServiceResponseSchema, { service }) };
      }
      case "fileByFilename":
        return fileAnswer(filesByName.get(question.value));
      case "fileContainingSymbol":
        return fileAnswer(filesBySymbol.get(question.value));
      case "fileContainingExtension": {
        const message = registry.getMessage(question.value.containingType);
        return fileAnswer(message && registry.getExtensionFor(message, question.value.extensionNumber)?.file);
      }
      case "allExtensionNumbersOfType": {
        if (registry.getMessage(question.value) === undefined) return refusal(Code.NotFound, "not found");
        const extensions = [...registry].filter((type) => type.kind === "extension");
        const value = create(ExtensionNumberResponseSchema, {
          baseTypeName: question.value,
          extensionNumber: extensions
            .filter((extension) => extension.extendee.typeName === question.value)
            .map((extension) => extension.number),
        });
        return { case: "allExtensionNumbersResponse", value };
      }
      case undefined:
        return refusal(Code.InvalidArgument, "the request asks nothing");
    }
  };
}

function fileAnswer(file: DescFile | undefined): Answer {
  if (file === undefined) return refusal(Code.NotFound, "not found");
  const fileDescriptorProto = withImports(file).map(({ proto }) =>
    toBinary(FileDescriptorProtoSchema, proto),
  );
  return {
    case: "fileDescriptorResponse",
    value: create(FileDescriptorResponseSchema, { fileDescriptorProto }),
  };
}

function refusal(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: create(ErrorResponseSchema, { errorCode, errorMessage }) };
}

/** A file and all that it imports, the file first. */
function withImports(file: DescFile, seen = new Set<DescFile>()): DescFile[] {
  if (seen.has(file)) return [];
  seen.add(file);
  return [file, ...file.dependencies.flatMap((imported) => withImports(imported, seen))];
}
