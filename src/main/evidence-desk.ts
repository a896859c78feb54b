import { join } from "node:path";
import { KeysFile } from "../config/keys-file.ts";
import type { EvidenceConfig } from "../config.ts";
import { keptOutside } from "../domain/checkpoint-sink.ts";
import type { KeySource } from "../domain/keys.ts";
import { MessageTexts } from "../domain/message-texts.ts";
import { publicKeysOf } from "../domain/receipt.ts";
import { RingSigner, type Signer } from "../domain/signer.ts";
import { ActLog } from "../postgres/act-log.ts";
import { PostgresEvidenceStore } from "../postgres/evidence-store.ts";
import { verifyProof } from "../twilio/proof.ts";
import { AuditCheckpoints } from "../usecases/audit-checkpoints.ts";
import { AuditSignatures } from "../usecases/audit-signatures.ts";
import { ExportEvidence } from "../usecases/export-evidence.ts";
import { SealSignatures } from "../usecases/seal-signatures.ts";
import { openCheckpointSinks } from "./checkpoint-sinks.ts";
import { systemClock as clock, systemRandom as random } from "./clock.ts";
import { withDatabase } from "./connect-database.ts";
import type { EvidenceDesk } from "./evidence-command.ts";

/** The key rings of a running service, for a tool beside it. */
export async function openKeys({
  vault,
  keysFile,
  dataDir,
}: Pick<EvidenceConfig, "vault" | "keysFile" | "dataDir">): Promise<{
  keys: KeySource;
  signer: Signer;
  close(): Promise<void>;
}> {
  if (vault === undefined) {
    const keys = new KeysFile(keysFile ?? join(dataDir, "keys.json"));
    return { keys, signer: new RingSigner(keys), close: () => Promise.resolve() };
  }
  const { vaultSecrets } = await import("./secrets.ts");
  const deps = { clock, random, onEvent: () => undefined, onKeys: () => Promise.resolve() };
  return await vaultSecrets(vault, deps, new AbortController().signal);
}

/** Opens database and keys, as a running service has them, for as long as they are used. */
export async function withEvidenceDesk<Result>(
  config: EvidenceConfig,
  use: (desk: EvidenceDesk) => Promise<Result>,
): Promise<Result> {
  const { keys, signer, close } = await openKeys(config);
  try {
    return await withDatabase(config, (database) =>
      use(
        desk(config, {
          ...{ keys, signer, evidence: new PostgresEvidenceStore(database), acts: new ActLog(database) },
        }),
      ),
    );
  } finally {
    await close();
  }
}

function desk(
  config: EvidenceConfig,
  deps: { keys: KeySource; signer: Signer; evidence: PostgresEvidenceStore; acts: ActLog },
): EvidenceDesk {
  const { keys, signer, evidence, acts } = deps;
  const proves = ({ proof, parameters: answer }: { proof: string; parameters: string }) =>
    verifyProof(proof, { text: "", answer }, (id) => keys.current().evidence.keys.get(id)) !== undefined;
  const sealing = new SealSignatures({ evidence, keys, signer });
  const exporting = new ExportEvidence({
    ...{ evidence, keys, signer, sealing, texts: new MessageTexts(), proves },
  });
  return {
    async export(signatureId, as) {
      await acts.record(random.uuid(), "READ", { command: "evidence", signature_id: signatureId, as });
      return await exporting.execute(signatureId);
    },
    audit: async (expected) => {
      const publicKeys = publicKeysOf(signer.verifying());
      const { retentionDays } = config;
      const outside = () => keptOutside(openCheckpointSinks(config.checkpoints));
      const checkpoints = await new AuditCheckpoints({
        evidence,
        publicKeys,
        retentionDays,
        outside,
      }).execute(expected);
      const signatures = await new AuditSignatures({ evidence, publicKeys }).execute();
      return { ...checkpoints, ...signatures, faults: [...checkpoints.faults, ...signatures.faults] };
    },
    evidenceKey: (id) => keys.current().evidence.keys.get(id),
  };
}
