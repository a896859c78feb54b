import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";
import { runTool, type ToolRun } from "../support/tool-process.ts";

let database: TestDatabase;
let installation: LiveInstallation;
let router: RouterProcess;
const said: string[] = [];

beforeAll(async () => {
  database = await createDatabase();
  installation = await LiveInstallation.create(database.url);
  router = await installation.startReplica();
});

afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

async function admin(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<ToolRun> {
  const run = await runTool("admin", [...args, "--as", "Ana Ruiz"], { DATABASE_URL: database.url, ...env });
  said.push(run.said);
  return run;
}

async function started(customerId: string): Promise<string> {
  const { signature } = await router.client.startSignature(aStartOf(aPhoneNumber(), { customerId }));
  return signature?.id ?? "";
}

describe("npm run admin -- forget", () => {
  const customer = "Customer-77182934-X";
  const forget = ["forget", "--customer", customer];
  const keys = () => ({ SIGNATURE_KEYS_FILE: installation.keysFile });

  it("needs the keys, and closed signatures; leaves what is held; and tells nobody who it was", async () => {
    const [id, kept] = [await started(customer), await started(customer.toLowerCase())];
    const nameless = await admin(["forget"]);
    expect(nameless).toMatchObject({
      code: 2,
      said: expect.stringContaining("forget needs --customer <id>"),
    });
    expect((await admin(forget, { DATA_DIR: "/nonexistent" })).code).toBe(1);
    expect(await admin(forget, keys())).toMatchObject({
      code: 1,
      said: expect.stringContaining("refused: the customer has an open signature"),
    });
    for (const signatureId of [id, kept]) await router.client.abortSignature({ signatureId });
    expect(await admin(["hold", kept])).toMatchObject({ code: 0, said: expect.stringContaining("held") });

    const spelled = ["forget", "--customer", ` ${customer.toUpperCase()}`];
    expect(await admin(spelled, keys())).toMatchObject({
      code: 0,
      said: expect.stringContaining("forgotten: the customer of 1 signatures; 1 are held"),
    });
    expect(await admin(["block-customer", id, "--seconds", "60"])).toMatchObject({
      code: 1,
      said: expect.stringContaining("the customer of this signature was forgotten"),
    });
    expect(await admin(["block-number", kept, "--seconds", "60"])).toMatchObject({
      code: 1,
      said: expect.stringContaining("its number is erased"),
    });
    expect((await admin(["show", kept])).said).toMatch(/held_since {2,}20/);
    expect((await admin(["release-hold", kept])).code).toBe(0);
    const { signature } = await router.client.getSignature({ signatureId: id });
    expect(signature?.challenge?.maskedDestination).toMatch(/^\+34 \*\*\* \*\*\* \d{3}$/);

    const acts = await admin(["acts"]);
    expect(acts).toMatchObject({ code: 0, said: expect.stringContaining("all fit") });
    const orders = acts.said.split("\n").filter((line) => line.includes("ORDERED"));
    expect(orders.map((line) => /\) {2}([\w-]+) /.exec(line)?.[1])).toEqual(
      expect.arrayContaining(["forget", "hold", "block-customer", "release-hold"]),
    );
    const all = [...said, ...router.stdout, ...router.stderr].join("\n").toLowerCase();
    expect(all).not.toContain("77182934");
  });
});
