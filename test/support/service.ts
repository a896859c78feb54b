import { randomBytes } from "node:crypto";
import { v7 } from "uuid";
import { afterAll, afterEach, beforeEach } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import type { KeyRing, KeySource, Keys } from "../../src/domain/keys.ts";
import { parsePhoneNumber } from "../../src/domain/phone-number.ts";
import { Database } from "../../src/postgres/database.ts";
import type { StartSignatureCommand } from "../../src/usecases/start-signature-command.ts";
import { FakeProvider } from "../fakes/fake-provider.ts";
import { useDatabase } from "./database.ts";
import { aTransaction } from "./domain.ts";
import { Replica, type ReplicaSettings } from "./replica.ts";
import { ServiceTime } from "./service-time.ts";

const ring = (): KeyRing => ({ primary: "k1", keys: new Map([["k1", randomBytes(32)]]) });

function someKeys(): KeySource {
  const keys: Keys = {
    codePepper: ring(),
    phoneSeal: ring(),
    pseudonym: ring(),
    evidence: ring(),
    receipt: ring(),
  };
  return { current: () => keys, refresh: async () => keys };
}

let numbers = 0;

/** A request of a new customer with a new number, under a new key. */
export function aStartCommand(over: Partial<StartSignatureCommand> = {}): StartSignatureCommand {
  numbers += 1;
  const phone = `+346${String(numbers).padStart(8, "0")}`;
  const phoneNumber = parsePhoneNumber(new Faults(), "phone_number", phone);
  if (phoneNumber === undefined) throw new Error(`${phone} is no phone number`);
  return {
    caller: "payments",
    idempotencyKey: v7(),
    customerId: `customer-${numbers}`,
    phoneNumber,
    transaction: aTransaction(),
    channel: undefined,
    locale: "es",
    ttlMs: 300_000,
    warnings: [],
    firstFactor: "",
    ...over,
  };
}

/** The one-time code at the beginning of a message without a brand. */
export function codeIn(message: { readonly text: string } | undefined): string {
  const code = /^\d{6}(?= )/.exec(message?.text ?? "")?.[0];
  if (code === undefined) throw new Error("there is no code in the message");
  return code;
}

/** Another code than the one given. */
export function wrongCode(right: string): string {
  return `${right.slice(0, 5)}${(Number(right[5]) + 1) % 10}`;
}

/** The use cases over PostgreSQL and a provider in memory, in as many replicas as a test asks for. */
export class Service {
  readonly time: ServiceTime;
  readonly sql: Awaited<ReturnType<typeof useDatabase>>["sql"];
  readonly keys = someKeys();
  readonly database: Database;
  #replicas: Replica[] = [];
  #provider: FakeProvider;

  constructor(time: ServiceTime, database: Database, sql: Service["sql"]) {
    this.time = time;
    this.sql = sql;
    this.database = database;
    this.#provider = this.#newProvider();
  }

  /** The provider of this test. It keeps what those of earlier tests accepted, as a real one would. */
  get provider(): FakeProvider {
    return this.#provider;
  }

  replica(settings: ReplicaSettings = {}): Replica {
    const { time, keys, provider } = this;
    const replica = new Replica({ time, keys, provider, database: this.database }, settings);
    this.#replicas.push(replica);
    return replica;
  }

  /** Messages that the customer of a request got, oldest first. */
  messages({ phoneNumber }: StartSignatureCommand) {
    return this.provider.accepted.filter((message) => message.to === phoneNumber.e164);
  }

  async row(table: "signature" | "challenge", id: string): Promise<Record<string, unknown>> {
    const [row] = await this.sql`select * from ${this.sql(table)} where id = ${id}`;
    if (row === undefined) throw new Error(`there is no ${table} ${id}`);
    return row;
  }

  /** The signature and the challenge that a start recorded. */
  async idsOf({
    idempotencyKey,
  }: StartSignatureCommand): Promise<{ signatureId: string; challengeId: string }> {
    const [row] = await this.sql`
      select signature_id, challenge_id from idempotency_key where key = ${idempotencyKey}`;
    return { signatureId: String(row?.["signature_id"]), challengeId: String(row?.["challenge_id"]) };
  }

  /** A start whose process dies in its first call, which the provider has taken or not. */
  async diedInCall(command: StartSignatureCommand, taken: boolean, settings: ReplicaSettings = {}) {
    const { provider, time } = this;
    const replica = this.replica(settings);
    const held = provider.holdNext({ error: provider.error("unknown", "connection"), accepted: taken });
    replica.startSignature.execute(command, 20_000).catch(() => undefined);
    await provider.called(1);
    replica.kill();
    held.release();
    await time.idle();
    return await this.idsOf(command);
  }

  /** Lets a lease run out, and a replica take over and finish. */
  async takenOver(by: Replica, afterMs = 20_000): Promise<void> {
    await this.time.pass(afterMs);
    await by.sweep();
    await this.time.pass(5000);
  }

  begin(): void {
    const earlier = this.#provider.accepted;
    this.#provider = this.#newProvider();
    this.#provider.accepted.push(...earlier);
  }

  /** What a test left unfinished must not reach the next one. */
  async end(): Promise<void> {
    for (const replica of this.#replicas) replica.kill();
    this.#replicas = [];
    await this.time.idle();
    await this.sql`update challenge set lease_until = null where lease_until is not null`;
  }

  #newProvider(): FakeProvider {
    return new FakeProvider({ now: () => this.time.date().getTime() });
  }
}

/** `const service = await useService()` at the top of a test file. */
export async function useService(): Promise<Service> {
  const { url, sql } = await useDatabase();
  const time = new ServiceTime();
  const database = new Database({ url, connections: 10, clock: () => time.date() });
  const service = new Service(time, database, sql);
  beforeEach(() => service.begin());
  afterEach(() => service.end());
  afterAll(() => database.close());
  return service;
}
