import { approvalHours } from "../../domain/operator-act.ts";
import type { Desk, ExitCode } from "./command.ts";

/** Says what a second operator has to do; nothing is carried out before. */
export function waitsForApproval(actId: string, { print }: Desk): ExitCode {
  print(`waits for another operator, for ${approvalHours} hours: npm run admin -- approve ${actId}`);
  return 0;
}
