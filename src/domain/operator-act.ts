import { type ChainedEvent, emptyHead, eventHash } from "./chain.ts";

/**
 * The log of privileged acts. ORDERED stands before the act is carried out, APPROVED where a second operator had to
 * agree, DONE says what became of it, READ that somebody looks at a signature, REMOVED that closed signatures went,
 * POLICY that the owner of the tables changed what binds operators.
 */
export const actTypes = ["ORDERED", "APPROVED", "DONE", "READ", "REMOVED", "POLICY"] as const;
export type ActType = (typeof actTypes)[number];

/** One entry; its details name the login (`login`), and whether that is an operator's own (`verified`). */
export interface Act extends ChainedEvent {
  readonly actId: string;
}

/** What stands for a signature's id in seals over this log: a day's checkpoint covers them with all others. */
export const actLogId = "00000000-0000-0000-0000-000000000000";

/** What the policy can put under four eyes: a second operator approves it before it is carried out. */
export const fourEyesCommands: readonly string[] = [
  ...["purge", "release-hold", "resend", "abort", "requeue"],
  ...["block-customer", "free-customer", "block-number", "free-number"],
];

/** Hours in which a second operator can approve. The database's function `record_act` has the same. */
export const approvalHours = 24;

/** Checks the log entry by entry, from the first: each hash is over the entry before it, as in a timeline. */
export class ActChain {
  #head = emptyHead;
  #number = 0;

  /** What does not fit; undefined where it does. After a fault the chain goes on from the entry as it stands. */
  fault(act: Act): string | undefined {
    const expected = this.#number + 1;
    const head = this.#head;
    this.#number = act.number;
    this.#head = act.hash;
    if (act.number !== expected)
      return `entry ${expected} is missing: number ${act.number} stands in its place`;
    if (eventHash(head, act.actId, act).equals(act.hash)) return undefined;
    return `entry ${act.number} was changed: its hash is not that of its content and of the entry before it`;
  }
}
