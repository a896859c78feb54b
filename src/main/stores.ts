import type { EvidenceStore } from "../domain/evidence-store.ts";
import type { MessageBudgetStore } from "../domain/message-budget.ts";
import type { Observer } from "../domain/observation.ts";
import type { OperatorOrderStore } from "../domain/operator-order.ts";
import type { TrafficStore } from "../domain/pumping.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";
import type { ClosingStore, DeliveryStore, SignatureStore } from "../domain/stores.ts";
import type { UpkeepStore } from "../domain/upkeep-store.ts";
import { PostgresCallerGrants } from "../postgres/caller-grants.ts";
import { PostgresClosingStore } from "../postgres/closing-store.ts";
import type { Database } from "../postgres/database.ts";
import { PostgresDeliveryStore } from "../postgres/delivery-store.ts";
import { guarded } from "../postgres/errors.ts";
import { PostgresEvidenceStore } from "../postgres/evidence-store.ts";
import type { OnRepeat } from "../postgres/gathering.ts";
import { PostgresMessageBudget } from "../postgres/message-budget.ts";
import { PostgresOperatorOrderStore } from "../postgres/operator-order-store.ts";
import { PostgresSignatureReader } from "../postgres/signature-reader.ts";
import { PostgresSignatureStore } from "../postgres/signature-store.ts";
import { PostgresTrafficStore } from "../postgres/traffic-store.ts";
import { PostgresUpkeepStore } from "../postgres/upkeep-store.ts";
import type { CallerGrants } from "../resilience/caller-limit.ts";

/** What an audit or a checkpoint may take: nobody waits for it. */
const auditMs = 10 * 60_000;

/** Everything that the use cases ask of the database. */
export interface Stores {
  readonly signatures: SignatureStore;
  readonly closings: ClosingStore;
  readonly deliveries: DeliveryStore;
  readonly reader: SignatureReader;
  readonly upkeep: UpkeepStore;
  readonly evidence: EvidenceStore;
  readonly orders: OperatorOrderStore;
  readonly callerGrants: CallerGrants;
  readonly traffic: TrafficStore;
  readonly messageBudget: MessageBudgetStore;
}

export interface StoreSettings {
  /** From the acceptance of what was sent again to the first last look at the provider's list. */
  readonly settleMs: number;
  /** Whether the use of a code is reported to the provider. */
  readonly provideFeedback: boolean;
  /** The newest version of texts that this process can make again. */
  readonly newestText: number;
}

/** Puts something around a store, e.g. measures it. It MUST hand on every argument and result. */
export type Decorate = <Store extends object>(name: string, store: Store) => Store;

/** The stores as the use cases reach them: decorated, and with an end to every wait. */
export function openStores(
  database: Database,
  { settleMs, provideFeedback, newestText }: StoreSettings,
  { decorate, observer }: { readonly decorate: Decorate; readonly observer: Observer },
): Stores {
  const onRepeat: OnRepeat = (statement, calls) =>
    observer.observe({ type: "statement_repeated", statement, calls });
  const store = <Store extends object>(name: string, adapter: Store, deadlineMs?: number): Store =>
    guarded(decorate(name, adapter), deadlineMs);
  return {
    signatures: store("SignatureStore", new PostgresSignatureStore(database, onRepeat)),
    closings: store("ClosingStore", new PostgresClosingStore(database, provideFeedback, onRepeat)),
    deliveries: store("DeliveryStore", new PostgresDeliveryStore(database, settleMs, newestText, onRepeat)),
    reader: store("SignatureReader", new PostgresSignatureReader(database)),
    upkeep: store("UpkeepStore", new PostgresUpkeepStore(database, newestText)),
    evidence: store("EvidenceStore", new PostgresEvidenceStore(database), auditMs),
    orders: store("OperatorOrderStore", new PostgresOperatorOrderStore(database)),
    callerGrants: store("CallerGrants", new PostgresCallerGrants(database)),
    traffic: store("TrafficStore", new PostgresTrafficStore(database)),
    messageBudget: store("MessageBudgetStore", new PostgresMessageBudget(database)),
  };
}
