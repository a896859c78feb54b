import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** The test run's server, and the name of the database that has the migrations. */
    database: { url: string; template: string };
  }
}

export type TestDatabase = AsyncDisposable & { url: string; sql: postgres.Sql };

function urlOf(name: string): string {
  const url = new URL(inject("database").url);
  url.pathname = `/${name}`;
  return url.href;
}

async function administer(statement: string): Promise<void> {
  const sql = postgres(inject("database").url, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}

/** A new database, with the migrations of drizzle/ unless it is to be `empty`; disposing drops it. */
export async function createDatabase({ empty = false } = {}): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await administer(`create database ${name} template ${empty ? "template0" : inject("database").template}`);
  const url = urlOf(name);
  const sql = postgres(url, { max: 4, onnotice: () => {} });
  return {
    url,
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 5 });
      await administer(`drop database ${name} with (force)`);
    },
  };
}

/** `const { url, sql } = await useDatabase()` at the top of a test file: a database of its own, dropped after it. */
export async function useDatabase(options?: { empty?: boolean }): Promise<TestDatabase> {
  let database: TestDatabase | undefined;
  afterAll(() => database?.[Symbol.asyncDispose]());
  database = await createDatabase(options);
  return database;
}
