import { chainFault } from "../domain/chain.ts";
import type { AuditedSignature, EvidenceStore } from "../domain/evidence-store.ts";
import { receiptFault } from "../domain/receipt-check.ts";
import { compareRows } from "./recorded-facts.ts";

interface Deps {
  readonly evidence: Pick<EvidenceStore, "auditPage">;
  /** Public keys of the receipt ring by id. */
  readonly publicKeys: ReadonlyMap<string, Uint8Array>;
}

export interface SignatureAudit {
  readonly faults: readonly string[];
  readonly signatures: number;
  readonly events: number;
  /** Signatures of a release whose events did not tell all that is shown of them. */
  readonly untold: number;
}

/** Signatures that are read at once. */
const page = 200;
/** What is named one by one; more of them are counted. */
const mostFaults = 1000;

/** Hashes every event again, and compares what rows say with what events and seals do. */
export class AuditSignatures {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async execute(): Promise<SignatureAudit> {
    const faults: string[] = [];
    let [signatures, events, untold, unnamed] = [0, 0, 0, 0];
    let after: string | undefined;
    for (;;) {
      const some = await this.#deps.evidence.auditPage(after, page);
      for (const one of some) {
        const found = await this.#faultsOf(one);
        for (const fault of found.faults) {
          if (faults.length < mostFaults) faults.push(`signature ${one.signatureId}: ${fault}`);
          else unnamed += 1;
        }
        signatures += 1;
        events += one.events.length;
        if (found.untold > 0) untold += 1;
      }
      after = some.at(-1)?.signatureId;
      if (some.length < page) break;
    }
    if (unnamed > 0) faults.push(`${unnamed} more do not fit`);
    return { faults, signatures, events, untold };
  }

  async #faultsOf(one: AuditedSignature): Promise<{ faults: string[]; untold: number }> {
    const chain = chainFault(one.signatureId, one.events) ?? headFault(one) ?? sealsFault(one);
    // Of a chain that does not fit nothing is to be believed.
    if (chain !== undefined) return { faults: [chain], untold: 0 };
    try {
      const { differences, untold } = compareRows(one);
      const receipt = await this.#receiptFault(one);
      return {
        faults: receipt === undefined ? [...differences] : [...differences, receipt],
        untold: untold.length,
      };
    } catch {
      return { faults: ["an event holds no JSON"], untold: 0 };
    }
  }

  /** A receipt that is not kept yet is made again by the sweep, before the seal. */
  async #receiptFault(one: AuditedSignature): Promise<string | undefined> {
    if (one.receipt === undefined && one.sealedLength === 0) return undefined;
    const { caller, firstFactor, signatureId: id, transactionDigest } = one;
    const context = {
      ...{ id, caller, firstFactor, transactionDigest },
      challenges: one.challenges.map(({ challenge }) => challenge),
      events: one.events.map((event) => ({
        ...event,
        at: event.at.toISOString(),
        hash: event.hash.toString("hex"),
      })),
    };
    return await receiptFault(context, one.receipt ?? null, this.#deps.publicKeys);
  }
}

function headFault({ chainHead, chainLength, events }: AuditedSignature): string | undefined {
  const last = events.at(-1);
  if (last?.number !== chainLength)
    return `${chainLength} events are on record, and ${events.length} are there`;
  return last.hash.equals(chainHead) ? undefined : "its last event is not the one that is on record";
}

function sealsFault({ events, sealedLength, seals }: AuditedSignature): string | undefined {
  for (const seal of seals) {
    const event = events[seal.length - 1];
    if (event === undefined) return `its events end before the ${seal.length} that were sealed`;
    if (!event.hash.equals(seal.head)) return `the seal over ${seal.length} events is over another chain`;
  }
  const latest = seals.at(-1)?.length ?? 0;
  return latest === sealedLength
    ? undefined
    : `${sealedLength} events are on record as sealed, and the last seal is over ${latest}`;
}
