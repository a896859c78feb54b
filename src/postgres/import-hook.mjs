// drizzle-orm as ESM costs 730 ms and 300 MB at start on Node 24: its package.json has 447 exports
// and is parsed again for each of its modules. Its CommonJS build has neither cost.
import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    if (!resolved.url.includes("/drizzle-orm/") || !resolved.url.endsWith(".js")) return resolved;
    return { ...resolved, url: `${resolved.url.slice(0, -3)}.cjs`, format: "commonjs" };
  },
});
