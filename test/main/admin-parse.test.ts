import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { commands } from "../../src/main/admin/commands.ts";
import { parse } from "../../src/main/admin/parse.ts";
import { runTool } from "../support/tool-process.ts";

const as = "Ana Ruiz";

test("has a help text for every command, which needs neither a name nor a database", async () => {
  for (const command of commands) {
    const { text, asked } = parse([command.name, "--help"]) as { text: string; asked: boolean };
    expect(asked).toBe(true);
    expect(text).toContain(command.summary);
    expect(command.help.length).toBeGreaterThan(40);
  }
  expect(await runTool("admin", ["purge", "--help"], {})).toMatchObject({
    code: 0,
    said: expect.stringContaining("npm run admin -- purge"),
  });
});

test("says in one line what is wrong, and bounds every number", () => {
  expect(parse(["stuck", "--as", as, "--seconds", "5"])).toMatchObject({
    text: expect.stringContaining("stuck takes no --seconds"),
  });
  for (const [args, fault] of [
    [["block-customer", "--seconds", "1e15"], "--seconds must be a whole number from 1 to 31536000 (a year)"],
    [
      ["block-number", "--seconds", "31536001"],
      "--seconds must be a whole number from 1 to 31536000 (a year)",
    ],
    [["block-number"], "--seconds must be a whole number from 1 to 31536000 (a year)"],
    [["abort", "--note", "call 612 34 56 78"], "must hold no personal data: it has a number"],
    [["abort", "--note", "ana@bank.example"], "must hold no personal data: it has an e-mail address"],
    [["abort", "--note", "n".repeat(281)], "--note must have at most 280 characters"],
  ] as const) {
    const [name, ...rest] = args;
    expect(parse([name, randomUUID(), ...rest, "--as", as])).toMatchObject({
      ...{ asked: false, text: expect.stringContaining(fault) },
    });
  }
  for (const days of ["0", "1e15", "99999", "-1", "1.5"])
    expect(parse(["purge", `--days=${days}`, "--as", as])).toMatchObject({
      text: expect.stringContaining("--days must be a whole number from 1 to 36500"),
    });
});
