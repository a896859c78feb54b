import { callHead, flag, frame, frameOf, headerBlock } from "./http2-frames.ts";

const start = "/bank.signature.v1.SignatureService/StartSignature";
const get = "/bank.signature.v1.SignatureService/GetSignature";

/** Floods of one kind of frame; those that end the connection say so. */
export const floods: readonly {
  readonly name: string;
  readonly bytes: (n: number) => Buffer;
  readonly opening?: Buffer;
  readonly times: number;
  readonly ends: boolean;
}[] = [
  { name: "pings", bytes: () => frameOf(frame.ping, 0, 0, Buffer.alloc(8)), times: 20_000, ends: false },
  { name: "settings", bytes: () => frameOf(frame.settings, 0, 0), times: 20_000, ends: false },
  {
    name: "continuations of one head",
    opening: frameOf(frame.headers, 0, 1, callHead(start)),
    bytes: () => frameOf(frame.continuation, 0, 1, headerBlock([["x", "y".repeat(100)]])),
    times: 20_000,
    ends: true,
  },
  {
    name: "empty data",
    opening: frameOf(frame.headers, flag.endHeaders, 1, callHead(start)),
    bytes: () => frameOf(frame.data, 0, 1),
    times: 20_000,
    ends: true,
  },
  {
    name: "heads that end nothing, and resets",
    bytes: (n) =>
      Buffer.concat([
        frameOf(frame.headers, flag.endHeaders | flag.endStream, 2 * n + 1, callHead(get)),
        frameOf(frame.reset, 0, 2 * n + 1, Buffer.from([0, 0, 0, 8])),
      ]),
    times: 5000,
    ends: true,
  },
  {
    name: "window updates",
    bytes: () => frameOf(frame.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 1])),
    times: 20_000,
    ends: false,
  },
  {
    name: "priorities",
    bytes: (n) => frameOf(frame.priority, 0, 2 * n + 1, Buffer.from([0, 0, 0, 0, 1])),
    times: 20_000,
    ends: false,
  },
];
