import { runEvidenceCommand } from "./main/evidence-command.ts";

// `npm run evidence`: beside a running service or without one, with the database and the keys that it has. To
// verify a pack it needs neither, so what opens them is loaded only when it is asked for.

runEvidenceCommand(process.argv.slice(2), {
  print: (line) => console.log(line),
  async input() {
    const { text } = await import("node:stream/consumers");
    return await text(process.stdin);
  },
  async withDesk(use) {
    const { readEvidenceConfig, secretVariables } = await import("./config.ts");
    const { scrubEnvironment } = await import("./main/scrub-environment.ts");
    const { withEvidenceDesk } = await import("./main/evidence-desk.ts");
    const config = readEvidenceConfig(process.env);
    scrubEnvironment(process.env, secretVariables);
    return await withEvidenceDesk(config, use);
  },
}).then(
  (code) => {
    process.exitCode = code;
  },
  async (error: unknown) => {
    const { explanation } = await import("./main/lifecycle.ts");
    console.error(explanation(error));
    process.exitCode = 1;
  },
);
