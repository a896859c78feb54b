import { sql } from "drizzle-orm";
import { type AnyPgColumn, customType, timestamp } from "drizzle-orm/pg-core";

export const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });
/** Times are kept in milliseconds, which is what the API's callers and JavaScript compare exactly. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });
export const oneOf = (column: AnyPgColumn, values: readonly string[]) =>
  sql`${column} in (${sql.raw(values.map((value) => `'${value}'`).join(", "))})`;
