import { type EvidenceConfig, readAdminConfig, readEvidenceConfig, secretVariables } from "./config.ts";
import type { Keys } from "./domain/keys.ts";
import { parse } from "./main/admin/parse.ts";
import { withDatabase } from "./main/connect-database.ts";
import { explanation } from "./main/lifecycle.ts";
import { scrubEnvironment } from "./main/scrub-environment.ts";
import { ActLog, policyRefusal } from "./postgres/act-log.ts";
import { OperatorDesk } from "./postgres/operator-desk.ts";

// `npm run admin`: each command is a file or an entry in src/main/admin.

async function main(): Promise<number> {
  const parsed = parse(process.argv.slice(2));
  if ("text" in parsed) {
    if (parsed.asked) console.log(parsed.text);
    else console.error(parsed.text);
    return parsed.asked ? 0 : 2;
  }
  const { call } = parsed;
  const config = readAdminConfig(process.env);
  const rings = call.command.needsKeys ? readEvidenceConfig(process.env) : undefined;
  scrubEnvironment(process.env, secretVariables);
  return await withDatabase(config, async (database) => {
    const acts = new ActLog(database);
    const operators = new OperatorDesk(database);
    const { retentionDays } = config;
    const { login, verified } = await acts.identity();
    if (!verified && call.as === "") {
      console.error(
        "--as <your name> is mandatory, unless you are logged in at the database by a login of your own",
      );
      return 2;
    }
    const keys = <Result>(use: (keys: Keys) => Result) => withKeys(rings, use);
    const print = (line: string) => console.log(line);
    const desk = { database, acts, operators, keys, retentionDays, print };
    try {
      return await call.command.run({ ...call, as: call.as === "" ? login : call.as }, desk);
    } catch (error) {
      const refusal = policyRefusal(error);
      if (refusal === undefined) throw error;
      console.log(`refused: ${refusal}`);
      return 1;
    }
  });
}

async function withKeys<Result>(
  config: EvidenceConfig | undefined,
  use: (keys: Keys) => Result,
): Promise<Result> {
  if (config === undefined) throw new Error("the command did not say that it needs keys");
  const { openKeys } = await import("./main/evidence-desk.ts");
  const { keys, close } = await openKeys(config);
  try {
    return use(keys.current());
  } finally {
    await close();
  }
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(explanation(error));
    process.exitCode = 1;
  },
);
