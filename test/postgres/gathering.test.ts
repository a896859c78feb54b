import { setImmediate as turn } from "node:timers/promises";
import postgres from "postgres";
import { describe, expect, test } from "vitest";
import { Gathering } from "../../src/postgres/gathering.ts";

/** A statement that ends when the test says so. */
interface Statement {
  readonly calls: readonly string[];
  end(): void;
  fail(error: unknown): void;
}

/** A gathering whose statements answer each call in capitals, and the statements as they come. */
function gathering(options?: ConstructorParameters<typeof Gathering<string, string>>[1]) {
  const asked: Statement[] = [];
  const waiting: ((statement: Statement) => void)[] = [];
  const calls = new Gathering<string, string>((some) => {
    const answer = Promise.withResolvers<string[]>();
    const statement = {
      calls: some,
      end: () => answer.resolve(some.map((call) => call.toUpperCase())),
      fail: answer.reject,
    };
    const waits = waiting.shift();
    if (waits === undefined) asked.push(statement);
    else waits(statement);
    return answer.promise;
  }, options);
  return {
    add: (call: string) => calls.add(call),
    /** The next statement, once it is asked. */
    async statement(): Promise<Statement> {
      return asked.shift() ?? (await new Promise((resolve) => waiting.push(resolve)));
    },
    /** How many were asked that nobody has looked at. */
    pending: () => asked.length,
  };
}

const refusal = (code: string) =>
  new postgres.PostgresError(Object.assign(new Error("refused"), { code }) as never);

describe("calls that come together", () => {
  test("one that comes alone goes at once; those that come meanwhile share the next statement", async () => {
    const calls = gathering();
    const answers = ["a", "b", "c"].map(calls.add);
    const first = await calls.statement();
    expect(first.calls).toEqual(["a"]);
    expect(calls.pending()).toBe(0);
    first.end();
    const second = await calls.statement();
    expect(second.calls).toEqual(["b", "c"]);
    second.end();
    expect(await Promise.all(answers)).toEqual(["A", "B", "C"]);
  });

  test("a statement takes twenty at most, and those of the first one's kind", async () => {
    const calls = gathering({ kindOf: (call) => call[0] ?? "" });
    const names = [...Array.from({ length: 13 }, (_, n) => `a${n}`), "b", "a", ...Array(9).fill("c")];
    const answers = names.map(calls.add);
    for (const size of [1, 12, 1, 1, 9]) {
      const statement = await calls.statement();
      expect(statement.calls).toHaveLength(size);
      expect(calls.pending()).toBe(0);
      statement.end();
    }
    expect(await Promise.all(answers)).toEqual(names.map((name) => name.toUpperCase()));
  });

  test("twenty go beside the statement under way, and no more than one such at a time", async () => {
    // Out of patience, others would go, too.
    const calls = gathering({ patienceMs: 60_000 });
    const names = Array.from({ length: 46 }, (_, n) => `a${n}`);
    const answers = names.map(calls.add);
    expect(calls.pending()).toBe(2);
    const [first, beside] = [await calls.statement(), await calls.statement()];
    expect([first.calls, beside.calls]).toEqual([["a0"], names.slice(1, 21)]);
    expect(calls.pending()).toBe(0);
    beside.end();
    const next = await calls.statement();
    expect(next.calls).toEqual(names.slice(21, 41));
    next.end();
    await answers[40];
    expect(calls.pending()).toBe(0);
    first.end();
    const rest = await calls.statement();
    expect(rest.calls).toEqual(names.slice(41));
    rest.end();
    expect(await Promise.all(answers)).toEqual(names.map((name) => name.toUpperCase()));
  });

  test("twenty of two kinds wait for the statement under way", async () => {
    const calls = gathering({ kindOf: (call) => call[0] ?? "", patienceMs: 60_000 });
    const names = ["a", ...Array(19).fill("a"), ...Array(5).fill("b")];
    const answers = names.map(calls.add);
    for (const size of [1, 19, 5]) {
      const statement = await calls.statement();
      expect(statement.calls).toHaveLength(size);
      expect(calls.pending()).toBe(0);
      statement.end();
    }
    expect(await Promise.all(answers)).toEqual(names.map((name) => name.toUpperCase()));
  });

  test("a statement that hangs holds up nobody for long", async () => {
    const calls = gathering({ patienceMs: 1 });
    const hanging = calls.add("hangs");
    const other = calls.add("other");
    const first = await calls.statement();
    (await calls.statement()).end();
    expect(await other).toBe("OTHER");
    first.end();
    expect(await hanging).toBe("HANGS");
  });

  test("the pace holds between statements, however soon one is answered", async () => {
    const calls = gathering({ paceMs: 1000 });
    const first = calls.add("a");
    (await calls.statement()).end();
    await first;
    void calls.add("b");
    for (let turns = 0; turns < 5; turns += 1) await turn();
    expect(calls.pending()).toBe(0);
  });
});

