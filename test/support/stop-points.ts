// Preloaded into a router process with `node --import`: brings it to a standstill at a step that a test
// names in STOP_POINTS, and says so in a line on stdout, "reached <at> <to>".
import { writeSync } from "node:fs";
import { type Dispatcher, Pool } from "undici";

/** A call to Twilio's create, by its number and by which one to that number it is. */
export interface StopPoint {
  readonly to: string;
  /** 1, the default, for the first. */
  readonly call?: number;
  /**
   * `before_call`: recorded, not yet given to the HTTP client; `before_write`: the connection is there
   * and the next thing would be to ask the permit and write; `after_answer`: the whole answer has come.
   */
  readonly at: "before_call" | "before_write" | "after_answer";
  /** `hold` keeps this one call as it is for ever; `stop` stops the process (SIGSTOP). */
  readonly effect: "hold" | "stop";
}

const points: StopPoint[] = JSON.parse(process.env["STOP_POINTS"] ?? "[]");
const calls = new Map<string, number>();

/** True where the call is to stand still; a stopped process goes on from here with SIGCONT. */
function reach(point: StopPoint): boolean {
  writeSync(1, `reached ${point.at} ${point.to}\n`);
  if (point.effect === "stop") process.kill(process.pid, "SIGSTOP");
  return point.effect === "hold";
}

function pointOf({ method, body }: Dispatcher.DispatchOptions): StopPoint | undefined {
  const to = method === "POST" && typeof body === "string" ? new URLSearchParams(body).get("To") : null;
  if (to === null) return undefined;
  const call = (calls.get(to) ?? 0) + 1;
  calls.set(to, call);
  return points.find((point) => point.to === to && (point.call ?? 1) === call);
}

const dispatch = Pool.prototype.dispatch;

Pool.prototype.dispatch = function stopping(this: Pool, options, handler) {
  const point = pointOf(options);
  if (point === undefined) return dispatch.call(this, options, handler);
  if (point.at === "before_call") return reach(point) || dispatch.call(this, options, handler);
  let held = false;
  return dispatch.call(this, options, {
    onRequestStart(...args) {
      if (point.at === "before_write") reach(point);
      handler.onRequestStart?.(...args);
    },
    onResponseStart: (...args) => handler.onResponseStart?.(...args),
    onResponseData: (...args) => handler.onResponseData?.(...args),
    onResponseEnd(...args) {
      held = point.at === "after_answer" && reach(point);
      if (!held) handler.onResponseEnd?.(...args);
    },
    onResponseError(...args) {
      if (!held) handler.onResponseError?.(...args);
    },
  });
};
