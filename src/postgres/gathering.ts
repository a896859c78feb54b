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

/** Told of a shared statement that failed and whose calls are asked for again: its name, and how many they are. */
export type OnRepeat = (statement: string, calls: number) => void;

export interface GatheringOptions<Call> {
  /** What calls have to have in common to share a statement. */
  readonly kindOf?: (call: Call) => string;
  /** Rows that a statement can change once only: calls that have one in common come after each other. */
  readonly rowsOf?: (call: Call) => readonly string[];
  /** Told of a statement that failed and whose calls are asked for again, and how many they are. */
  readonly onRepeat?: (calls: number) => void;
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
 * PostgreSQL refuses for the sake of one of them is undone for all, and asked for again in halves until the one is
 * found, which takes ten statements for one of twenty: nobody is refused for another's sake.
 */
export class Gathering<Call, Result> {
  readonly #ask: (calls: readonly Call[]) => Promise<readonly Result[]>;
  readonly #kindOf: (call: Call) => string;
  readonly #rowsOf: (call: Call) => readonly string[];
  readonly #onRepeat: (calls: number) => void;
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
    { kindOf, rowsOf, onRepeat, paceMs = 0, patienceMs = 50 }: GatheringOptions<Call> = {},
  ) {
    this.#ask = ask;
    this.#kindOf = kindOf ?? (() => "");
    this.#rowsOf = rowsOf ?? (() => []);
    this.#onRepeat = onRepeat ?? (() => undefined);
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
    if (this.#beside || this.#waiting.length < callsAtMost) return;
    const together = this.#together();
    if (together.length < callsAtMost) return;
    this.#beside = true;
    void this.#answer(this.#taken(together)).then(() => {
      this.#beside = false;
      this.#goBeside();
    });
  }

  #next(): void {
    this.#busy = this.#waiting.length > 0;
    if (!this.#busy) return;
    const together = this.#taken(this.#together());
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

  /** The first that wait, of the first one's kind and each with rows of its own. */
  #together(): readonly Waiting<Call, Result>[] {
    const together: Waiting<Call, Result>[] = [];
    const rows = new Set<string>();
    const kind = this.#waiting[0] && this.#kindOf(this.#waiting[0].call);
    for (const waiting of this.#waiting) {
      if (together.length === callsAtMost || this.#kindOf(waiting.call) !== kind) break;
      const own = this.#rowsOf(waiting.call);
      // Those behind one that has to wait are not held up by it.
      if (own.some((row) => rows.has(row))) continue;
      for (const row of own) rows.add(row);
      together.push(waiting);
    }
    return together;
  }

  #taken(together: readonly Waiting<Call, Result>[]): readonly Waiting<Call, Result>[] {
    const [first] = together;
    const contiguous = first === this.#waiting[0] && together.at(-1) === this.#waiting[together.length - 1];
    if (contiguous) this.#waiting.splice(0, together.length);
    else {
      const taken = new Set(together);
      this.#waiting = this.#waiting.filter((waiting) => !taken.has(waiting));
    }
    return together;
  }

  async #answer(together: readonly Waiting<Call, Result>[]): Promise<void> {
    try {
      const results = await this.#ask(together.map(({ call }) => call));
      for (const [n, { answer }] of together.entries()) answer.resolve(results[n]!);
    } catch (error) {
      if (together.length > 1 && isForOne(error)) {
        this.#onRepeat(together.length);
        // What waited for a lock or for its time would wait for it in every half, and all with it.
        const size = isContention(error) ? 1 : Math.ceil(together.length / 2);
        const parts: Promise<void>[] = [];
        for (let n = 0; n < together.length; n += size) parts.push(this.#answer(together.slice(n, n + size)));
        await Promise.all(parts);
      } else for (const { answer } of together) answer.reject(error);
    }
  }
}

/** Whether the statement failed, and was undone, for what may be the fault of one of its calls. */
function isForOne(error: unknown): boolean {
  if (!(error instanceof postgres.PostgresError)) return false;
  return contention.test(error.code) || !isUnavailable(error);
}

function isContention(error: unknown): boolean {
  return error instanceof postgres.PostgresError && contention.test(error.code);
}
