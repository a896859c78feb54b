import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { InboxFeed, inboxSnapshot } from "./inbox-feed.ts";
import { magicNumbers } from "./magic-numbers.ts";
import type { TwilioDouble } from "./twilio-double.ts";

/** Nothing from elsewhere, nothing inline: whatever a message holds, it cannot run. */
const securityHeaders = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cache-Control": "no-store",
};

/** Answers the request and says true, or leaves it alone and says false. `close` ends the pages' streams. */
export type InboxHandler = ((request: IncomingMessage, response: ServerResponse) => boolean) & {
  close(): void;
};

/**
 * The phone of the sandbox, for a server that has other paths too: `/inbox` the page,
 * `/inbox/events` its stream, `/inbox/messages.json` the same for scripts, newest first; each for
 * one number with `?to=`. Closing the double closes the streams.
 */
export function inboxHandler(double: TwilioDouble): InboxHandler {
  const feed = new InboxFeed(double);
  const files: Readonly<Record<string, { type: string; content: string }>> = {
    "/inbox": { type: "text/html; charset=utf-8", content: page() },
    "/inbox/style.css": { type: "text/css; charset=utf-8", content: read("style.css") },
    "/inbox/script.js": { type: "text/javascript; charset=utf-8", content: read("script.js") },
  };

  const handle = (request: IncomingMessage, response: ServerResponse): boolean => {
    const [path = "", search = ""] = (request.url ?? "").split("?", 2);
    if (path !== "/inbox" && !path.startsWith("/inbox/")) return false;
    const send = (status: number, type: string, content: string) => {
      response.writeHead(status, { ...securityHeaders, "Content-Type": type });
      response.end(request.method === "HEAD" ? undefined : content);
    };
    const to = new URLSearchParams(search).get("to") || null;
    const file = files[path];
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      send(405, "text/plain", "Only GET\n");
    } else if (file !== undefined) {
      send(200, file.type, file.content);
    } else if (path === "/inbox/messages.json") {
      const { messages, calls } = inboxSnapshot(double, to);
      const newestFirst = { sandbox: true, messages: messages.reverse(), calls: calls.reverse() };
      send(200, "application/json", JSON.stringify(newestFirst, null, 2));
    } else if (path === "/inbox/events" && request.method === "GET") {
      response.writeHead(200, { ...securityHeaders, "Content-Type": "text/event-stream" });
      feed.follow(response, to);
    } else {
      send(404, "text/plain", "Not found\n");
    }
    return true;
  };
  return Object.assign(handle, { close: () => feed.close() });
}

function read(name: string): string {
  return readFileSync(new URL(`./inbox-page/${name}`, import.meta.url), "utf8");
}

/** The page with the table of magic numbers filled in; its rows hold only text of ours. */
function page(): string {
  const groups = [...new Set(magicNumbers.map(({ group }) => group))];
  const tables = groups.map((group) => {
    const rows = magicNumbers
      .filter((magic) => magic.group === group)
      .map(
        ({ suffix, meaning }) =>
          `<tr><th scope="row"><button type="button" class="number" data-copy="+3460000${suffix}" title="Copy the number">…${suffix}</button></th><td>${meaning}</td></tr>`,
      );
    return `<table><caption>${group}</caption><tbody>${rows.join("\n")}</tbody></table>`;
  });
  return read("page.html").replace("<!-- magic numbers -->", tables.join("\n"));
}
