import { registerHooks } from "node:module";
import { guardedModules, guardedSource } from "./driver-guard.ts";

// Preloaded by `--import`, before anything loads the driver; the bundle has it built in.
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!guardedModules.test(url)) return loaded;
    return { ...loaded, source: guardedSource(url, String(loaded.source)) };
  },
});
