import type { Command } from "./command.ts";

const daysOf = (text: string | undefined): number => Number(text ?? 400);

export const purge: Command = {
  name: "purge",
  options: ["days"],
  summary: "removes whole closed signatures that are older (400 days)",
  help: "Closed and sealed ones alone, in batches of 500. Seals and checkpoints stay.",
  fault({ days }) {
    return Number.isInteger(daysOf(days)) && daysOf(days) > 0
      ? undefined
      : "--days must be a whole number above 0";
  },
  async run({ values }, { operators, print }) {
    const days = daysOf(values.days);
    let removed = 0;
    for (let batch = 1; batch > 0; removed += batch) {
      batch = await operators.purge(days, 500);
      if (batch > 0) print(`removed ${removed + batch}`);
    }
    print(`${removed} signatures removed, closed more than ${days} days ago`);
    return 0;
  },
};
