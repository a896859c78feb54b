import { readDatabaseConfig } from "./config.ts";
import { locateDatabase, migrationFolder } from "./main/open-database.ts";
import { runMigrateCommand } from "./postgres/migrate-command.ts";

// `npm run migrate -- up|down [steps]|status`: on DATABASE_MIGRATION_URL or DATABASE_URL, else on the embedded
// server, which is started for it and must not be in use by a running service.
async function main(): Promise<number> {
  const located = await locateDatabase(readDatabaseConfig(process.env));
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
