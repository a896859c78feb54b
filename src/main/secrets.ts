import { timingSafeEqual } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { ConfigError } from "../config/config-error.ts";
import { parseKeyRings, ringNames } from "../config/key-rings.ts";
import { generatedKeysFile, KeysFile } from "../config/keys-file.ts";
import type { VaultConfig } from "../config/vault.ts";
import type { Config } from "../config.ts";
import type { Clock, Random } from "../domain/clock.ts";
import { type CodeDerivation, RingCodes } from "../domain/code-derivation.ts";
import type { KeySource, Keys, RingName } from "../domain/keys.ts";
import { RingSigner, type Signer } from "../domain/signer.ts";
import { InstallationError } from "../postgres/installation.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { CheckDetail, CheckState } from "../telemetry/readiness.ts";
import { type TwilioCredentials, validateCredentials } from "../twilio/credentials.ts";
import type { VaultHealth } from "../vault/health.ts";
import type { VaultSnapshot } from "../vault/snapshot.ts";
import type { VaultEvent } from "../vault/vault-secrets.ts";
import { keyUses, ringsInTransit, transitOptions } from "./transit-keys.ts";

/** Where credentials and keys come from, as they are now. */
export interface Secrets {
  readonly keys: KeySource;
  readonly signer: Signer;
  readonly codes: CodeDerivation;
  /** Undefined where the sandbox makes its own. */
  credentials(): TwilioCredentials | undefined;
  /** Reads again after Twilio refused the credentials. True: there are others now. */
  refreshCredentials(): Promise<boolean>;
  /** Undefined where there is no Vault. */
  health(): VaultHealth | undefined;
  close(): Promise<void>;
}

/** Credentials from the environment and keys from a file. @throws ConfigError with every fault */
export function environmentSecrets(config: Config): Secrets {
  const credentials = configuredCredentials(config);
  const keys = openKeysFile(config);
  return {
    keys,
    signer: new RingSigner(keys),
    codes: new RingCodes(keys),
    credentials: () => credentials,
    refreshCredentials: () => Promise.resolve(false),
    health: () => undefined,
    close: () => Promise.resolve(),
  };
}

function openKeysFile(config: Config): KeysFile {
  if (config.signature.keysFile !== undefined) return new KeysFile(config.signature.keysFile);
  if (config.production)
    throw new ConfigError(["SIGNATURE_KEYS_FILE or VAULT_ADDR is required in production"]);
  return new KeysFile(generatedKeysFile(config.dataDir));
}

function configuredCredentials(config: Config): TwilioCredentials | undefined {
  const given = config.twilio.credentials;
  if (given === undefined) return undefined;
  const checked = validateCredentials({
    accountSid: given.accountSid,
    authToken: given.authToken.reveal(),
    fromNumber: given.fromNumber,
    messagingServiceSid: given.messagingServiceSid,
    apiKeySid: given.apiKeySid,
    apiKeySecret: given.apiKeySecret?.reveal(),
  });
  if ("credentials" in checked) return checked.credentials;
  const variable = (field: string) =>
    `TWILIO_${field.replace(/[A-Z]/g, (upper) => `_${upper}`).toUpperCase()}`;
  throw new ConfigError(checked.faults.map(({ field, description }) => `${variable(field)} ${description}`));
}

/** Longer than any call to Twilio takes, and the read after it. */
const recentMs = 30_000;

/** Between two reads of Vault, whoever asks for them; who polls more often than this means it. */
const mostRefreshPauseMs = 1_000;

/** What one version of the secrets in Vault says. */
interface Reading {
  readonly credentials: TwilioCredentials;
  readonly keys: Keys;
}

/** New keys could not be recorded yet, or do not fit what the database knows. */
type SecretsEvent = VaultEvent | { readonly type: "keys_not_recorded"; readonly cause: unknown };

/** Credentials and keys from Vault, followed as new versions appear. @throws VaultError */
export async function vaultSecrets(
  config: VaultConfig,
  deps: {
    readonly clock: Clock;
    readonly random: Random;
    onEvent(event: SecretsEvent): void;
    /** New keys are in force; tried again each second until it is done, or they do not fit what the database knows. */
    onKeys(keys: Keys): Promise<void>;
  },
  signal: AbortSignal,
): Promise<Secrets> {
  // Loaded only here: node-vault and what it brings cost 150 ms.
  const { VaultSecrets } = await import("../vault/vault-secrets.ts");
  let latest: { snapshot: VaultSnapshot; reading: Reading } | undefined;
  let credentialsSince = 0;
  const vault = await VaultSecrets.open(
    {
      ...deps,
      addr: config.addr,
      mount: config.mount,
      pollMs: config.pollMs,
      refreshEveryMs: Math.min(config.pollMs, mostRefreshPauseMs),
      auth: revealed(config.login),
      transit: transitOptions(config.transit),
      validate: (snapshot) => {
        const reading = read(snapshot, config);
        return "faults" in reading ? reading.faults : replacedKeys(latest?.reading.keys, reading.keys);
      },
      ...(config.namespace !== undefined && { namespace: config.namespace }),
      ...(config.caFile !== undefined && { caFile: config.caFile }),
    },
    signal,
  );
  const current = (): Reading => {
    const snapshot = vault.snapshot();
    if (latest?.snapshot === snapshot) return latest.reading;
    const reading = read(snapshot, config);
    // Vault hands out what passed `validate` only.
    if ("faults" in reading) throw new Error("a snapshot of the secrets is not valid");
    const before = latest?.reading.credentials;
    if (before !== undefined && !isDeepStrictEqual(snapshot.twilio, latest?.snapshot.twilio))
      credentialsSince = deps.clock.now();
    latest = { snapshot, reading: { ...reading, credentials: withPrevious(reading.credentials, before) } };
    return latest.reading;
  };
  current();
  const stopped = new AbortController();
  const record = async (keys: Keys) => {
    while (!stopped.signal.aborted && keys === current().keys) {
      try {
        return await deps.onKeys(keys);
      } catch (error) {
        deps.onEvent({ type: "keys_not_recorded", cause: error });
        if (error instanceof InstallationError) return;
        await deps.clock.sleep(1000, stopped.signal).catch(() => undefined);
      }
    }
  };
  const keys: KeySource = {
    current: () => current().keys,
    async refresh() {
      await vault.refresh();
      return current().keys;
    },
  };
  const uses = keyUses(vault.transit, config.transit, {
    ...{ clock: deps.clock, keys },
    onNotice: (detail) => deps.onEvent({ type: "notice", detail }),
  });
  const watching = vault.watch(() => void record(current().keys), stopped.signal);
  return {
    keys,
    ...uses,
    credentials: () => current().credentials,
    async refreshCredentials() {
      await vault.refresh();
      current();
      // The refused call may have begun with those before, whoever read the new ones meanwhile.
      return credentialsSince > 0 && deps.clock.now() - credentialsSince < recentMs;
    },
    health: () => vault.health(),
    async close() {
      stopped.abort();
      await watching;
      await vault.close();
    },
  };
}

