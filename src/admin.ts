import { readDatabaseConfig, secretVariables } from "./config.ts";
import { parse } from "./main/admin/parse.ts";
import { withDatabase } from "./main/connect-database.ts";
import { explanation } from "./main/lifecycle.ts";
import { scrubEnvironment } from "./main/scrub-environment.ts";
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
  const config = readDatabaseConfig(process.env);
  scrubEnvironment(process.env, secretVariables);
  return await withDatabase(config, (database) =>
    call.command.run(call, {
      database,
      operators: new OperatorDesk(database),
      print: (line) => console.log(line),
    }),
  );
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
