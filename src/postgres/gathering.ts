import postgres from "postgres";
import { isUnavailable } from "./errors.ts";

/** What PostgreSQL may do to the whole for the sake of one: locks, deadlocks, time. */
const contention = /^(40001|40P01|55P03|57014)$/;

/** Calls in one statement at most. It takes 1 ms for one call and 4 ms for 20, which all of them wait. */
const callsAtMost = 20;

/**
 * The pace of statements that write: at some hundred calls a second two or three share one, which costs little more
 * than one alone, and is sooner done than as many that wait for each other.
 */
export const writingPaceMs = 6;

export interface GatheringOptions<Call> {
  /** What calls have to have in common to share a statement. */
  readonly kindOf?: (call: Call) => string;
  /** From the beginning of one statement to that of the next, in milliseconds; 0 unless given. */
  readonly paceMs?: number;
  /** After this many milliseconds a statement is not waited for any more: it may hang on a lock or a dead connection. */
  readonly patienceMs?: number;
}

interface Waiting<Call, Result> {
  readonly call: Call;
  readonly answer: PromiseWithResolvers<Result>;
}

/**
 * Calls of one kind that come while others are under way share their statement, its transaction and its
 * fsync: a call that comes alone goes alone and at once, and twenty go without waiting for those before. What
 * PostgreSQL refuses for the sake of one of them is undone for all, and each is asked for alone: nobody is refused
 * for another's sake.
 */
export class Gathering<Call, Result> {
  readonly #ask: (calls: readonly Call[]) => Promise<readonly Result[]>;
  readonly #kindOf: (call: Call) => string;
  readonly #paceMs: number;
  readonly #patienceMs: number;
  #waiting: Waiting<Call, Result>[] = [];
  /** What the next statement waits for: the one before it. */
  #busy = false;
  /** Whether a full statement is under way beside that one. */
  #beside = false;

  /** @param ask one statement for all; answers in the order of the calls */
  constructor(
    ask: (calls: readonly Call[]) => Promise<readonly Result[]>,
    { kindOf = () => "", paceMs = 0, patienceMs = 50 }: GatheringOptions<Call> = {},
  ) {
    this.#ask = ask;
    this.#kindOf = kindOf;
    this.#paceMs = paceMs;
    this.#patienceMs = patienceMs;
  }

  add(call: Call): Promise<Result> {
    const answer = Promise.withResolvers<Result>();
    this.#waiting.push({ call, answer });
    if (this.#busy) this.#goBeside();
    else this.#next();
    return answer.promise;
  }

  /** Those that fill a statement would win nothing by waiting for more. One such at a time: others have work too. */
  #goBeside(): void {
    if (this.#beside || this.#waiting.length < callsAtMost || this.#alike() < callsAtMost) return;
    this.#beside = true;
    void this.#answer(this.#waiting.splice(0, callsAtMost)).then(() => {
      this.#beside = false;
      this.#goBeside();
    });
  }

  #next(): void {
    this.#busy = this.#waiting.length > 0;
    if (!this.#busy) return;
    const together = this.#waiting.splice(0, this.#alike());
    const begun = performance.now();
    let over = false;
    const next = () => {
      if (over) return;
      over = true;
      this.#next();
    };
    const impatient = setTimeout(next, this.#patienceMs);
    void this.#answer(together).then(() => {
      clearTimeout(impatient);
      const early = this.#paceMs - (performance.now() - begun);
      if (early > 0) setTimeout(next, early);
      else next();
    });
  }

  /** How many of the first that wait are of one kind. */
  #alike(): number {
    const some = this.#waiting.slice(0, callsAtMost).map(({ call }) => this.#kindOf(call));
    const other = some.findIndex((kind) => kind !== some[0]);
    return other === -1 ? some.length : other;
  }

  async #answer(together: readonly Waiting<Call, Result>[]): Promise<void> {
    try {
      const results = await this.#ask(together.map(({ call }) => call));
      for (const [n, { answer }] of together.entries()) answer.resolve(results[n]!);
    } catch (error) {
      if (together.length > 1 && isForOne(error)) {
        await Promise.all(together.map((one) => this.#answer([one])));
      } else for (const { answer } of together) answer.reject(error);
    }
  }
}

/** Whether the statement failed, and was undone, for what may be the fault of one of its calls. */
function isForOne(error: unknown): boolean {
  if (!(error instanceof postgres.PostgresError)) return false;
  return contention.test(error.code) || !isUnavailable(error);
}
