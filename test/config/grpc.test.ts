import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Environment } from "../../src/config/environment.ts";
import { readQuotas } from "../../src/config/grpc.ts";
import { KeysFile } from "../../src/config/keys-file.ts";
import { defaultQuotas } from "../../src/grpc/limits.ts";
import { reloadFiles } from "../../src/grpc/reload-files.ts";
import { temporaryDirectory } from "../support/live-installation.ts";

function read(variables: Record<string, string>) {
  const env = new Environment(variables);
  return { ...readQuotas(env), faults: env.faults };
}

test("quotas are those that the server has by itself, unless set", () => {
  const { all, caller, unknown } = defaultQuotas;
  expect(read({})).toEqual({ all, caller, unknown, faults: [] });
  const changed = read({ GRPC_STREAMS: "4000", GRPC_CALLER_STREAMS: "1500", GRPC_UNKNOWN_CONNECTIONS: "5" });
  expect(changed).toMatchObject({
    all: { ...all, streams: 4000 },
    caller: { ...caller, streams: 1500 },
    unknown: { ...unknown, connections: 5 },
    faults: [],
  });
});

test("quotas leave room for unary calls, and no peer gets more than all", () => {
  expect(read({ GRPC_STREAMS: "5000" }).faults).toEqual([
    "GRPC_STREAMS must be less than GRPC_CALLS: the rest is for unary calls",
  ]);
  expect(read({ GRPC_CALLER_CALLS: "6000" }).faults).toEqual([
    "GRPC_CALLER_CALLS must not be more than GRPC_CALLS",
  ]);
  expect(read({ GRPC_UNKNOWN_STREAMS: "0" }).faults).toHaveLength(1);
});

test("a variable that is too long is a fault, and nothing else is done with it", () => {
  const env = new Environment({ A: "a".repeat(9000), B: "b,".repeat(5000), C: "c" });
  expect([env.text("A"), env.list("B"), env.text("C")]).toEqual([undefined, undefined, "c"]);
  expect(env.faults).toEqual(["A must have at most 8192 characters", "B must have at most 8192 characters"]);
});

test("a file of more than 1 MiB is refused unread", () => {
  const path = join(temporaryDirectory(), "large.json");
  writeFileSync(path, "[".repeat((1 << 20) + 1), { mode: 0o600 });
  expect(() => new KeysFile(path)).toThrow(`${path} has more than 1048576 bytes`);
  const options = {
    files: { callers: path },
    parse: (texts: { callers: string }) => texts,
    onChange() {},
    onFault() {},
  };
  expect(() => reloadFiles(options)).toThrow(`callers: ${path} has more than 1 MiB`);
});
