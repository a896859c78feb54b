import { text } from "node:stream/consumers";
import { v7 as uuid } from "uuid";
import { countedCustomerId } from "../../domain/customer-id.ts";
import { pseudonyms } from "../../domain/keys.ts";
import type { Command } from "./command.ts";

export const forget: Command = {
  name: "forget",
  options: ["customer"],
  needsKeys: true,
  summary: "removes what is a customer's and no evidence",
  help: `--customer <id>, or --customer - to read it from standard input, where no list of processes shows it. It needs
the key rings (Vault, SIGNATURE_KEYS_FILE or DATA_DIR), as the service has them: customers are kept by keyed pseudonyms.

Removed: what limits and lockouts counted of the customer, and the pseudonyms in closed signatures, so that nobody finds
whose they were, with the key or without. Kept, as evidence until the retention is over: timelines, receipts and sealed
transactions; what is held (admin -- hold), whole; idempotency keys, for 25 hours. Refused while the customer has an open
signature, or is blocked or locked out. The log of acts says that it was ordered and how many signatures it met, not
who the customer is.`,
  fault({ customer }) {
    return customer === undefined || customer === "" ? "forget needs --customer <id>" : undefined;
  },
  async run({ as, values: { customer = "" } }, { acts, keys, print }) {
    const id = countedCustomerId(customer === "-" ? await text(process.stdin) : customer);
    if (id === "") {
      print("refused: the customer id has no visible character");
      return 1;
    }
    const guards = await keys(({ pseudonym }) => pseudonyms(pseudonym, "customer-guard-v1", id));
    const actId = uuid();
    await acts.record(actId, "ORDERED", { command: "forget", as });
    const { forgotten, held } = await acts.forget(actId, guards);
    await acts.record(actId, "DONE", { command: "forget", signatures: forgotten, held });
    print(`forgotten: the customer of ${forgotten} signatures; ${held} are held, and stay as they are`);
    return 0;
  },
};
