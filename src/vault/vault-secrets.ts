import { readFile } from "node:fs/promises";
import { checkedAddress, checkedMount } from "./address.ts";
import { CurrentSecrets } from "./current-secrets.ts";
import { HealthRecord, type VaultHealth } from "./health.ts";
import { type KvDocument, readDocument } from "./kv-document.ts";
import { createLogin, type VaultAuth } from "./login.ts";
import { SharedRead } from "./shared-read.ts";
import { type DocumentName, documentPaths, type VaultSnapshot } from "./snapshot.ts";
import { TokenSession } from "./token-session.ts";
import { Transit, type TransitOptions } from "./transit.ts";
import { VaultTransport } from "./transport.ts";
import { VaultClient } from "./vault-client.ts";
import { asVaultError, VaultError, type VaultReason } from "./vault-error.ts";
import { backoffMs, jittered, sleepLong, type VaultClock, type VaultRandom } from "./waiting.ts";

export interface VaultSecretsOptions {
  /** https, or http to loopback. */
  readonly addr: string;
  readonly namespace?: string;
  /** Of the KV v2 engine. Default `secret`. */
  readonly mount?: string;
  readonly auth: VaultAuth;
  /** Keys that sign and make HMACs in Vault; undefined: none. `timeoutMs` bounds a call, connection included. */
  readonly transit?: (TransitOptions & { readonly timeoutMs: number }) | undefined;
  /** PEM file of the authorities Vault's certificate is checked with, in place of the system's. */
  readonly caFile?: string;
  /** Of each HTTP call, connection and body included. Default 5,000. */
  readonly timeoutMs?: number;
  /** Between two reads, more or less a tenth. Default 60,000. */
  readonly pollMs?: number;
  /** Between the starts of two reads, forced ones included. Default 1,000. */
  readonly refreshEveryMs?: number;
  /** For how long `open` tries again where Vault is gone or sealed. Default 30,000. */
  readonly openMs?: number;
  /** What is wrong with a snapshot, by path and field and never by value; none: it is used. */
  readonly validate: (snapshot: VaultSnapshot) => readonly string[];
  readonly clock: VaultClock;
  readonly random: VaultRandom;
  readonly onEvent?: (event: VaultEvent) => void;
}

/** What happens, for logs and metrics; holds no secret. */
export type VaultEvent =
  | { readonly type: "logged_in" | "renewed" | "recovered" }
  | { readonly type: "changed"; readonly versions: VaultSnapshot["versions"] }
  | { readonly type: "degraded"; readonly reason: VaultReason; readonly detail: string }
  /** Works now, and will need somebody's hand later. */
  | { readonly type: "notice"; readonly detail: string }
  | { readonly type: "listener_failed" };

const firstRetryMs = 1_000;

/**
 * The secrets of this service, kept up to date from Vault. `snapshot` always answers with the last good
 * ones, however long Vault is sealed, gone or refusing; `health` tells so.
 */
export class VaultSecrets {
  readonly #options: VaultSecretsOptions;
  readonly #mount: string;
  readonly #transports: readonly VaultTransport[];
  /** Undefined where no key of it is used. */
  readonly transit: Transit | undefined;
  readonly #session: TokenSession;
  readonly #secrets: CurrentSecrets;
  readonly #health: HealthRecord;
  readonly #reads: SharedRead;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<(snapshot: VaultSnapshot) => void>();
  #fault: VaultError | undefined;
  #transitRead = false;
  /** Readings since the last one without a fault. */
  #failures = 0;

  /**
   * Logs in and reads both secrets.
   * @throws VaultError missing_secret or invalid with every path and field at fault; login_failed or denied
   * where Vault refuses; unreachable, sealed or timeout where it stays away for `openMs`
   */
  static async open(options: VaultSecretsOptions, signal: AbortSignal): Promise<VaultSecrets> {
    signal.throwIfAborted();
    const endpoint = checkedAddress(options.addr);
    const mount = checkedMount(options.mount ?? "secret");
    const ca = options.caFile === undefined ? undefined : await readCa(options.caFile);
    const { clock } = options;
    const trusted = { clock, ...(ca !== undefined && { ca }) };
    const transport = new VaultTransport({ timeoutMs: options.timeoutMs ?? 5_000, ...trusted });
    const kept =
      options.transit &&
      new VaultTransport({ timeoutMs: options.transit.timeoutMs, ...trusted, keepAlive: true });
    const { namespace } = options;
    const client = await VaultClient.load({ endpoint, transport, ...(namespace && { namespace }) });
    const secrets = new VaultSecrets(options, mount, client, transport, kept);
    const stop = () => secrets.#closing.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      await secrets.#open();
      signal.throwIfAborted();
      return secrets;
    } catch (error) {
      await secrets.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  private constructor(
    options: VaultSecretsOptions,
    mount: string,
    client: VaultClient,
    transport: VaultTransport,
    kept: VaultTransport | undefined,
  ) {
    const { auth, validate, clock, random, refreshEveryMs = 1_000 } = options;
    const now = () => clock.now();
    const closing = this.#closing.signal;
    this.#options = options;
    this.#mount = mount;
    this.#transports = kept === undefined ? [transport] : [transport, kept];
    this.#secrets = new CurrentSecrets({ validate, now });
    this.#health = new HealthRecord({ now, onChange: (health) => this.#emit(healthEvent(health)) });
    this.#session = new TokenSession({
      client,
      login: createLogin(auth, client),
      loginReplaces: auth.kind !== "token",
      clock,
      random,
      closing,
      onLogin: () => this.#emit({ type: "logged_in" }),
      onNotice: (detail) => this.#emit({ type: "notice", detail }),
      onRenewal: () => this.#emit({ type: "renewed" }),
      onFault: (fault) => this.#health.report("token", fault),
    });
    if (options.transit !== undefined && kept !== undefined) {
      this.transit = new Transit(options.transit, {
        ...{ session: this.#session, transport: kept, clock, closing },
        onFault: (fault) => this.#health.report("transit_call", fault),
      });
    }
    this.#reads = new SharedRead({ read: () => this.#read(), everyMs: refreshEveryMs, clock, closing });
  }

