import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import * as grpc from "@grpc/grpc-js";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { SignatureStatus } from "../../src/gen/bank/signature/v1/signature_pb.ts";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { VaultDouble } from "../../src/sandbox/vault-double.ts";
import { grpcClient } from "../support/grpc-client.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";
import { DeployedDatabase, ImageProcess, PreparedSecrets } from "./deployment.ts";
import { linkPackages, type RehearsedImage, rehearseImage } from "./image-rehearsal.ts";

const root = join(import.meta.dirname, "../..");

/** Twilio's double as compose.yaml runs it, on free ports. */
async function startDouble(file: string): Promise<{ api: string; inbox: string; child: ChildProcess }> {
  const args = [join(root, ".deploy/twilio-double.ts"), file, "0", "0"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface(child.stdout as Readable), "line");
  return { ...(JSON.parse(line) as { api: string; inbox: string }), child };
}

describe("the production image", () => {
  const left = new AsyncDisposableStack();
  let image: RehearsedImage;
  let secrets: PreparedSecrets;
  let database: DeployedDatabase;
  let double: Awaited<ReturnType<typeof startDouble>>;
  let router: ImageProcess;
  let env: Record<string, string>;
  let files: string[];

  beforeAll(async () => {
    secrets = left.use(new PreparedSecrets());
    const doubleStarts = startDouble(join(secrets.folder, "local/twilio.json"));
    const { VAULT_ROLE_ID: roleId = "", VAULT_SECRET_ID: secretId = "" } = secrets.env;
    const vault = left.use(await VaultDouble.start({ appRole: { roleId, secretIds: new Set([secretId]) } }));
    vault.kv.put("providers/twilio", secrets.json("twilio.json"));
    vault.kv.put("signature-router/keys", secrets.json("keys.json"));
    database = left.use(new DeployedDatabase(secrets.env));
    await database.run("roles.sql");
    double = await doubleStarts;
    left.defer(() => void double.child.kill());
    image = left.use(rehearseImage(linkPackages));
    const composed = secrets.mount("router", image);
    env = {
      ...composed,
      DATABASE_URL: database.url(composed["DATABASE_URL"] ?? ""),
      VAULT_ADDR: vault.url,
      TWILIO_API_URL: double.api,
      // Receipts go where nobody listens.
      PUBLIC_URL: "http://127.0.0.1:9",
      GRPC_LISTEN: "127.0.0.1:0",
      HTTP_LISTEN: "127.0.0.1:0",
      OPS_LISTEN: "127.0.0.1:0",
    };
    files = globSync("**", { cwd: image.folder });
  });

  afterAll(() => left.disposeAsync());

  /** `migrate.mjs` in the image, with what compose.yaml gives it. */
  async function migrate(...args: string[]): Promise<{ code: number | null; output: string }> {
    const url = database.url(secrets.mount("migrate", image)["DATABASE_URL"] ?? "");
    await using process = new ImageProcess(image, ["node", "migrate.mjs", ...args], { DATABASE_URL: url });
    return { code: await process.end(), output: process.output };
  }

  it("is built by two commands, by the Node that package.json names, and holds no packages", () => {
    expect(image.ran).toEqual([
      "npm ci --ignore-scripts --no-audit",
      "node .deploy/bundle.ts dist source-maps",
    ]);
    const dockerfile = readFileSync(join(root, ".deploy/Dockerfile"), "utf8");
    expect(dockerfile).toContain(`FROM node:${packageJson.devDependencies.node}-`);
    expect(image.uid).toBe(65532);
    expect(files.filter((path) => /node_modules|package(-lock)?\.json$|\.(ts|map|node)$/.test(path))).toEqual(
      [],
    );
    expect(readFileSync(join(image.folder, "app/THIRD-PARTY-NOTICES.txt"), "utf8")).toContain("twilio");
  });

  it("refuses to serve a database that is behind, and migrates it as another role", async () => {
    await using early = new ImageProcess(image, image.command, env);
    expect(await early.end()).toBe(1);
    expect(early.output).toContain("the database is behind this code");
    expect(await migrate("up")).toMatchObject({ code: 0, output: expect.stringContaining("0000_") });
    const { DATABASE_URL: url = "" } = secrets.mount("migrate", image);
    const owner = postgres(database.url(url), { max: 1 });
    await database.run("grants.sql", owner).finally(() => owner.end());
    expect((await migrate("status")).output).not.toMatch(/pending|ahead/);
  });

  it("signs a transaction from a read-only folder, over mutual TLS, as a user without rights", async () => {
    router = left.use(new ImageProcess(image, image.command, env));
    const [key, cert] = [secrets.pem("payments.key"), secrets.pem("payments.pem")];
    const credentials = grpc.credentials.createSsl(secrets.pem("ca.pem"), key, cert);
    const address = await router.listener("grpc");
    const name = { "grpc.ssl_target_name_override": "router" };
    const health = grpcClient(Health, address, credentials, name);
    const client = grpcClient(SignatureService, address, credentials, name);
    left.defer(() => health.close());
    left.defer(() => client.close());
    for await (const { status } of health.watch({}, { deadlineMs: 10_000 })) {
      if (status === HealthCheckResponse_ServingStatus.SERVING) break;
    }
    const to = aPhoneNumber();
    const started = await client.startSignature(aStartOf(to));
    const signatureId = started.signature?.id ?? "";
    const inbox = await fetch(`${double.inbox}/messages.json?to=${encodeURIComponent(to)}`);
    const [code] = /\b\d{6}\b/.exec(await inbox.text()) ?? [];
    await client.completeSignature({ signatureId, code: code ?? "" });
    const { signature } = await client.getSignature({ signatureId });
    expect(signature?.status).toBe(SignatureStatus.COMPLETED);
    if (process.getuid?.() === 0) {
      const status = readFileSync(`/proc/${router.pid}/status`, "utf8");
      expect(status).toMatch(/^Uid:\s+65532\s+65532/m);
    }
  });

  it("is healthy by its own check while it is ready, ends with 0, and has written nothing", async () => {
    const OPS_LISTEN = await router.listener("ops");
    const healthcheck = async () => {
      await using check = new ImageProcess(image, image.healthcheck, { OPS_LISTEN });
      return await check.end();
    };
    expect(await healthcheck()).toBe(0);
    expect(await router.stop()).toBe(0);
    expect(router.stderr).toEqual([]);
    expect(await healthcheck()).toBe(1);
    expect(globSync("**", { cwd: image.folder })).toEqual(files);
  });
});
