import { messageResource, type SandboxMessage } from "./sandbox-message.ts";

const defaultPageSize = 50;
const largestPageSize = 1000;

/**
 * The list resource: newest first, with Twilio's envelope and page links, without totals.
 * A filter on DateSent leaves out what has no date_sent yet, as Twilio does: what was accepted
 * a moment ago is invisible to it.
 * @param candidates oldest first; those of one number where the query names one
 * @param now hides messages whose listing lags
 */
export function messageList(args: {
  path: string;
  query: URLSearchParams;
  candidates: readonly SandboxMessage[];
  now: number;
}) {
  const { path, query, candidates, now } = args;
  const pageSize = Math.min(Math.max(number(query.get("PageSize"), defaultPageSize), 1), largestPageSize);
  const page = Math.max(number(query.get("Page"), 0), 0);
  const after = query.get("PageToken")?.slice(2);

  const found: SandboxMessage[] = [];
  let toSkip = after === undefined ? page * pageSize : 0;
  let reached = after === undefined;
  for (let index = candidates.length - 1; index >= 0 && found.length <= pageSize; index -= 1) {
    const message = candidates[index];
    if (message === undefined) continue;
    if (!reached) reached = message.sid === after;
    else if (!isShown(message, query, now)) continue;
    else if (toSkip > 0) toSkip -= 1;
    else found.push(message);
  }

  const shown = found.slice(0, pageSize);
  const start = page * pageSize;
  const last = found.length > pageSize ? shown.at(-1) : undefined;
  const link = (target: number, token?: string) => pageLink(path, query, pageSize, target, token);
  return {
    first_page_uri: link(0),
    end: Math.max(start + shown.length - 1, 0),
    previous_page_uri: page > 0 ? link(page - 1) : null,
    messages: shown.map(messageResource),
    uri: link(page, query.get("PageToken") ?? undefined),
    page_size: pageSize,
    start,
    next_page_uri: last === undefined ? null : link(page + 1, `PA${last.sid}`),
    page,
  };
}

function isShown(message: SandboxMessage, query: URLSearchParams, now: number): boolean {
  const to = query.get("To");
  const from = query.get("From");
  return (
    !message.deleted &&
    message.listedFrom <= now &&
    (to === null || message.to === to) &&
    (from === null || message.from === from) &&
    sentWhen(message, query.get("DateSent"), (sent, [begin, end]) => sent >= begin && sent < end) &&
    sentWhen(message, query.get("DateSent<"), (sent, [, end]) => sent < end) &&
    sentWhen(message, query.get("DateSent>"), (sent, [begin]) => sent >= begin)
  );
}

/** A day means the whole day in GMT, a time the second it names; both bounds are inclusive. */
function sentWhen(
  message: SandboxMessage,
  filter: string | null,
  holds: (sent: number, span: [begin: number, end: number]) => boolean,
): boolean {
  if (filter === null) return true;
  if (message.sentAt === null) return false;
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(filter);
  const begin = Date.parse(filter);
  return Number.isNaN(begin) || holds(message.sentAt, [begin, begin + (isDay ? 86_400_000 : 1_000)]);
}

function pageLink(
  path: string,
  query: URLSearchParams,
  pageSize: number,
  page: number,
  token?: string,
): string {
  const link = new URLSearchParams();
  for (const name of ["To", "From", "DateSent", "DateSent<", "DateSent>"]) {
    const value = query.get(name);
    if (value !== null) link.set(name, value);
  }
  link.set("PageSize", String(pageSize));
  link.set("Page", String(page));
  if (token !== undefined) link.set("PageToken", token);
  return `${path}?${link}`;
}

function number(text: string | null, otherwise: number): number {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : otherwise;
}
