import { acts } from "./acts.ts";
import { approve } from "./approve.ts";
import type { Command } from "./command.ts";
import { forget } from "./forget.ts";
import { holdCommands } from "./hold.ts";
import { lockouts } from "./lockouts.ts";
import { orderCommands } from "./order-commands.ts";
import { purge } from "./purge.ts";
import { showSignature } from "./show-signature.ts";
import { stuck } from "./stuck.ts";

/** All commands of `npm run admin`, as its usage lists them. */
export const commands: readonly Command[] = [
  showSignature,
  stuck,
  lockouts,
  ...orderCommands,
  purge,
  ...holdCommands,
  forget,
  approve,
  acts,
];
