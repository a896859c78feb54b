import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { grpcClient } from "../support/grpc-client.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { bundleVariable } from "../support/program.ts";
import { aPhoneNumber, aStartOf, challengeStatusName } from "../support/signature-requests.ts";

const root = join(import.meta.dirname, "../..");
const entrypoint = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(join(root, ".deploy/Dockerfile"), "utf8"));
const imageFlags = (JSON.parse(entrypoint?.[1] ?? "[]") as string[]).slice(1);
const npm = ["npm", "start"] as const;
const namespaces = spawnSync("unshare", ["--pid", "--fork", "true"]).status === 0;

/** A command in a process group of its own, which has to be empty at the end. */
class Group implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown[]>;
  readonly said: string[] = [];

  constructor(command: readonly [string, ...string[]], env: Readonly<Record<string, string>>) {
    const [program, ...args] = command;
    this.child = spawn(program, args, {
      cwd: root,
      env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.exited = once(this.child, "close");
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface(stream as Readable).on("line", (line) => this.said.push(line));
    }
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Where the service listens, once it does. */
  async listener(name: string): Promise<string> {
    const lines = createInterface(this.child.stdout as Readable);
    const found = () => this.said.find((line) => line.includes(`"service":"${name}"`));
    while (found() === undefined) {
      await Promise.race([once(lines, "line"), this.exited]);
      if (this.child.exitCode !== null) throw new Error(this.said.join("\n"));
    }
    return (JSON.parse(found() ?? "{}") as { listen: string }).listen;
  }

  /** Process ids of the group, as the kernel has them. */
  members(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((name) => {
        try {
          const [state, , group] = readFileSync(`/proc/${name}/stat`, "utf8")
            .replace(/^.*\) /s, "")
            .split(" ");
          return Number(group) === this.pid && state !== "Z";
        } catch {
          return false;
        }
      })
      .map(Number);
  }

  /** The member whose command line begins so. */
  member(begin: string): number {
    const line = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    const found = this.members().find((pid) => line(pid).startsWith(begin));
    if (found === undefined) throw new Error(`no ${begin}: ${this.members().map(line).join(", ")}`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.members().length > 0) process.kill(-this.pid, "SIGKILL");
    await this.exited;
  }
}

describe("npm start", () => {
  let database: TestDatabase;
  let installation: LiveInstallation;
  let env: Record<string, string>;

  beforeAll(async () => {
    database = await createDatabase();
    installation = await LiveInstallation.create(database.url);
    const any = "127.0.0.1:0";
    env = installation.environment({
      ...{ GRPC_LISTEN: any, HTTP_LISTEN: any, OPS_LISTEN: any },
      TWILIO_TIMEOUT_SECONDS: "5",
      SIGNATURE_LEASE_SECONDS: "20",
    });
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });

  /** Ends it while a call to Twilio is under way. */
  async function drains(command: readonly [string, ...string[]], end: (group: Group) => void): Promise<void> {
    await using group = new Group(command, env);
    const client = grpcClient(SignatureService, new URL(await group.listener("grpc")).host);
    const to = aPhoneNumber();
    installation.double.plan(to, [{ kind: "latency", ms: 1500 }]);
    const called = once(installation.double, "call");
    const answer = client.startSignature(aStartOf(to));
    await called;
    end(group);
    expect(challengeStatusName((await answer).signature?.challenge?.status)).toBe("SENT");
    const [code] = await group.exited;
    client.close();
    expect({ code, left: group.members() }).toEqual({ code: 0, left: [] });
    expect(group.said.at(-1)).toContain('"stopped"');
  }

  it("drains and ends with 0 on SIGTERM to npm alone", () =>
    drains(npm, ({ pid }) => process.kill(pid, "SIGTERM")));

  it("drains and ends with 0 on SIGTERM to the process group, of which npm passes on a copy", () =>
    drains(npm, ({ pid }) => process.kill(-pid, "SIGTERM")));

  it.skipIf(!namespaces)("drains and ends with 0 on SIGTERM to npm as PID 1", () =>
    drains(["unshare", "--pid", "--fork", ...npm], (group) =>
      process.kill(group.member("npm start"), "SIGTERM"),
    ),
  );

  it("runs with the flags of the image, on the Node that package.json pins, and SIGUSR1 opens no inspector", async () => {
    expect(imageFlags).toContain("--disable-sigusr1");
    await using group = new Group(npm, env);
    await group.listener("grpc");
    const service = group.member("node ");
    const [, ...args] = readFileSync(`/proc/${service}/cmdline`, "utf8").split("\0");
    expect(args.slice(0, imageFlags.length)).toEqual(imageFlags);
    const version = execFileSync(`/proc/${service}/exe`, ["--version"], { encoding: "utf8" });
    expect(version.trim()).toBe(`v${packageJson.devDependencies.node}`);
    expect(readFileSync(`/proc/${service}/limits`, "utf8")).toMatch(/^Max core file size +0 +0 /m);
    process.kill(service, "SIGUSR1");
    process.kill(group.pid, "SIGTERM");
    await group.exited;
    expect(group.said.join("\n")).not.toContain("Debugger");
  });

  it("is not needed: the bundle has a start.sh with the same flags, and without them opens no inspector", async () => {
    const bundle = process.env[bundleVariable] ?? "";
    expect(readFileSync(join(bundle, "start.sh"), "utf8")).toContain(`exec node ${imageFlags.join(" ")} `);
    await using group = new Group([process.execPath, join(bundle, "main.mjs")], env);
    await group.listener("grpc");
    process.kill(group.pid, "SIGUSR1");
    process.kill(group.pid, "SIGTERM");
    const [code] = await group.exited;
    expect(code).toBe(0);
    expect(group.said.join("\n")).not.toContain("Debugger");
  });
});
