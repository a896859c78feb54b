import { registerHooks } from "node:module";
import { guardedConnectionSource, guardedModule } from "./driver-guard.ts";

// Preloaded by `--import`, before anything loads the driver; the bundle has it built in.
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!guardedModule.test(url)) return loaded;
    return { ...loaded, source: guardedConnectionSource(String(loaded.source)) };
  },
});
