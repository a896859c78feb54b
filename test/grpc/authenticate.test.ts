import { create, createFileRegistry, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionV1Alpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { accessTable } from "../../src/grpc/authenticate.ts";
import { type Callers, parseCallersFile } from "../../src/grpc/callers-file.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { type GrpcClient, grpcClient, grpcError } from "../support/grpc-client.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";
import { answerOf, envelope, rawConnection } from "../support/raw-grpc.ts";

const served: DescService[] = [SignatureService, Health, ServerReflection, ServerReflectionV1Alpha];

describe("the access table", () => {
  it("has every RPC that is served, and no other", () => {
    const methods = served.flatMap(({ typeName, methods }) =>
      methods.map(({ name }) => `${typeName}/${name}`),
    );
    expect(Object.keys(accessTable).sort()).toEqual(methods.sort());
  });

  it("grants every RPC of the contract by name only", () => {
    for (const { name } of SignatureService.methods) {
      expect(accessTable[`${SignatureService.typeName}/${name}`]).toBe("granted");
    }
  });
});

describe("an RPC that the access table does not have", () => {
  it("is refused to everyone", async () => {
    const file = create(FileDescriptorProtoSchema, {
      name: "new.proto",
      package: "bank",
      syntax: "proto3",
      messageType: [{ name: "Empty" }],
      service: [
        { name: "New", method: [{ name: "Do", inputType: ".bank.Empty", outputType: ".bank.Empty" }] },
      ],
    });
    const service = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getService(
      "bank.New",
    )!;
    await using running = await runServer({
      routes: (routes) => routes.service(service, { do: () => ({}) } as never),
    });
    using connection = await rawConnection(running.address);
    for (const contentType of ["application/grpc", "application/grpc+proto"]) {
      const request = { body: envelope(new Uint8Array()), headers: { "content-type": contentType } };
      const answer = await answerOf(connection.send("bank.New/Do", request));
      expect(answer["grpc-status"]).toBe(String(grpc.status.PERMISSION_DENIED));
    }
    expect(await running.calls.of("Do")).toMatchObject({ reason: "CALLER_NOT_ALLOWED" });
  });
});

describe("callers by certificate", () => {
  let authority: CertificateAuthority;
  let running: RunningServer;
  let callers: Callers;
  const clients: { close(): void }[] = [];

  beforeAll(async () => {
    authority = new CertificateAuthority();
    const { cert, key } = authority.issue("server", "DNS:localhost,IP:127.0.0.1");
    callers = parseCallersFile(
      JSON.stringify({
        callers: [
          { name: "payments", san: ["DNS:payments.bank", "URI:spiffe://bank/payments"], methods: ["*"] },
          { name: "cards", san: ["DNS:cards.bank"], methods: ["GetSignature"] },
        ],
      }),
    );
    running = await runServer({
      tls: { certificates: { cert, key, clientCa: authority.cert }, callers: () => callers },
    });
    running.health.setAll("SERVING");
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await running[Symbol.asyncDispose]();
    authority[Symbol.dispose]();
  });

  function credentials(subjectAltName: string): grpc.ChannelCredentials {
    const { cert, key } = authority.issue("client", subjectAltName);
    return grpc.credentials.createSsl(Buffer.from(authority.cert), Buffer.from(key), Buffer.from(cert));
  }

  function clientOf<S extends DescService>(service: S, subjectAltName: string): GrpcClient<S> {
    const client = grpcClient(service, running.address, credentials(subjectAltName));
    clients.push(client);
    return client;
  }

  it.each([
    "DNS:payments.bank",
    "DNS:PAYMENTS.bank",
    "URI:spiffe://bank/payments",
    "DNS:other,DNS:payments.bank",
  ])("knows %s", async (subjectAltName) => {
    const client = clientOf(SignatureService, subjectAltName);
    await client.startSignature(aStartRequest({ idempotencyKey: subjectAltName.toLowerCase() }));
    expect(running.useCases.startCommands.at(-1)!.caller).toBe("payments");
  });

  it.each([
    ["another host", "DNS:evil.bank"],
    ["a URI that differs in case", "URI:spiffe://bank/Payments"],
    ["a name of another kind", "email:payments@bank"],
    // Node writes it as DNS:"x, DNS:payments.bank", which must not be read as two names.
    ["a host that looks like two", "@alt\n[alt]\nDNS.1=x, DNS:payments.bank"],
    ["a URI with a comma and a host", "@alt\n[alt]\nURI.1=http://x/, DNS:payments.bank"],
  ])("does not know %s", async (_, subjectAltName) => {
    const error = await grpcError(clientOf(SignatureService, subjectAltName).startSignature(aStartRequest()));
    expect(error).toMatchObject({
      code: "UNAUTHENTICATED",
      reason: "CALLER_UNKNOWN",
      domain: "signature.bank",
    });
  });

  it("refuses a certificate that names two callers", async () => {
    const client = clientOf(SignatureService, "DNS:payments.bank,DNS:cards.bank");
    const error = await grpcError(client.getSignature({ signatureId: "x" }));
    expect(error).toMatchObject({
      reason: "CALLER_UNKNOWN",
      message: "the certificate names several callers",
    });
  });

  it("allows a caller what its list names and nothing else", async () => {
    const cards = clientOf(SignatureService, "DNS:cards.bank");
    expect((await grpcError(cards.getSignature({ signatureId: "x" }))).reason).toBe("INVALID_REQUEST");
    const refused = await grpcError(cards.startSignature(aStartRequest()));
    expect(refused).toMatchObject({ code: "PERMISSION_DENIED", reason: "CALLER_NOT_ALLOWED" });
    const watch = cards.watchSignature({ signatureId: "x" })[Symbol.asyncIterator]().next();
    expect((await grpcError(watch)).reason).toBe("CALLER_NOT_ALLOWED");
  });

  it("shows a caller only its own signatures", async () => {
    const { signature } = await clientOf(SignatureService, "DNS:payments.bank").startSignature(
      aStartRequest(),
    );
    const error = await grpcError(
      clientOf(SignatureService, "DNS:cards.bank").getSignature({ signatureId: signature!.id }),
    );
    expect(error.reason).toBe("SIGNATURE_NOT_FOUND");
  });

  it("tells its health to anyone, and reflection to callers alone", async () => {
    expect((await clientOf(Health, "DNS:probe").check({})).status).toBe(1);
    expect(await reflect("DNS:probe")).toBe(grpc.status.UNAUTHENTICATED);
    expect(await reflect("DNS:cards.bank")).toBe(grpc.status.OK);
  });

  function reflect(subjectAltName: string): Promise<number> {
    const client = new grpc.Client(running.address, credentials(subjectAltName));
    clients.push(client);
    const call = client.makeBidiStreamRequest(
      `/${ServerReflection.typeName}/ServerReflectionInfo`,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
    );
    call.end();
    return new Promise((resolve) => {
      call
        .on("status", ({ code }) => resolve(code))
        .on("error", () => {})
        .resume();
    });
  }

  it("follows a reloaded file with the next call of an open connection", async () => {
    const client = clientOf(SignatureService, "DNS:payments.bank");
    await client.startSignature(aStartRequest());
    const before = callers;
    callers = { list: [], bySubjectAltName: new Map() };
    expect((await grpcError(client.startSignature(aStartRequest()))).reason).toBe("CALLER_UNKNOWN");
    callers = before;
    await client.startSignature(aStartRequest());
  });

  it("reads nothing of an unknown caller's request", async () => {
    const client = clientOf(SignatureService, "DNS:evil.bank");
    const large = aStartRequest({ firstFactor: "f".repeat(100_000) });
    expect((await grpcError(client.startSignature(large))).reason).toBe("CALLER_UNKNOWN");
  });
});
