import type { SandboxMessage } from "./sandbox-message.ts";

/** The latest `capacity` items in order of arrival. */
export class RecentItems<Item> {
  readonly #capacity: number;
  #items: Item[] = [];
  #first = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Returns what fell out to make room. */
  add(item: Item): Item | undefined {
    this.#items.push(item);
    if (this.#items.length - this.#first <= this.#capacity) return undefined;
    const dropped = this.#items[this.#first++];
    if (this.#first > this.#capacity) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return dropped;
  }

  all(): Item[] {
    return this.#items.slice(this.#first);
  }

  latest(count: number): Item[] {
    return this.#items.slice(Math.max(this.#first, this.#items.length - count));
  }
}

/** The messages of one account, by SID and by number; the oldest are forgotten beyond the capacity. */
export class MessageLog {
  readonly #recent: RecentItems<SandboxMessage>;
  readonly #bySid = new Map<string, SandboxMessage>();
  readonly #byTo = new Map<string, SandboxMessage[]>();

  constructor(capacity: number) {
    this.#recent = new RecentItems(capacity);
  }

  add(message: SandboxMessage): void {
    this.#bySid.set(message.sid, message);
    const sameNumber = this.#byTo.get(message.to);
    if (sameNumber === undefined) this.#byTo.set(message.to, [message]);
    else sameNumber.push(message);
    const dropped = this.#recent.add(message);
    if (dropped !== undefined) this.#forget(dropped);
  }

  bySid(sid: string): SandboxMessage | undefined {
    return this.#bySid.get(sid);
  }

  /** Oldest first. */
  to(number: string): readonly SandboxMessage[] {
    return this.#byTo.get(number) ?? [];
  }

  /** Oldest first. */
  all(): SandboxMessage[] {
    return this.#recent.all();
  }

  latest(count: number): SandboxMessage[] {
    return this.#recent.latest(count);
  }

  #forget(message: SandboxMessage): void {
    this.#bySid.delete(message.sid);
    const sameNumber = this.#byTo.get(message.to);
    sameNumber?.shift();
    if (sameNumber?.length === 0) this.#byTo.delete(message.to);
  }
}
