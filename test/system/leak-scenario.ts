import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Sql } from "postgres";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import type { CreateStep } from "../../src/sandbox/steps.ts";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import type { RawConnection } from "../support/raw-grpc.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";
import type { Answers } from "./leak-sinks.ts";

const { startSignature, sendChallenge, completeSignature, abortSignature, getSignature } =
  SignatureService.method;

/** Longer than any retry or take-over takes here; a wait that is in vain shall say so. */
const patienceMs = 10_000;

interface Parts {
  readonly double: TwilioDouble;
  readonly sql: Sql;
  readonly answers: Answers;
  /** The role that the service connects as. */
  readonly role: string;
}

/** Customers who sign, fail, are refused, give up, and are cut off; it remembers whom and what it has used. */
export class Customers {
  readonly phones: string[] = [];
  readonly customerIds: string[] = [];
  /** What customers typed, right and wrong. */
  readonly codes = new Set<string>();
  readonly signatureIds: string[] = [];
  readonly #parts: Parts;
  connection: RawConnection;

  constructor(parts: Parts, connection: RawConnection) {
    this.#parts = parts;
    this.connection = connection;
  }

  /** Starts a signature whose calls to Twilio meet these steps. */
  async start(steps: readonly CreateStep[] = [], connection = this.connection, phone = aPhoneNumber()) {
    const { double, answers } = this.#parts;
    const customerId = `Customer-${randomBytes(9).toString("hex")}`;
    this.phones.push(phone);
    this.customerIds.push(customerId);
    if (steps.length > 0) double.plan(phone, steps);
    const request = aStartOf(phone, { customerId });
    // What a careless caller sends along.
    const headers = { baggage: `phone=${phone}`, "x-customer": customerId };
    const response = await answers.call(connection, startSignature, request, headers);
    const id = response?.signature?.id ?? "";
    if (id !== "") this.signatureIds.push(id);
    return { phone, request, id };
  }

  /** The code of the first message to a number. */
  async codeTo(phone: string): Promise<string> {
    const { body } = await this.#parts.double.messageTo(phone, 0, AbortSignal.timeout(patienceMs));
    const code = /(?<!\d)\d{6}(?!\d)/.exec(body)?.[0] ?? "";
    this.codes.add(code);
    return code;
  }

  async complete(signatureId: string, code: string, change: object = {}): Promise<boolean> {
    this.codes.add(code);
    const request = { signatureId, code, ...change };
    return (await this.#parts.answers.call(this.connection, completeSignature, request)) !== undefined;
  }

  async succeeds(): Promise<string> {
    const { phone, id } = await this.start();
    await this.complete(id, await this.codeTo(phone));
    await this.look(id);
    return id;
  }

  async look(signatureId: string): Promise<void> {
    await this.#parts.answers.call(this.connection, getSignature, { signatureId });
  }

  async typesWrongCodes(): Promise<void> {
    const { phone, id, request } = await this.start();
    const code = await this.codeTo(phone);
    const wrong = ["731905", "284617", "905172"].find((one) => one !== code) ?? "";
    await this.complete(id, code, { transaction: { ...request.transaction, payee: "Somebody else" } });
    await this.complete(id, `${code}7`);
    await this.complete(id, wrong);
    await this.complete(id, wrong);
    await this.complete(id, code);
    await this.look(id);
  }

  async sendsNonsense(): Promise<void> {
    const { request, phone } = await this.start();
    const { answers } = this.#parts;
    await answers.call(this.connection, startSignature, { ...request, customerId: `${request.customerId}x` });
    await answers.call(this.connection, startSignature, { ...request, phoneNumber: `${phone}00000000` });
    await answers.call(this.connection, startSignature, {
      ...request,
      idempotencyKey: "",
      ttl: { seconds: -1n },
    });
    await answers.call(this.connection, startSignature, request, { "grpc-timeout": phone });
    await answers.call(this.connection, startSignature, request, { traceparent: phone });
  }

  async resendsAndAborts(): Promise<void> {
    const { phone, id } = await this.start();
    await this.codeTo(phone);
    const again = { signatureId: id, idempotencyKey: randomUUID() };
    await this.#parts.answers.call(this.connection, sendChallenge, again);
    await this.#parts.answers.call(this.connection, abortSignature, {
      signatureId: id,
      note: "changed my mind",
    });
    await this.look(id);
  }

  /** Every statement that tells the timeline fails, and its error quotes the row. */
  async meetsFailingStatements(): Promise<void> {
    const { sql, answers, double } = this.#parts;
    let open = await this.start();
    while (open.id === "") {
      // The service may still hold the database for lost.
      await sql`select pg_sleep(0.1)`;
      open = await this.start();
    }
    const code = await this.codeTo(open.phone);
    const phone = aPhoneNumber();
    const steps: CreateStep[] = [{ kind: "latency", ms: 100, delivery: { receiptCopies: 2 } }];
    const late = this.start(steps, this.connection, phone);
    while (!double.calls.some(({ to }) => to === phone)) await once(double, "call");
    await sql`create trigger failing before insert on event for each row execute function fail_with_row()`;
    await late;
    await this.start();
    await this.complete(open.id, code);
    await this.complete(open.id, "460283");
    await answers.call(this.connection, sendChallenge, {
      signatureId: open.id,
      idempotencyKey: randomUUID(),
    });
    await answers.call(this.connection, abortSignature, { signatureId: open.id });
    await sql`drop trigger failing on event`;
    await this.complete(open.id, code);
  }

  /** The database ends the service's connections over its statements. */
  async loseTheDatabase(): Promise<void> {
    const { sql, role } = this.#parts;
    for (let round = 0; round < 3; round += 1) {
      const starts = Array.from({ length: 5 }, () => this.start());
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`;
      await Promise.all(starts);
    }
  }

  /** A process dies with a message accepted and nothing of it recorded; another finishes its work. */
  async loseTheProcess(victim: RawConnection, kill: () => Promise<unknown>): Promise<void> {
    const { double, sql } = this.#parts;
    const to = aPhoneNumber();
    const answer = this.start([{ kind: "hang_after_accept" }], victim, to);
    await double.messageTo(to, 0, AbortSignal.timeout(patienceMs));
    await kill();
    const { phone, request } = await answer;
    const code = await this.codeTo(phone);
    const [row] = await sql<{ id: string }[]>`
      select signature_id as id from idempotency_key where key = ${request.idempotencyKey ?? ""}`;
    const id = row?.id ?? "";
    for await (const _ of untilSent(sql, id));
    await this.complete(id, code);
    await this.look(id);
    this.signatureIds.push(id);
  }
}

/** Ends once the other process has taken the signature over. */
async function* untilSent(sql: Sql, signatureId: string): AsyncGenerator<void> {
  for (;;) {
    const [row] = await sql`
      select 1 from challenge where signature_id = ${signatureId} and status in ('sent', 'delivered')`;
    if (row !== undefined) return;
    yield;
  }
}
