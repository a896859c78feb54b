import { readDatabaseConfig } from "./config.ts";
import { locateForTool } from "./main/connect-database.ts";
import { migrationFolder } from "./main/open-database.ts";
import { runMigrateCommand } from "./postgres/migrate-command.ts";

// `npm run migrate -- up|down [steps]|status`: on DATABASE_MIGRATION_URL or DATABASE_URL, else on the embedded
// server: that of a running service, or started for it.
async function main(): Promise<number> {
  const located = await locateForTool(readDatabaseConfig(process.env));
  try {
    return await runMigrateCommand(process.argv.slice(2), {
      url: located.migrationUrl,
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
    console.error(error instanceof Error ? error.message : "unexpected error");
    process.exitCode = 1;
  },
);
