import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatedKeysFile } from "../../src/config/keys-file.ts";
import type { Behaviour } from "../../src/sandbox/behaviour.ts";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { Ingress } from "./ingress.ts";
import { RouterProcess } from "./router-process.ts";
import { accountSid, authToken, sender, startTwilio } from "./twilio-sandbox.ts";

/** A directory of a test's own that root's embedded PostgreSQL can enter. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "signature-router-system-"));
  chmodSync(path, 0o711);
  return path;
}

/** Short enough for a test to see a lease run out, long enough for a call under load. */
const quick = {
  TWILIO_TIMEOUT_SECONDS: "0.5",
  TWILIO_SETTLE_MS: "100",
  TWILIO_RETRY_DELAYS_MS: "50,100,200",
  TWILIO_MESSAGES_PER_SECOND: "1000",
  TWILIO_BREAKER_FAILURE_RATE: "0",
  SIGNATURE_LEASE_SECONDS: "3.2",
  SIGNATURE_SWEEP_SECONDS: "0.1",
  SIGNATURE_LIMIT_CALLER_PER_SECOND: "0",
};

/** Replicas in live mode on one database, with Twilio's double and an ingress in this process. */
export class LiveInstallation implements AsyncDisposable {
  readonly double: TwilioDouble;
  readonly keysFile: string;
  readonly #ingress: Ingress;
  readonly #directory: string;
  readonly #databaseUrl: string;
  readonly #replicas: RouterProcess[] = [];

  /** @param authTokens those that Twilio takes; it signs with the first */
  static async create(
    databaseUrl: string,
    behaviour: Partial<Behaviour> = {},
    authTokens: () => readonly string[] = () => [authToken],
  ): Promise<LiveInstallation> {
    const double = await startTwilio({
      keep: 100_000,
      behaviour: { queueMs: 20, deliverMs: 20, magicNumbers: false, ...behaviour },
      authTokens,
    });
    return new LiveInstallation(databaseUrl, double, await Ingress.start());
  }

  private constructor(databaseUrl: string, double: TwilioDouble, ingress: Ingress) {
    this.#databaseUrl = databaseUrl;
    this.double = double;
    this.#ingress = ingress;
    this.#directory = temporaryDirectory();
    this.keysFile = generatedKeysFile(this.#directory);
  }

  /** What a replica is configured with; later variables win. */
  environment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      DATABASE_URL: this.#databaseUrl,
      TWILIO_ACCOUNT_SID: accountSid,
      TWILIO_AUTH_TOKEN: authToken,
      TWILIO_FROM_NUMBER: sender,
      TWILIO_API_URL: this.double.url,
      PUBLIC_URL: this.#ingress.url,
      SIGNATURE_ALLOWED_COUNTRIES: "*",
      SIGNATURE_KEYS_FILE: this.keysFile,
      ...quick,
      ...env,
    };
  }

  get directory(): string {
    return this.#directory;
  }

  /** One more replica, stopped with the installation; the ingress passes receipts to it. */
  async startReplica(
    env: Readonly<Record<string, string>> = {},
    imports: readonly string[] = [],
  ): Promise<RouterProcess> {
    const options = { env: this.environment(env), cwd: this.#directory, imports };
    const replica = await RouterProcess.start(options);
    this.#replicas.push(replica);
    this.#ingress.add(replica.httpUrl);
    void replica.exited.then(() => this.#ingress.remove(replica.httpUrl));
    return replica;
  }

  /** @throws Error where a replica died, did not stop cleanly, or left files behind */
  async [Symbol.asyncDispose](): Promise<void> {
    const ends = await Promise.allSettled(this.#replicas.map((replica) => replica[Symbol.asyncDispose]()));
    await this.double.close();
    await this.#ingress[Symbol.asyncDispose]();
    const left = readdirSync(this.#directory).filter((name) => name !== "keys.json");
    rmSync(this.#directory, { recursive: true, force: true });
    const faults = ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
    if (left.length > 0) faults.push(new Error(`a replica left files behind: ${left.join(", ")}`));
    if (faults.length > 0) throw new AggregateError(faults, faults.map(String).join("\n"));
  }
}
