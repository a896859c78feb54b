import { expect, test } from "vitest";
import type { SignatureProvider } from "../../src/domain/provider.ts";
import { openStores } from "../../src/main/stores.ts";
import { Database } from "../../src/postgres/database.ts";
import { instrumentedStore } from "../../src/telemetry/instrumented-store.ts";
import { tracedProvider } from "../../src/telemetry/traced-provider.ts";
import { useDatabase } from "../support/database.ts";
import { recordedSpans } from "../telemetry/recorded-spans.ts";
import { startedTelemetry } from "../telemetry/started-telemetry.ts";

/** More than any method of a port has, so that an argument that is added later is handed on, too. */
const args = ["a", "b", "c", "d", "e", "f", "g", "h"];

/** The same object, whose methods do nothing but note what arrived and answer with it. */
function recording<T extends object>(target: T, arrived: Map<string, unknown[]>): T {
  return new Proxy(target, {
    get(_, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== "function") return member;
      return async (...given: unknown[]) => {
        arrived.set(String(property), given);
        return given;
      };
    },
  });
}

function methodsOf(adapter: object): string[] {
  const names = new Set<string>();
  for (let at = adapter; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  names.delete("constructor");
  return [...names].filter((name) => typeof Reflect.get(adapter, name) === "function");
}

/** Calls a method by its name, as no caller with types could. */
async function call(target: object, name: string): Promise<unknown> {
  return await (Reflect.get(target, name) as (...given: unknown[]) => unknown)(...args);
}

test("every method of every store gets all arguments through what is around it, measured and traced", async () => {
  const { url } = await useDatabase();
  const database = new Database({ url, connections: 1 });
  await using started = await startedTelemetry();
  using spans = recordedSpans();
  const { instruments } = started;
  for (const tracing of [started.telemetry.tracing, spans.tracing]) {
    const arrived = new Map<string, unknown[]>();
    const methods = new Map<string, string[]>();
    const stores = openStores(
      database,
      { settleMs: 2000, provideFeedback: true, newestText: 1 },
      {
        decorate(name, store) {
          methods.set(name, methodsOf(store));
          return instrumentedStore(recording(store, arrived), { tracing, instruments, name });
        },
        observer: { observe: () => undefined },
      },
    );
    expect(methods.size).toBe(Object.keys(stores).length);
    const decorated = [...methods.values()];
    for (const [n, store] of Object.values(stores).entries()) {
      for (const method of decorated[n] ?? []) {
        arrived.clear();
        expect([method, await call(store, method)]).toEqual([method, args]);
        expect([...arrived]).toEqual([[method, args]]);
      }
    }
  }
  await database.close();
});

test("a traced provider has every method of the port and hands on all that it takes", async () => {
  using spans = recordedSpans();
  const arrived = new Map<string, unknown[]>();
  const port: Required<SignatureProvider> = {
    ...{ name: "twilio", channel: "sms" as const, isAvailable: () => true },
    sendChallenge: (...given) => Promise.resolve(given as never),
    findChallenges: (...given) => Promise.resolve(given as never),
  };
  const provider = tracedProvider(recording(port, arrived), spans.tracing, {
    ...{ address: "localhost", port: 443, template: "/Messages.json" },
  });
  const expected = { sendChallenge: 3, findChallenges: 2, isAvailable: 0 };
  expect(methodsOf(port).toSorted()).toEqual(Object.keys(expected).toSorted());
  for (const [name, count] of Object.entries(expected)) {
    arrived.clear();
    await call(provider, name);
    expect(arrived.get(name)).toEqual(args.slice(0, count));
  }
});

test("a traced use case gets every argument", async () => {
  using spans = recordedSpans();
  const useCase = spans.tracing.useCase("StartSignature", { execute: async (...given: unknown[]) => given });
  expect(await useCase.execute(...args)).toEqual(args);
});
