import { once } from "node:events";
import type { EmbeddedPostgres } from "../../src/postgres/embedded.ts";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import type { RouterProcess } from "../support/router-process.ts";
import type { Customers } from "./customers.ts";

/** What the acts work on. */
export interface Stage {
  readonly double: TwilioDouble;
  readonly customers: Customers;
  readonly replicas: readonly RouterProcess[];
  readonly clients: RouterProcess["client"][];
  database: EmbeddedPostgres;
  startDatabase(): Promise<EmbeddedPostgres>;
}

/** A time of the run, with its trouble and the alerts that must have come of it. */
export interface Act {
  readonly name: string;
  readonly seconds: number;
  begin(stage: Stage): unknown;
  /** Must fire before the run is over. */
  readonly fire: readonly string[];
  /** Must at least be pending: their `for` is longer than the trouble. */
  readonly wait?: readonly string[];
}

const everybody = () => true;

/** One trouble after the other, each long enough for its alerts. */
export const acts: readonly Act[] = [
  {
    name: "Twilio takes 3.3 s a call, sends no receipts, and payees are not in GSM-7",
    seconds: 11,
    begin({ double, customers }) {
      double.behaviour.latencyMs = 3_300;
      double.behaviour.receipts = "none";
      customers.payee = "Пётр Ильич";
    },
    fire: ["ProviderLatencyHigh"],
    wait: ["MessagesInUcs2"],
  },
  {
    name: "Twilio answers 500, and its list of messages 503",
    seconds: 9,
    begin({ double }) {
      double.behaviour.latencyMs = 0;
      double.plan(everybody, [{ kind: "status", status: 500 }], { repeatLast: true });
      double.planLookups(everybody, [{ kind: "status", status: 503 }], { repeatLast: true });
    },
    fire: ["ProviderErrorRateHigh", "ProviderBreakerOpen", "SendingGivenUp", "LookUpsUnreadable"],
    wait: ["UnknownOutcomesPileUp"],
  },
  {
    name: "Twilio refuses the credentials",
    seconds: 7,
    begin({ double }) {
      double.clearPlans();
      double.plan(everybody, [{ kind: "status", status: 401 }], { repeatLast: true });
    },
    fire: ["ProviderRefusesAccount", "NothingSent"],
  },
  {
    name: "all is well, but for receipts",
    seconds: 6,
    begin({ double, customers }) {
      double.clearPlans();
      customers.payee = "ACME SL";
    },
    fire: [],
    wait: ["ReceiptsMissing"],
  },
  {
    name: "a replica is killed over its calls, some calls are taken late, and codes are mistyped",
    seconds: 11,
    async begin({ double, customers, replicas, clients }) {
      double.behaviour.receipts = "in_order";
      customers.mistypes = true;
      // Beyond the timeout of the call and the settling pause after it.
      double.plan(everybody, Array(4).fill({ kind: "latency", ms: 5_000 }));
      await once(double, "call", { signal: AbortSignal.timeout(5_000) });
      clients.pop();
      await replicas.at(-1)?.kill("SIGKILL");
    },
    fire: ["ReplicaGone", "ChallengesTakenOver", "DuplicateSent", "WrongCodesSurge"],
  },
  {
    name: "the database is stopped",
    seconds: 10,
    async begin(stage) {
      stage.customers.mistypes = false;
      stage.customers.deadlineMs = 1_000;
      await stage.database.stop();
    },
    fire: ["NoReplicaReady", "DatabaseFailing", "AvailabilityBudgetBurnsFast"],
    // UpkeepFailing counts failures, which do not come 60 times as fast.
    wait: ["ReplicaNotReady"],
  },
  {
    name: "the database is back",
    seconds: 5,
    async begin(stage) {
      stage.database = await stage.startDatabase();
    },
    fire: [],
  },
];
