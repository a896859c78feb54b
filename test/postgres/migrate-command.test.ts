import { describe, expect, it, onTestFinished } from "vitest";
import { runMigrateCommand } from "../../src/postgres/migrate-command.ts";
import { createDatabase } from "../support/database.ts";
import { addOwner, createAccount, migrationFolder } from "../support/migration-folder.ts";

const variable = "DATABASE_URL";

async function newCommand(folder: string) {
  const { url, ...database } = await createDatabase({ empty: true });
  onTestFinished(() => database[Symbol.asyncDispose]());
  return async (...args: string[]) => {
    const lines: string[] = [];
    const code = await runMigrateCommand(args, { url, variable, folder, print: (line) => lines.push(line) });
    return { code, text: lines.join("\n") };
  };
}

describe("runMigrateCommand", () => {
  it("goes up and down and shows where the database stands", async () => {
    const command = await newCommand(migrationFolder(createAccount, addOwner));
    expect(await command("status")).toEqual({ code: 0, text: "pending  0000_account\npending  0001_owner" });
    expect(await command("up")).toEqual({ code: 0, text: "applied: 0000_account, 0001_owner" });
    expect(await command("up")).toEqual({ code: 0, text: "applied: nothing" });
    expect(await command("down")).toEqual({ code: 0, text: "taken back: 0001_owner" });
    expect(await command("status")).toEqual({
      code: 0,
      text: expect.stringMatching(/^applied {2}0000_account {2}20\d\d-\S+Z\npending {2}0001_owner$/),
    });
    expect(await command("down", "2")).toEqual({ code: 0, text: "taken back: 0000_account" });
  });

  it.each([[[]], [["sideways"]], [["down", "0"]], [["down", "-1"]], [["down", "all"]], [["up", "1"]]])(
    "prints its usage for %j",
    async (args) => {
      const lines: string[] = [];
      const options = {
        ...{ url: "postgres://127.0.0.1:1/none", variable },
        folder: "",
        print: (line: string) => lines.push(line),
      };
      expect(await runMigrateCommand(args, options)).toBe(2);
      expect(lines.join()).toContain("usage:");
    },
  );

  it("fails with the reason, without the password", async () => {
    const refused = await newCommand(migrationFolder({ tag: "0000_broken", up: "select from nowhere" }));
    expect(await refused("up")).toEqual({ code: 1, text: expect.stringContaining("0000_broken failed") });
    const lines: string[] = [];
    const options = { folder: migrationFolder(createAccount), print: (line: string) => lines.push(line) };
    expect(
      await runMigrateCommand(["up"], { url: "postgres://u:secret@127.0.0.1:1/x", variable, ...options }),
    ).toBe(1);
    expect(lines).toEqual([
      "the database of DATABASE_URL (127.0.0.1:1/x): nothing listens there (ECONNREFUSED). Start PostgreSQL, or correct host and port.",
    ]);
  });
});
