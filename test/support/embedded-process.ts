// A process that owns an embedded PostgreSQL, to be killed. Forked with {options, uid?}; answers {url} or {error}.
import { type EmbeddedPostgresOptions, startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { EmbeddedPostgresError } from "../../src/postgres/embedded-error.ts";

export type Order = { options: EmbeddedPostgresOptions; uid?: number };
export type Answer = { url: string } | { error: string; reason: string };

const answer = (message: Answer) => process.send?.(message);

process.once("message", async ({ options, uid }: Order) => {
  if (uid !== undefined) {
    process.setgroups?.([]);
    process.setgid?.(uid);
    process.setuid?.(uid);
  }
  try {
    const server = await startEmbeddedPostgres(options);
    process.once("message", async () => {
      await server.stop();
      process.disconnect();
    });
    answer({ url: server.url });
  } catch (error) {
    const reason = error instanceof EmbeddedPostgresError ? error.reason : "unexpected";
    answer({ error: String(error), reason });
    process.disconnect();
  }
});
