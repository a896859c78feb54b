/** A form of JSON: a test of a leaf, a list of one form, or an object with exactly these members. */
export type Shape = ((value: unknown) => boolean) | readonly [Shape] | { readonly [name: string]: Shape };

const string = (test: (value: string) => boolean) => (value: unknown) =>
  typeof value === "string" && test(value);

// One spelling for each value, so that no changed byte reads as the same.
export const text = string(() => true);
export const hex = (bytes: number) => string((value) => new RegExp(`^[0-9a-f]{${2 * bytes}}$`).test(value));
/** Any number of bytes. */
export const hexBytes = string((value) => /^([0-9a-f]{2})+$/.test(value));
export const uuid = string((value) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value));
export const day = string((value) => /^\d{4}-\d\d-\d\d$/.test(value));
export const time = string((value) => {
  const at = new Date(value);
  return !Number.isNaN(at.getTime()) && at.toISOString() === value;
});
export const base64url = (bytes: number) =>
  string((value) => {
    const decoded = Buffer.from(value, "base64url");
    return decoded.length === bytes && decoded.toString("base64url") === value;
  });
export const count = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
export const exactly = (expected: string) => string((value) => value === expected);
export const anyOf =
  (...tests: readonly ((value: unknown) => boolean)[]) =>
  (value: unknown) =>
    tests.some((test) => test(value));
export const none = (value: unknown) => value === null;
export const record = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The path of the first part that does not have its form, undefined where all have. */
export function misshapen(shape: Shape, value: unknown, path: string): string | undefined {
  if (typeof shape === "function") return shape(value) ? undefined : path;
  if (isList(shape)) {
    if (!Array.isArray(value)) return path;
    return first(value.map((item, index) => () => misshapen(shape[0], item, `${path}[${index}]`)));
  }
  if (!record(value)) return path;
  const members = value as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(members).find((name) => !Object.hasOwn(shape, name));
  // A name that is not expected is a text from outside: it is not repeated.
  if (unknown !== undefined) return `a member of ${path}`;
  return first(
    Object.entries(shape).map(
      ([name, inner]) =>
        () =>
          misshapen(inner, members[name], `${path}.${name}`),
    ),
  );
}

function isList(shape: Exclude<Shape, (value: unknown) => boolean>): shape is readonly [Shape] {
  return Array.isArray(shape);
}

function first(tests: readonly (() => string | undefined)[]): string | undefined {
  for (const test of tests) {
    const found = test();
    if (found !== undefined) return found;
  }
  return undefined;
}
