/** Settings of a session by name, each value as PostgreSQL shows it. */
export type Settings = Readonly<Record<string, string>>;

/** What statements and their results mean; a database or a role may say otherwise of each. */
const meaning: Settings = {
  // How values are written in results: the driver knows these forms, and JSON of PostgreSQL's has them inside.
  bytea_output: "hex",
  datestyle: "ISO, MDY",
  intervalstyle: "postgres",
  timezone: "UTC",
  client_encoding: "UTF8",
  extra_float_digits: "1",
  // How texts are read.
  standard_conforming_strings: "on",
  array_nulls: "on",
  transform_null_equals: "off",
  // Which tables are meant; pg_catalog comes first.
  search_path: "public",
  // A statement that waited for a row goes on with what it finds then; at higher levels it fails (40001).
  default_transaction_isolation: "read committed",
  default_transaction_deferrable: "off",
  // Recorded before sent: a crash would lose what was committed a moment ago. Anything but off will do.
  synchronous_commit: "on",
  check_function_bodies: "on",
};

/** No statement of the service runs long; a stuck lock must not hold a caller for ever. */
const limits: Settings = {
  statement_timeout: "10s",
  lock_timeout: "5s",
  idle_in_transaction_session_timeout: "10s",
  // The pool ends its connections itself.
  idle_session_timeout: "0",
  transaction_timeout: "0",
};

/** How PostgreSQL is to plan what a connection prepares, once. */
export const planning: Settings = {
  // It would plan some statements anew for every call, which takes four times as long as they do: with the values
  // at hand it sees that whole parts will not run, and takes that for a saving.
  plan_cache_mode: "force_generic_plan",
  // Every row is looked up by an index. A plan that was made while a table was small would read all of it, for as
  // long as no analyze comes by.
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  enable_nestloop: "on",
  enable_indexscan: "on",
  // Nothing here runs long enough to earn its compilation.
  jit: "off",
};

export const serviceSettings: Settings = { ...meaning, ...limits, ...planning };

/** Of a session that changes the schema: an index takes as long as it takes. */
export const migrationSettings: Settings = {
  ...meaning,
  ...limits,
  statement_timeout: "0",
  // For others that migrate, as long as it takes; migrations themselves wait less (migrate.ts).
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "1min",
};

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const listOf = (settings: Settings): string =>
  Object.entries(settings)
    .map(([name, value]) => `(${literal(name)}, ${literal(value)})`)
    .join(", ");

// Other values of a setting that are as good.
const asGood = "name = 'synchronous_commit' and current_setting(name) <> 'off'";

/** The statement that puts the settings into force; servers that do not know one leave it out. */
export function settingStatement(settings: Settings): string {
  return `select set_config(name, value, false) from (values ${listOf(settings)}) as s (name, value)
    where current_setting(name, true) is not null and not (${asGood});`;
}

/**
 * A query for the settings that are not in force, as rows of `name`, `value` as wanted, and `found`.
 * @param seconds that it takes, so that others like it meet other sessions
 */
export function deviationQuery(settings: Settings, seconds: number): string {
  return `select name, value, current_setting(name) as found
    from (values ${listOf(settings)}) as s (name, value), (select pg_sleep(${seconds})) as pause
    where current_setting(name, true) <> value and not (${asGood})
      and not (name = 'search_path' and current_schemas(false) = '{public}')`;
}