  /** The last good secrets; swapped whole, so whoever holds one sees no mixture. */
  snapshot(): VaultSnapshot {
    const { snapshot } = this.#secrets;
    if (snapshot === undefined) throw new Error("Vault was not opened");
    return snapshot;
  }

  /**
   * Reads again, as after a Twilio 401 or for a key id that is not known. Any number of calls share one
   * read, which begins at most `refreshEveryMs` later. Where Vault fails it resolves with the last good
   * snapshot: the fault is in `health`.
   */
  async refresh(): Promise<VaultSnapshot> {
    try {
      await this.#reads.run();
    } catch (error) {
      if (!this.#closing.signal.aborted) throw error;
    }
    return this.snapshot();
  }

  /**
   * Reads about every `pollMs`, sooner while Vault fails, and tells each new snapshot, those of `refresh`
   * included. Resolves once the signal fires or this is closed.
   */
  async watch(onChange: (snapshot: VaultSnapshot) => void, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const end = () => ended.abort();
    const { clock } = this.#options;
    this.#listeners.add(onChange);
    for (const source of [signal, this.#closing.signal]) {
      source.addEventListener("abort", end, { once: true });
      if (source.aborted) end();
    }
    try {
      while (!ended.signal.aborted) {
        await sleepLong(clock, this.#pauseMs(), ended.signal);
        await this.#reads.run();
      }
    } catch (error) {
      if (!ended.signal.aborted) throw error;
    } finally {
      this.#listeners.delete(onChange);
      for (const source of [signal, this.#closing.signal]) source.removeEventListener("abort", end);
    }
  }

  health(): VaultHealth {
    return this.#health.current;
  }

  /**
   * Ends every wait, timer and connection; the snapshot stays. The token is not revoked: that would need
   * Vault at the end of each process, and its own life ends it.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#transports.map((transport) => transport.close()));
  }

  /** Until both secrets were read; what passes by itself is tried again for `openMs`. */
  async #open(): Promise<void> {
    const { clock, random, openMs = 30_000 } = this.#options;
    const giveUpAt = clock.now() + openMs;
    for (let attempt = 0; ; attempt += 1) {
      await this.#reads.run();
      this.#closing.signal.throwIfAborted();
      if (this.#secrets.snapshot !== undefined && this.#transitRead) return;
      const fault = this.#fault ?? new VaultError("invalid", "Vault was not read");
      const pause = backoffMs(attempt, firstRetryMs, openMs, random);
      if (!fault.transient || clock.now() + pause >= giveUpAt) throw fault;
      await clock.sleep(pause, this.#closing.signal);
    }
  }

  async #read(): Promise<void> {
    const [twilio, keys, unread] = await Promise.all([
      this.#readOne("twilio"),
      this.#readOne("keys"),
      this.transit?.read(),
    ]);
    if (this.#closing.signal.aborted) return;
    this.#transitRead ||= unread === undefined;
    const { changed, fault } = this.#secrets.offer({ twilio, keys });
    this.#fault = both(fault, unread);
    this.#failures = this.#fault === undefined ? 0 : this.#failures + 1;
    if (changed) this.#changed(this.snapshot());
    this.#health.report("read", fault);
    this.#health.report("transit", unread);
  }

  async #readOne(name: DocumentName): Promise<KvDocument | VaultError> {
    const signal = this.#closing.signal;
    try {
      return await this.#session.use((client) =>
        readDocument(client, this.#mount, documentPaths[name], signal),
      );
    } catch (error) {
      return asVaultError(error);
    }
  }

  #changed(snapshot: VaultSnapshot): void {
    this.#emit({ type: "changed", versions: snapshot.versions });
    for (const listener of this.#listeners) {
      try {
        listener(snapshot);
      } catch {
        // Its error may hold a secret, and must not end the watch.
        this.#emit({ type: "listener_failed" });
      }
    }
  }

  #pauseMs(): number {
    const { random, pollMs = 60_000 } = this.#options;
    if (this.#failures === 0) return jittered(pollMs, random);
    return backoffMs(this.#failures - 1, firstRetryMs, pollMs, random);
  }

  #emit(event: VaultEvent): void {
    this.#options.onEvent?.(event);
  }
}

function healthEvent(health: VaultHealth): VaultEvent {
  if (health.state === "ok") return { type: "recovered" };
  return { type: "degraded", reason: health.reason, detail: health.detail };
}

/** What passes by itself comes first, since the rest may be its consequence. */
function both(secrets: VaultError | undefined, transit: VaultError | undefined): VaultError | undefined {
  if (secrets === undefined || transit === undefined) return secrets ?? transit;
  if (secrets.transient || transit.transient) return secrets.transient ? secrets : transit;
  return new VaultError(secrets.reason, `${secrets.message}; ${transit.message}`);
}

function readCa(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => {
    throw new VaultError("invalid", `the CA file ${path} cannot be read`);
  });
}
