import { describe, expect, it } from "vitest";
import { createDatabase } from "../support/database.ts";
import { failedStart } from "../support/failed-start.ts";
import { grpcError } from "../support/grpc-client.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { runTool } from "../support/tool-process.ts";

describe("npm run migrate", () => {
  it("takes a live database back and up again; a service that only checks serves what fits, and nothing else", async () => {
    await using database = await createDatabase();
    const env = { DATABASE_URL: database.url };
    const said = async (...args: string[]) => (await runTool("migrate", args, env)).said;
    expect(await said("status")).toMatch(/^applied {2}0000_\S+ .*\napplied {2}0001_\S+ /);
    await using installation = await LiveInstallation.create(database.url);
    expect(await said("down")).toMatch(/^taken back: 0001_\w+\n$/);
    const behind = await failedStart(installation.environment({ SIGNATURE_MIGRATE: "check" }));
    expect({ code: behind.code, listened: behind.listened }).toEqual({ code: 1, listened: false });
    expect(behind.said).toContain("the database is behind this code");
    expect(await said("up")).toMatch(/^applied: 0001_\w+\n$/);
    const { client } = await installation.startReplica({ SIGNATURE_MIGRATE: "check" });
    const signatureId = "00000000-0000-7000-8000-000000000000";
    expect((await grpcError(client.getSignature({ signatureId }))).reason).toBe("SIGNATURE_NOT_FOUND");
    const sideways = await runTool("migrate", ["sideways"], env);
    expect(sideways).toMatchObject({ code: 2, said: expect.stringContaining("usage:") });
  }, 30_000);
});