/** Callbacks signed just before a promotion arrive just after it: the token before stays good for them. */
function withPrevious(now: TwilioCredentials, before: TwilioCredentials | undefined): TwilioCredentials {
  if (now.authTokenPrevious !== undefined || before === undefined) return now;
  const authTokenPrevious = before.authToken === now.authToken ? before.authTokenPrevious : before.authToken;
  return { ...now, ...(authTokenPrevious !== undefined && { authTokenPrevious }) };
}

/** Another key under a known id would make what the old one wrote unreadable, and is never taken over. */
function replacedKeys(before: Keys | undefined, now: Keys): string[] {
  if (before === undefined) return [];
  return (Object.keys(ringNames) as RingName[]).flatMap((ring) =>
    [...now[ring].keys]
      .filter(([id, key]) => {
        const known = before[ring].keys.get(id);
        return known !== undefined && !timingSafeEqual(known, key);
      })
      .map(([id]) => `signature-router/keys: ${ringNames[ring]}.${id} is another key under the same id`),
  );
}

function read(snapshot: VaultSnapshot, { transit }: VaultConfig): Reading | { faults: string[] } {
  const { twilio } = snapshot;
  const credentials = validateCredentials({
    accountSid: twilio["account-sid"],
    authToken: twilio["auth-token"],
    authTokenPrevious: twilio["auth-token-previous"],
    fromNumber: twilio["from-number"],
    messagingServiceSid: twilio["messaging-service-sid"],
    apiKeySid: twilio["api-key-sid"],
    apiKeySecret: twilio["api-key-secret"],
  });
  const rings = parseKeyRings(snapshot.keys, ringsInTransit(transit));
  const faults: string[] = [];
  if ("faults" in credentials) {
    const name = (field: string) => field.replace(/[A-Z]/g, (upper) => `-${upper.toLowerCase()}`);
    faults.push(...credentials.faults.map((f) => `providers/twilio: ${name(f.field)} ${f.description}`));
  }
  if ("faults" in rings) faults.push(...rings.faults.map((fault) => `signature-router/keys: ${fault}`));
  if ("credentials" in credentials && "keys" in rings) {
    return { credentials: credentials.credentials, keys: rings.keys };
  }
  return { faults };
}

function revealed(login: VaultConfig["login"]) {
  switch (login.kind) {
    case "approle":
      return { ...login, secretId: login.secretId.reveal() };
    case "token":
      return { ...login, token: login.token.reveal() };
    case "kubernetes":
      return login;
  }
}

/** How the secrets stand in /readyz: the last good ones serve on, however long Vault is away. */
export function secretsCheck(health: VaultHealth | undefined): [CheckState, CheckDetail?] {
  if (health === undefined || health.state === "ok") return ["ok"];
  switch (health.reason) {
    case "sealed":
      return ["degraded", "sealed"];
    case "unreachable":
    case "timeout":
      return ["degraded", "unreachable"];
    case "missing_secret":
      return ["degraded", "missing"];
    case "denied":
      return ["degraded", "denied"];
    case "login_failed":
      return ["degraded", "login_refused"];
    case "token_ends":
      return ["degraded", "token_not_renewable"];
    default:
      return ["degraded", "stale"];
  }
}

/** What happens with Vault, for the log: closed sets and version numbers only. */
export function logVaultEvent(logger: Logger, event: SecretsEvent): void {
  if (event.type === "degraded") {
    logger.warn("vault degraded", { reason: event.reason, detail: event.detail });
  } else if (event.type === "notice") {
    logger.warn("vault needs attention", { detail: event.detail });
  } else if (event.type === "keys_not_recorded") {
    logger.error("keys not recorded", {}, event.cause);
  } else if (event.type === "changed") {
    const { twilio, keys } = event.versions;
    logger.info("secrets changed", { secret_version: `twilio ${twilio}, keys ${keys}` });
  } else {
    logger.info("vault", { outcome: event.type });
  }
}
