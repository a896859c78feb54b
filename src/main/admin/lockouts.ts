import type { Command } from "./command.ts";

export const lockouts: Command = {
  name: "lockouts",
  summary: "customers locked out after wrong codes; free-customer frees one",
  help: "The latest 500, each named by the signature of the last wrong code; those until freed come first.",
  async run(_, { operators, print }) {
    const found = await operators.lockouts(500);
    for (const { signatureId, caller, since, until, failures, steps } of found) {
      const end = until === null ? "until freed" : `until ${until.toISOString()}`;
      const scope = caller === null ? "for all callers" : `for ${caller}`;
      print(
        `${signatureId}  since ${since.toISOString()}  ${end}  ${scope}  ${failures} failures, lockout ${steps}`,
      );
    }
    print(`${found.length} locked out`);
    return 0;
  },
};
