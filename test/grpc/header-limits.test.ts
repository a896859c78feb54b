import http2, { constants } from "node:http2";
import { expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { runServer } from "../support/grpc-server.ts";

it("resets a call with headers over 16 KiB before its client has heard of the limit, too", async () => {
  await using running = await runServer();
  const session = http2.connect(`http://${running.address}`);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": `/${SignatureService.typeName}/StartSignature`,
      "content-type": "application/grpc",
      te: "trailers",
      "x-long": "v".repeat(20_000),
    });
    stream.on("error", () => {});
    stream.end();
    await new Promise((resolve) => stream.once("close", resolve));
    expect(stream.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  } finally {
    session.destroy();
  }
});
