import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { HealthState } from "../../src/grpc/health.ts";
import { type GrpcClient, grpcClient, grpcError } from "../support/grpc-client.ts";
import { type RunningServer, runServer } from "../support/grpc-server.ts";

const service = SignatureService.typeName;

describe("grpc.health.v1", () => {
  let running: RunningServer;
  let client: GrpcClient<typeof Health>;
  beforeEach(async () => {
    running = await runServer();
    client = grpcClient(Health, running.address);
  });
  afterEach(async () => {
    client.close();
    await running[Symbol.asyncDispose]();
  });

  it("serves nothing until it is told so", async () => {
    expect((await client.check({})).status).toBe(Status.NOT_SERVING);
    expect((await client.check({ service })).status).toBe(Status.NOT_SERVING);
    running.health.setAll("SERVING");
    expect((await client.check({})).status).toBe(Status.SERVING);
    expect((await client.check({ service })).status).toBe(Status.SERVING);
  });

  it("tells services apart", async () => {
    running.health.set("", "SERVING");
    const { statuses } = await client.list({});
    expect(statuses).toMatchObject({
      "": { status: Status.SERVING },
      [service]: { status: Status.NOT_SERVING },
    });
  });

  it("does not know other services", async () => {
    expect((await grpcError(client.check({ service: "bank.Other" }))).code).toBe("NOT_FOUND");
  });

  it("streams the status now and on change, and quick changes as one", async () => {
    const seen: number[] = [];
    for await (const { status } of client.watch({ service })) {
      seen.push(status);
      if (seen.length === 1) running.health.setAll("SERVING");
      else if (seen.length === 2) {
        running.health.setAll("SERVING");
        running.health.setAll("NOT_SERVING");
      } else break;
    }
    expect(seen).toEqual([Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
  });

  it("watches an unknown service until it is known", async () => {
    const seen: number[] = [];
    for await (const { status } of client.watch({ service: "bank.Later" })) {
      seen.push(status);
      if (seen.length === 2) break;
      running.health.set("bank.Later", "SERVING");
    }
    expect(seen).toEqual([Status.SERVICE_UNKNOWN, Status.SERVING]);
  });

  it("says NOT_SERVING before a closing server ends the stream", async () => {
    running.health.setAll("SERVING");
    const seen: number[] = [];
    const watched = (async () => {
      for await (const { status } of client.watch({ service })) {
        seen.push(status);
        if (seen.length > 1) continue;
        running.health.setAll("NOT_SERVING");
        void running.server.drain(5000);
      }
    })();
    expect(await grpcError(watched)).toMatchObject({ code: "UNAVAILABLE", reason: "SERVICE_UNAVAILABLE" });
    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
  });

  it("forgets a watcher that has left", async () => {
    const state = new HealthState([]);
    const leave = new AbortController();
    const watch = state.watch("", leave.signal);
    expect(await watch.next()).toEqual({ done: false, value: "NOT_SERVING" });
    const ended = watch.next();
    leave.abort();
    expect(await ended).toEqual({ done: true, value: undefined });
  });
});
