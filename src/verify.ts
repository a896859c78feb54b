import { type VerifyCall, verify } from "./main/evidence-verify.ts";

// `node verify.mjs <pack.json> [<jwks.json>]`: what `npm run evidence -- verify` does, as one file for whoever has
// neither this repository nor its packages. .deploy/bundle.ts makes it.

const [file, jwks, ...rest] = process.argv.slice(2);
if (file === undefined || rest.length > 0) {
  console.log("node verify.mjs <pack.json> [<the bank's JWK set>]");
  process.exitCode = 2;
} else {
  const call: VerifyCall = { command: "verify", file, jwks, text: undefined };
  process.exitCode = await verify(call, { print: (line) => console.log(line) });
}
