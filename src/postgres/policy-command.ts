import { parseArgs } from "node:util";
import type { Sql } from "postgres";
import { fourEyesCommands } from "../domain/operator-act.ts";
import { type Policy, readPolicy } from "./act-log.ts";

export const policyUsage = `  policy  shows what binds operators and the service; with options, sets it:
            --retention-floor DAYS      closed signatures are kept at least that long, 1 to 36500
            --four-eyes COMMAND,…|none  of ${fourEyesCommands.join(", ")}
            --operator-role ROLE        whose members' logins are operators' own: their identity is verified`;

type Change = Partial<Policy>;

/** The change that was asked for; undefined where it cannot be understood. */
export function parsePolicy(args: readonly string[]): Change | undefined {
  try {
    const options = {
      "retention-floor": { type: "string" },
      "four-eyes": { type: "string" },
      "operator-role": { type: "string" },
    } as const;
    const { values } = parseArgs({ args: [...args], options });
    const { "retention-floor": days, "four-eyes": commands, "operator-role": role } = values;
    if (days !== undefined && !(/^\d{1,5}$/.test(days) && Number(days) >= 1 && Number(days) <= 36_500))
      return undefined;
    const fourEyes = commands === undefined || commands === "none" ? [] : commands.split(",");
    if (fourEyes.some((command) => !fourEyesCommands.includes(command))) return undefined;
    if (role !== undefined && !/^[\w$]{1,63}$/.test(role)) return undefined;
    return {
      ...(days !== undefined && { retentionFloorDays: Number(days) }),
      ...(commands !== undefined && { fourEyes }),
      ...(role !== undefined && { operatorRole: role }),
    };
  } catch {
    return undefined;
  }
}

/** Sets what was asked for, which stands in the log of acts, and prints what holds now. */
export async function runPolicy(sql: Sql, change: Change, print: (line: string) => void): Promise<void> {
  const now = await readPolicy(sql);
  const { retentionFloorDays, operatorRole, fourEyes } = { ...now, ...change };
  if (Object.keys(change).length > 0) {
    await sql`
      update operator_policy set retention_floor_days = ${retentionFloorDays}, operator_role = ${operatorRole},
        four_eyes = ${[...fourEyes]}::text[]`;
  }
  print(`retention floor: ${retentionFloorDays} days`);
  print(`four eyes: ${fourEyes.length > 0 ? fourEyes.join(", ") : "none"}`);
  print(`operators: members of ${operatorRole}`);
}
