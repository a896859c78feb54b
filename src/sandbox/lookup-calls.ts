import { statusAnswer } from "./create-calls.ts";
import type { Answer, Exchange } from "./exchange.ts";
import type { LookupStep } from "./steps.ts";
import type { TimerGroup } from "./timers.ts";

/** Answers a list or fetch call by the step it meets; `read` is asked at the moment of the answer. */
export function answerLookup(args: {
  exchange: Exchange;
  step: LookupStep;
  latencyMs: number;
  timers: TimerGroup;
  read: (showNothing: boolean) => Answer;
}): void {
  const { exchange, step, latencyMs, timers, read } = args;
  switch (step.kind) {
    case "answer":
    case "nothing":
      timers.after(latencyMs, () => exchange.send(read(step.kind === "nothing")));
      return;
    case "latency":
      timers.after(latencyMs + step.ms, () => exchange.send(read(false)));
      return;
    case "status":
      timers.after(latencyMs, () => exchange.send(statusAnswer(step)));
      return;
    case "truncated":
      exchange.sendTruncated(read(false));
      return;
    case "reset":
      exchange.reset();
      return;
    case "hang":
      return;
  }
}
