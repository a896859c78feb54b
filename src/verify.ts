import { parseArgs } from "node:util";
import { type VerifyCall, verify } from "./main/evidence-verify.ts";

// `node verify.mjs <pack.json> [<jwks.json>] [--tsa-ca <file.pem>]`: what `npm run evidence -- verify` does, as one file
// for whoever has neither this repository nor its packages. .deploy/bundle.ts makes it.

const call = parse(process.argv.slice(2));
if (call === undefined) {
  console.log(
    "node verify.mjs <pack.json> [<the bank's JWK set>] [--tsa-ca <PEM of time-stamp authorities>]",
  );
  process.exitCode = 2;
} else {
  process.exitCode = await verify(call, { print: (line) => console.log(line) });
}

function parse(args: string[]): VerifyCall | undefined {
  try {
    const options = { "tsa-ca": { type: "string" } } as const;
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const [file, jwks, ...rest] = positionals;
    if (file === undefined || rest.length > 0) return undefined;
    return { command: "verify", file, jwks, text: undefined, tsaCa: values["tsa-ca"] };
  } catch {
    return undefined;
  }
}
