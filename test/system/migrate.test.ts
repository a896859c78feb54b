import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createDatabase } from "../support/database.ts";
import { failedStart } from "../support/failed-start.ts";
import { grpcError } from "../support/grpc-client.ts";
import { LiveInstallation, temporaryDirectory } from "../support/live-installation.ts";
import { RouterProcess } from "../support/router-process.ts";
import { runTool } from "../support/tool-process.ts";

const { entries }: { entries: { tag: string }[] } = JSON.parse(
  readFileSync(new URL("../../drizzle/meta/_journal.json", import.meta.url), "utf8"),
);
const migrations = entries.map(({ tag }) => tag);
const latest = migrations.at(-1);

describe("npm run migrate", () => {
  it("takes a live database back and up again; a service that only checks serves what fits, and nothing else", async () => {
    await using database = await createDatabase();
    const env = { DATABASE_URL: database.url };
    const said = async (...args: string[]) => (await runTool("migrate", args, env)).said;
    const applied = [...(await said("status")).matchAll(/^applied {2}(\S+) /gm)].map(([, tag]) => tag);
    expect(applied).toEqual(migrations);
    await using installation = await LiveInstallation.create(database.url);
    expect(await said("down")).toBe(`taken back: ${latest}\n`);
    const behind = await failedStart(installation.environment({ SIGNATURE_MIGRATE: "check" }));
    expect({ code: behind.code, listened: behind.listened }).toEqual({ code: 1, listened: false });
    expect(behind.said).toContain("the database is behind this code");
    expect(await said("up")).toBe(`applied: ${latest}\n`);
    const { client } = await installation.startReplica({ SIGNATURE_MIGRATE: "check" });
    const signatureId = "00000000-0000-7000-8000-000000000000";
    expect((await grpcError(client.getSignature({ signatureId }))).reason).toBe("SIGNATURE_NOT_FOUND");
    const sideways = await runTool("migrate", ["sideways"], env);
    expect(sideways).toMatchObject({ code: 2, said: expect.stringContaining("usage:") });
  }, 30_000);

  it("finds the embedded database of a running service, and leaves it running", async () => {
    const cwd = temporaryDirectory();
    onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
    const env = { DATA_DIR: join(cwd, "data") };
    await using router = await RouterProcess.start({ env, cwd });
    const status = await runTool("migrate", ["status"], env);
    expect(status).toMatchObject({ code: 0, said: expect.stringMatching(/^applied {2}0000_\S+ /) });
    const signatureId = "00000000-0000-7000-8000-000000000000";
    const error = await grpcError(router.client.getSignature({ signatureId }));
    expect(error.reason).toBe("SIGNATURE_NOT_FOUND");
  });
});
