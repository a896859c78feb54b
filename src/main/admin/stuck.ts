import type { Command } from "./command.ts";

export const stuck: Command = {
  name: "stuck",
  summary: "challenges in doubt, given up, or waiting for a replica",
  help: "The oldest 200, with the signature id that the other commands take.",
  async run(_, { operators, print }) {
    const found = await operators.stuck(200);
    for (const one of found) {
      print(`${one.signatureId}  since ${one.since.toISOString()}  ${one.attempts} calls  ${one.why}`);
    }
    print(`${found.length} stuck`);
    return 0;
  },
};
