import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

interface Received {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

export interface Collector extends AsyncDisposable {
  readonly url: string;
  readonly received: Received[];
}

/** An OpenTelemetry collector that takes OTLP as JSON and keeps it. */
export async function startCollector(): Promise<Collector> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const { url: path = "", headers } = request;
    const body = JSON.stringify(await json(request));
    received.push({ path, authorization: headers.authorization, body });
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
