import { EventEmitter, once } from "node:events";
import { VaultDouble, type VaultDoubleOptions, type VaultStep } from "../../src/sandbox/vault-double.ts";
import type { VaultSnapshot } from "../../src/vault/snapshot.ts";
import { type VaultEvent, VaultSecrets, type VaultSecretsOptions } from "../../src/vault/vault-secrets.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

export const twilioPath = "providers/twilio";
export const keysPath = "signature-router/keys";
export const twilioUrlPath = `secret/data/${twilioPath}`;
export const keysUrlPath = `secret/data/${keysPath}`;

const epoch = Date.UTC(2026, 10, 22, 12);

export function ring(primary: string, ...ids: string[]): Record<string, unknown> {
  const keys = Object.fromEntries(ids.map((id) => [id, `base64-of-${id}`]));
  return { "code-pepper": { primary, keys } };
}

/** As the service checks them, by field and without the values. */
export function validate(snapshot: VaultSnapshot): string[] {
  const faults: string[] = [];
  for (const field of ["account-sid", "auth-token", "from-number"]) {
    if ((snapshot.twilio[field] ?? "") === "") faults.push(`${twilioPath}: ${field} is required`);
  }
  const rings = snapshot.keys as Record<string, { primary?: string }>;
  if (rings["code-pepper"]?.primary === undefined) faults.push(`${keysPath}: code-pepper has no primary`);
  return faults;
}

/** Not the length of any pause, so that the clock tells the deadlines of calls apart from pauses. */
const callTimeoutMs = 5_001;

/** A clock that can move without overtaking the calls that are made meanwhile over real sockets. */
export class PatientClock extends ManualClock {
  longestSleepMs = 0;
  readonly #pauses = new Set<{ readonly until: number }>();
  #calls = 0;

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.longestSleepMs = Math.max(this.longestSleepMs, ms);
    const pause = { until: this.now() + ms };
    const deadline = ms === callTimeoutMs;
    if (deadline) this.#calls += 1;
    else this.#pauses.add(pause);
    try {
      await super.sleep(ms, signal);
    } finally {
      if (deadline) this.#calls -= 1;
      this.#pauses.delete(pause);
    }
  }

  /** Moves on from pause to pause, and only while no call is under way. */
  async pass(ms: number): Promise<void> {
    const end = this.now() + ms;
    for (await this.quiet(); this.now() < end; await this.quiet()) {
      const next = Math.min(end, ...[...this.#pauses].map(({ until }) => until));
      await this.advance(next - this.now());
    }
  }

  /** Waits until no call is under way, and what follows from the last one was done. */
  async quiet(): Promise<void> {
    for (let turns = 0; turns < 3; turns += 1) {
      await this.settle();
      if (this.#calls > 0) turns = -1;
    }
  }
}

/** A Vault with both secrets, whose tokens live by a clock that stands still until it is moved. */
export class VaultUnderTest implements AsyncDisposable {
  readonly clock: PatientClock;
  readonly double: VaultDouble;
  readonly #opened: OpenedVault[] = [];

  static async start(options: VaultDoubleOptions = {}): Promise<VaultUnderTest> {
    const clock = new PatientClock();
    const vault = new VaultUnderTest(
      clock,
      await VaultDouble.start({ clock: () => epoch + clock.now(), ...options }),
    );
    vault.putTwilio("first-auth-token");
    vault.double.kv.put(keysPath, ring("p1", "p1"));
    return vault;
  }

  private constructor(clock: PatientClock, double: VaultDouble) {
    this.clock = clock;
    this.double = double;
  }

  putTwilio(authToken: string): void {
    const data = { "account-sid": "AC1", "auth-token": authToken, "from-number": "+15005550006" };
    this.double.kv.put(twilioPath, data);
  }

  /** The next reads of both secrets meet this. */
  planReads(step: VaultStep, times = 1): void {
    this.double.plan(twilioUrlPath, step, times);
    this.double.plan(keysUrlPath, step, times);
  }

  async open(options: Partial<VaultSecretsOptions> = {}): Promise<OpenedVault> {
    const opened = new OpenedVault();
    const secrets = await VaultSecrets.open(this.options(opened, options), AbortSignal.timeout(15_000));
    opened.secrets = secrets;
    this.#opened.push(opened);
    return opened;
  }

  options(opened: OpenedVault, options: Partial<VaultSecretsOptions> = {}): VaultSecretsOptions {
    return {
      addr: this.double.url,
      auth: { kind: "approle", roleId: "role-id", secretId: "secret-id" },
      validate,
      clock: this.clock,
      timeoutMs: callTimeoutMs,
      // Every jitter in the middle of its range.
      random: { fraction: () => 0.5 },
      onEvent: (event) => opened.add(event),
      ...options,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opened of this.#opened) await opened.secrets.close();
    await this.double.close();
  }
}

/** The secrets and what was told about them. */
export class OpenedVault {
  secrets!: VaultSecrets;
  readonly events: VaultEvent[] = [];
  readonly #emitter = new EventEmitter();

  add(event: VaultEvent): void {
    this.events.push(event);
    this.#emitter.emit("event");
  }

  types(type: VaultEvent["type"]): VaultEvent[] {
    return this.events.filter((event) => event.type === type);
  }

  /** Waits until an event of this type was told `count` times in all. */
  async told(type: VaultEvent["type"], count = 1): Promise<VaultEvent> {
    while (this.types(type).length < count) await once(this.#emitter, "event");
    return this.types(type)[count - 1]!;
  }

  /** Watches until the signal fires, and keeps what it was told. */
  watch(signal: AbortSignal): { changes: VaultSnapshot[]; ended: Promise<void> } {
    const changes: VaultSnapshot[] = [];
    return { changes, ended: this.secrets.watch((snapshot) => changes.push(snapshot), signal) };
  }
}