describe("calls that change one row", () => {
  test("come after each other, and hold up nobody who waits behind them", async () => {
    const calls = gathering({ rowsOf: (call) => [call[0] ?? ""] });
    const answers = ["ahead", "b1", "b2", "c1", "b3", "c2", "d1"].map(calls.add);
    (await calls.statement()).end();
    for (const together of [["b1", "c1", "d1"], ["b2", "c2"], ["b3"]]) {
      const statement = await calls.statement();
      expect(statement.calls).toEqual(together);
      statement.end();
    }
    expect((await Promise.all(answers)).at(-1)).toBe("D1");
  });
});

describe("a statement that fails", () => {
  const many = Array.from({ length: 19 }, (_, n) => `ok${n}`);

  /** Twenty calls in one statement, one of which fails each that it is in; the statements that it took. */
  async function oneBad(code: string) {
    const repeated: number[] = [];
    const calls = gathering({ onRepeat: (count) => void repeated.push(count) });
    const ahead = calls.add("ahead");
    const names = [...many.slice(0, 7), "bad", ...many.slice(7)];
    const answers = names.map(calls.add);
    (await calls.statement()).end();
    await ahead;
    let over = false;
    const ended = Promise.allSettled(answers).finally(() => {
      over = true;
    });
    const asked: string[][] = [];
    while (!over) {
      const statement = await Promise.race([calls.statement(), ended]);
      if (!("calls" in statement)) break;
      asked.push([...statement.calls]);
      if (statement.calls.includes("bad")) statement.fail(refusal(code));
      else statement.end();
      await turn();
    }
    const ends = await ended;
    for (const [n, end] of ends.entries()) {
      if (names[n] === "bad") expect(end).toMatchObject({ status: "rejected", reason: { code } });
      else expect(end).toEqual({ status: "fulfilled", value: names[n]?.toUpperCase() });
    }
    return { asked, repeated };
  }

  test.each([
    ["a limit", "SR001"],
    ["a row that stands already", "23505"],
    ["a row that it would change twice", "21000"],
  ])("for %s is asked again in halves, and fails for whom it is meant alone", async (_name, code) => {
    const { asked, repeated } = await oneBad(code);
    // Twenty, then two for each halving.
    expect(asked.length).toBeLessThanOrEqual(1 + 2 * Math.ceil(Math.log2(20)));
    expect(repeated[0]).toBe(20);
  });

  test.each([
    ["a deadlock", "40P01"],
    ["a lock that was not to be had", "55P03"],
    ["its time", "57014"],
  ])("for %s is asked again for each, so that nobody waits for it twice", async (_name, code) => {
    const { asked, repeated } = await oneBad(code);
    expect(asked.slice(1).map((calls) => calls.length)).toEqual(Array(20).fill(1));
    expect(repeated).toEqual([20]);
  });

  test.each([
    ["the database is shutting down", refusal("57P01")],
    ["the connection is lost", Object.assign(new Error("lost"), { code: "CONNECTION_CLOSED" })],
  ])("because %s fails for all, whose calls may have been done", async (_name, error) => {
    const calls = gathering();
    const ahead = calls.add("ahead");
    const answers = ["a", "b"].map(calls.add);
    (await calls.statement()).end();
    await ahead;
    (await calls.statement()).fail(error);
    expect(await Promise.allSettled(answers)).toMatchObject([{ reason: error }, { reason: error }]);
    expect(calls.pending()).toBe(0);
  });
});
