import { readDatabaseConfig, secretVariables } from "./config.ts";
import { locateForTool } from "./main/connect-database.ts";
import { explanation } from "./main/lifecycle.ts";
import { migrationFolder } from "./main/open-database.ts";
import { scrubEnvironment } from "./main/scrub-environment.ts";
import { runMigrateCommand } from "./postgres/migrate-command.ts";

// `npm run migrate -- up|down [steps]|status`: on DATABASE_MIGRATION_URL or DATABASE_URL, else on the embedded
// server: that of a running service, or started for it.
async function main(): Promise<number> {
  const config = readDatabaseConfig(process.env);
  scrubEnvironment(process.env, secretVariables);
  const located = await locateForTool(config);
  try {
    return await runMigrateCommand(process.argv.slice(2), {
      ...located.migration,
      folder: migrationFolder,
      print: (line) => console.log(line),
    });
  } finally {
    await located.stop();
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
