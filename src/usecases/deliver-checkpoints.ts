import { type CheckpointSink, copyOf, type Delivery } from "../domain/checkpoint-sink.ts";
import type { EvidenceStore } from "../domain/evidence-store.ts";
import type { Observer } from "../domain/observation.ts";

interface Deps {
  readonly evidence: Pick<EvidenceStore, "takeDelivery" | "delivered">;
  readonly sinks: readonly CheckpointSink[];
  readonly observer: Observer;
}

/** Who took a checkpoint has so long to deliver it; after a failure it is tried again then. */
const leaseMs = 60_000;
/** Of one place in a row: a new one gets the whole history, and nothing else waits for it. */
const most = 50;

/** Takes each checkpoint to each place outside the database, oldest first, until the place has it. */
export class DeliverCheckpoints {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async once(signal: AbortSignal): Promise<number> {
    await Promise.all(this.#deps.sinks.map((sink) => this.#to(sink, signal)));
    return 0;
  }

  async #to(sink: CheckpointSink, signal: AbortSignal): Promise<void> {
    const { evidence, observer } = this.#deps;
    for (let count = 0; count < most && !signal.aborted; count += 1) {
      const checkpoint = await evidence.takeDelivery(sink.name, leaseMs);
      if (checkpoint === undefined) return;
      const seen = { type: "checkpoint_delivery", sink: sink.kind, day: checkpoint.day } as const;
      let delivery: Delivery;
      try {
        delivery = await sink.deliver(copyOf(checkpoint), signal);
      } catch (cause) {
        if (!signal.aborted) observer.observe({ ...seen, result: "failed", cause });
        return;
      }
      const token = typeof delivery === "string" ? undefined : delivery.token;
      const result = typeof delivery === "string" ? delivery : "delivered";
      observer.observe({ ...seen, result });
      if (result === "differs") return;
      await evidence.delivered(sink.name, checkpoint.day, token);
    }
  }
}
