import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { create, createFileRegistry, type DescService, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { ServerReflection as V1 } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as V1Alpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { symbolsOf } from "../../src/grpc/file-symbols.ts";
import { signatureService } from "../../src/grpc/signature-service.ts";
import { type RunningServer, runServer } from "../support/grpc-server.ts";
import { SignatureUseCases } from "../support/signature-use-cases.ts";

const exec = promisify(execFile);
const services = [
  "bank.signature.v1.SignatureService",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

describe.each([V1, V1Alpha])("$typeName", (service) => {
  const { input, output, name } = service.method.serverReflectionInfo;
  let running: RunningServer;
  let client: grpc.Client;
  beforeAll(async () => {
    running = await runServer();
    client = new grpc.Client(running.address, grpc.credentials.createInsecure());
  });
  afterAll(async () => {
    client.close();
    await running[Symbol.asyncDispose]();
  });

  type Request = NonNullable<Parameters<typeof create<typeof V1.method.serverReflectionInfo.input>>[1]>;
  /** Asks several questions over one stream. */
  async function ask(...questions: NonNullable<Request["messageRequest"]>[]) {
    const call = client.makeBidiStreamRequest(
      `/${service.typeName}/${name}`,
      (request: Uint8Array) => Buffer.from(request),
      (bytes: Buffer) => fromBinary(output, bytes),
    );
    const answers = [];
    for (const messageRequest of questions) {
      call.write(toBinary(input, create(input, { host: "h", messageRequest } as never)));
    }
    call.end();
    for await (const answer of call) answers.push(answer.messageResponse);
    return answers as { case: string; value: Record<string, unknown> }[];
  }

  it("lists the services", async () => {
    const [answer] = await ask({ case: "listServices", value: "" });
    expect(answer).toMatchObject({ value: { service: services.map((one) => ({ name: one })) } });
  });

  it("hands out files with all that they import, by name and by symbol", async () => {
    const answers = await ask(
      { case: "fileByFilename", value: "bank/signature/v1/signature_service.proto" },
      { case: "fileContainingSymbol", value: "bank.signature.v1.SignatureService" },
      { case: "fileContainingSymbol", value: "bank.signature.v1.SignatureService.StartSignature" },
      { case: "fileContainingSymbol", value: "bank.signature.v1.StartSignatureRequest.ttl" },
    );
    for (const answer of answers) {
      const files = answer.value["fileDescriptorProto"] as Uint8Array[];
      const protos = files.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
      const importsFirst = (name: string): FileDescriptorProto[] => {
        const proto = protos.find((one) => one.name === name)!;
        return [...proto.dependency.flatMap(importsFirst), proto];
      };
      const file = [...new Set(importsFirst(protos[0]!.name))];
      const registry = createFileRegistry(create(FileDescriptorSetSchema, { file }));
      const found = registry.getService(SignatureService.typeName) as DescService;
      expect(found.methods.map((method) => method.name)).toEqual(
        SignatureService.methods.map((one) => one.name),
      );
    }
  });

  it("knows the details of errors, so that tools can print them", async () => {
    const [answer] = await ask({
      case: "fileContainingSymbol",
      value: "google.rpc.BadRequest.FieldViolation",
    });
    expect(answer?.case).toBe("fileDescriptorResponse");
  });

  it.each([
    "bank.signature.v1.SIGNATURE_STATUS_PENDING",
    "bank.signature.v1.SignatureStatus.SIGNATURE_STATUS_PENDING",
    "bank.signature.v1.SignatureStatus",
    "bank.signature.v1.Transaction.AttributesEntry",
    "bank.signature.v1.Transaction.AttributesEntry.value",
    "bank.signature.v1.Transaction.attributes",
    "bank.signature.v1.SignatureService.WatchSignature",
    "grpc.health.v1.HealthCheckResponse.SERVING",
    "grpc.health.v1.HealthCheckResponse.ServingStatus",
    "grpc.reflection.v1.ServerReflectionRequest.message_request",
    "google.protobuf.Timestamp.seconds",
  ])("knows the file of %s", async (symbol) => {
    const [answer] = await ask({ case: "fileContainingSymbol", value: symbol });
    expect(answer?.case).toBe("fileDescriptorResponse");
    const [bytes] = (answer?.value["fileDescriptorProto"] ?? []) as Uint8Array[];
    const { package: scope } = fromBinary(FileDescriptorProtoSchema, bytes ?? new Uint8Array());
    expect(symbol.startsWith(`${scope}.`)).toBe(true);
  });

  it("knows every symbol that its own files declare", async () => {
    const [answer] = await ask({ case: "fileContainingSymbol", value: "bank.signature.v1.SignatureService" });
    const files = answer?.value["fileDescriptorProto"] as Uint8Array[];
    const symbols = files.flatMap((bytes) => symbolsOf(fromBinary(FileDescriptorProtoSchema, bytes)));
    expect(symbols.length).toBeGreaterThan(150);
    const answers = await ask(...symbols.map((value) => ({ case: "fileContainingSymbol" as const, value })));
    expect(answers.filter((one) => one.case !== "fileDescriptorResponse")).toEqual([]);
  });

  it("answers what it does not know as not found and goes on", async () => {
    const notFound = { case: "errorResponse", value: { errorCode: 5, errorMessage: "not found" } };
    const answers = await ask(
      { case: "fileByFilename", value: "etc/passwd" },
      { case: "fileContainingSymbol", value: "bank.Nothing" },
      { case: "fileContainingSymbol", value: "bank.signature.v1" },
      {
        case: "fileContainingExtension",
        value: { containingType: "bank.Nothing", extensionNumber: 1 } as never,
      },
      { case: "allExtensionNumbersOfType", value: "bank.Nothing" },
      { case: "allExtensionNumbersOfType", value: "bank.signature.v1.Money" },
      { case: undefined },
    );
    expect(answers.slice(0, 5)).toMatchObject([notFound, notFound, notFound, notFound, notFound]);
    expect(answers[5]).toMatchObject({
      value: { baseTypeName: "bank.signature.v1.Money", extensionNumber: [] },
    });
    expect(answers[6]).toMatchObject({ value: { errorCode: 3 } });
  });
});

describe("reflection with buf curl", () => {
  let running: RunningServer;
  beforeAll(async () => {
    running = await runServer();
    running.health.setAll("SERVING");
  });
  afterAll(() => running[Symbol.asyncDispose]());

  async function bufCurl(path: string, ...args: string[]): Promise<string> {
    const url = `http://${running.address}${path}`;
    const { stdout } = await exec("node_modules/.bin/buf", [
      "curl",
      "--protocol",
      "grpc",
      "--http2-prior-knowledge",
      ...args,
      url,
    ]);
    return stdout;
  }

  it.each(["grpc-v1", "grpc-v1alpha"])("lists and calls without proto files over %s", async (protocol) => {
    const listed = await bufCurl("", "--reflect-protocol", protocol, "--list-services");
    expect(listed.trim().split("\n")).toEqual(services);
    const checked = await bufCurl("/grpc.health.v1.Health/Check", "--reflect-protocol", protocol, "-d", "{}");
    expect(JSON.parse(checked)).toEqual({ status: "SERVING" });
  });

  it("starts a signature and shows its errors", async () => {
    const method = "/bank.signature.v1.SignatureService/StartSignature";
    const request = {
      idempotency_key: "buf-1",
      customer_id: "c-1",
      phone_number: "+34600000001",
      transaction: {
        type: "transfer",
        payee: "Sol",
        amount: { currency_code: "EUR", units: "12", nanos: 500_000_000 },
      },
    };
    const answer = JSON.parse(await bufCurl(method, "-d", JSON.stringify(request)));
    expect(answer).toMatchObject({ signature: { status: "SIGNATURE_STATUS_CHALLENGE_SENT" } });
    const refused = await bufCurl(method, "-d", "{}").catch((error: { stderr: string }) => error.stderr);
    expect(JSON.parse(refused)).toMatchObject({
      code: "invalid_argument",
      details: [{ type: "google.rpc.ErrorInfo" }, { type: "google.rpc.BadRequest" }],
    });
  });
});

describe("a server without reflection", () => {
  it("answers it as UNIMPLEMENTED", async () => {
    const useCases = new SignatureUseCases();
    await using running = await runServer({
      routes: (router, closing) =>
        void router.service(SignatureService, signatureService(useCases.deps(closing))),
    });
    const client = new grpc.Client(running.address, grpc.credentials.createInsecure());
    const call = client.makeBidiStreamRequest(
      `/${V1.typeName}/ServerReflectionInfo`,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
    );
    call.end();
    const status = await new Promise<grpc.StatusObject>((resolve) => {
      call
        .on("status", resolve)
        .on("error", () => {})
        .resume();
    });
    client.close();
    expect(status.code).toBe(grpc.status.UNIMPLEMENTED);
  });
});
