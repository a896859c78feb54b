import type { PendingQuery, Row, Sql } from "postgres";

/** A piece of a statement, or all of one. */
class Piece {
  readonly strings: readonly string[];
  readonly values: readonly unknown[];

  constructor(strings: readonly string[], values: readonly unknown[]) {
    this.strings = strings;
    this.values = values;
  }
}

/** A piece that is the driver's query to whoever waits for it, and to nobody else. */
function queryOf(sql: Sql, strings: readonly string[], values: readonly unknown[]): object {
  let query: PendingQuery<Row[]> | undefined;
  return new Proxy(new Piece(strings, values), {
    get(piece, property) {
      if (property === "strings" || property === "values") return piece[property];
      if (query === undefined) {
        const { text, parameters } = assembled(piece);
        query = sql.unsafe(text, parameters as never[], { prepare: true });
      }
      const member: unknown = Reflect.get(query, property);
      return typeof member === "function" ? member.bind(query) : member;
    },
  });
}

/** A column or table by name. */
class Name {
  readonly text: string;

  constructor(name: string) {
    this.text = `"${name.replaceAll('"', '""')}"`;
  }
}

/** A text that was put together, and the pieces and names that it was put together of, in their order. */
interface Assembled {
  readonly shape: readonly unknown[];
  readonly text: string;
}

// A template's strings are one array for each place in the code, so few texts stand for all statements.
const texts = new WeakMap<readonly string[], Assembled[]>();

function assembled(piece: Piece): { text: string; parameters: unknown[] } {
  const [shape, parameters]: [unknown[], unknown[]] = [[], []];
  takeApart(piece, shape, parameters);
  const known = texts.get(piece.strings) ?? [];
  const found = known.find((one) => isSame(one.shape, shape));
  if (found !== undefined) return { text: found.text, parameters };
  const text = textOf(piece, { count: 0 });
  texts.set(piece.strings, [...known, { shape, text }]);
  return { text, parameters };
}

function takeApart({ strings, values }: Piece, shape: unknown[], parameters: unknown[]): void {
  shape.push(strings);
  for (const value of values) {
    if (value instanceof Piece) takeApart(value, shape, parameters);
    else if (value instanceof Name) shape.push(value.text);
    else parameters.push(value);
  }
}

function isSame(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((part, n) => part === other[n]);
}

function textOf({ strings, values }: Piece, parameters: { count: number }): string {
  return values.reduce<string>((text, value, n) => {
    if (value instanceof Piece) return text + textOf(value, parameters) + strings[n + 1];
    if (value instanceof Name) return text + value.text + strings[n + 1];
    parameters.count += 1;
    return `${text}$${parameters.count}${strings[n + 1]}`;
  }, strings[0] ?? "");
}

function isTemplate(value: unknown): value is TemplateStringsArray {
  return Array.isArray(value) && "raw" in value;
}

/**
 * The driver's templates, whose statements are put together once for each place in the code. The driver does
 * it again for every call, with a promise for each fragment, which takes longer than to send the statement and
 * to read its answer.
 */
export function assembledOnce<Client extends Sql>(sql: Client): Client {
  return new Proxy(sql, {
    apply(_target, _self, [first, ...rest]: [unknown, ...unknown[]]) {
      if (isTemplate(first)) return queryOf(sql, first, rest);
      if (typeof first === "string" && rest.length === 0) return new Name(first);
      throw new Error("only templates and names are put together here");
    },
    get(target, property) {
      if (property !== "begin") return Reflect.get(target, property);
      return (...args: [...string[], (tx: Sql) => unknown]) => {
        const work = args.pop() as (tx: Sql) => unknown;
        const begin = target.begin as (...all: unknown[]) => unknown;
        return begin(...args, (tx: Sql) => work(assembledOnce(tx)));
      };
    },
  });
}
