import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GrpcServer } from "../../src/grpc/server.ts";
import { built, canBuild, type GoTool, sourcesOf } from "./go-tool.ts";
import { startInteropServer } from "./interop-server.ts";

const run = promisify(execFile);
const here = new URL(".", import.meta.url).pathname;
/** A build of either tool downloads some 60 modules. */
const buildMs = 300_000;
const suiteMs = 120_000;

const connect: GoTool = { module: "connectrpc.com/conformance@v1.0.7", command: "cmd/connectconformance" };
const interop: GoTool = { module: "google.golang.org/grpc@v1.85.0", command: "interop/client" };

describe.skipIf(!(await canBuild(connect)))(
  "Connect's conformance suite (needs Go and its module proxy)",
  () => {
    let suite: string;
    let protos: string;
    beforeAll(async () => {
      suite = await built(connect);
      protos = join(await sourcesOf(connect), "proto");
    }, buildMs);

    it(
      "passes with all of its 376 cases, in clear and over mutual TLS",
      async () => {
        const options = ["--mode", "server", "--conf", join(here, "connect.yaml"), "--max-servers", "2"];
        const server = [process.execPath, join(here, "connect-server.ts"), protos];
        const { stdout } = await run(suite, [...options, "--", ...server]).catch(
          (error: { stdout: string; stderr: string }) => ({ stdout: error.stdout + error.stderr }),
        );
        expect(stdout).not.toContain("FAILED");
        expect(stdout).toContain("Total cases: 376\n376 passed, 0 failed");
      },
      suiteMs,
    );
  },
);

describe.skipIf(!(await canBuild(interop)))(
  "grpc-go's interop client (needs Go and its module proxy)",
  () => {
    let client: string;
    let server: GrpcServer;
    beforeAll(async () => {
      client = await built(interop);
      server = await startInteropServer();
    }, buildMs);
    afterAll(() => server?.drain(0));

    it.each([
      "empty_unary",
      "large_unary",
      "client_streaming",
      "server_streaming",
      "ping_pong",
      "empty_stream",
      "timeout_on_sleeping_server",
      "cancel_after_begin",
      "cancel_after_first_response",
      "status_code_and_message",
      "special_status_message",
      "custom_metadata",
      "unimplemented_method",
      "unimplemented_service",
      "pick_first_unary",
    ])(
      "passes %s",
      async (testCase) => {
        const { address, port } = server.address;
        const at = [`--server_host=${address}`, `--server_port=${port}`];
        // It says so only at this level, and ends with another code than 0 where the case fails.
        const env = { ...process.env, GRPC_GO_LOG_SEVERITY_LEVEL: "info" };
        const { stderr } = await run(client, [...at, `--test_case=${testCase}`], { env });
        expect(stderr).toMatch(/ done$/im);
      },
      suiteMs,
    );
  },
);
