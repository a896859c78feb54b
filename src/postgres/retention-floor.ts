import type { Sql } from "postgres";
import { readPolicy } from "./act-log.ts";
import { DatabaseFault } from "./fault.ts";

/**
 * Refuses a retention that the database will not let the service carry out.
 * @throws DatabaseFault with the cure
 */
export async function requireRetention(sql: Sql, retentionDays: number): Promise<void> {
  const { retentionFloorDays } = await readPolicy(sql);
  if (retentionDays >= retentionFloorDays) return;
  throw new DatabaseFault(
    `SIGNATURE_RETENTION_DAYS is ${retentionDays}, and the database keeps closed signatures for ${retentionFloorDays} ` +
      `days at least: raise it, or lower the floor with the rights of the tables' owner: ` +
      `npm run migrate -- policy --retention-floor ${Math.floor(retentionDays)}`,
  );
}
