import type { MessageInstance, MessagePage } from "twilio/lib/rest/api/v2010/account/message.js";
import type { ChallengeQuery } from "../domain/provider.ts";
import { isMessageSid } from "./message-sid.ts";
import { type Messages, type MessagesApi, providerError } from "./messages-api.ts";
import { verdictOfAnswer } from "./outcome.ts";
import { dateOf, type HttpAnswer } from "./transport.ts";

/** Messages a page and pages of one look-up: far more than one number gets while a code lives. */
const pageSize = 50;
const mostPages = 10;

/** How much earlier than the first recorded call a message may stand in the list: clocks and whole seconds. */
const toleranceMs = 5_000;

export interface ListedMessage {
  readonly message: MessageInstance;
  /** The page it stands on. */
  readonly answer: HttpAnswer;
}

/**
 * Every message in Twilio's list that may be the one asked for, oldest first: same To, outbound, created
 * no earlier than the first call by Twilio's own Date, and with the text in its body or none at all.
 * @throws ProviderError where the list cannot be read, or not to the end of what could matter
 */
export async function listCandidates(
  api: MessagesApi,
  query: ChallengeQuery,
  signal: AbortSignal,
): Promise<ListedMessage[]> {
  const startedAt = performance.now();
  const found: ListedMessage[] = [];
  let earliest: number | undefined;
  let next: PageReference | undefined = {};
  for (let pages = 0; next !== undefined; pages += 1) {
    const reference: PageReference = next;
    // Never by DateSent: it is null, and hides the message, while Twilio still has it queued.
    const { result: page, answer } = await api.call(
      (messages) => messages.page({ to: query.to, pageSize, ...reference }),
      signal,
    );
    const listedAt = dateOf(answer)?.getTime();
    const following = nextPage(page);
    const isEndless = following === "unknown" || (following !== undefined && pages + 1 === mostPages);
    // A list that does not tell its time, or does not end, proves nothing.
    if (listedAt === undefined || isEndless) throw providerError(verdictOfAnswer(answer));
    earliest ??= listedAt - (performance.now() - startedAt) - query.firstCallAgeMs - toleranceMs;
    for (const message of page.instances) {
      if (isCandidate(message, query, earliest)) found.push({ message, answer });
    }
    next = isPast(page, earliest) ? undefined : following;
  }
  return found.reverse().sort((left, right) => createdMs(left.message) - createdMs(right.message));
}

/** The SDK leaves a date that it cannot read as it came, whatever its types say. */
export function createdAt(message: MessageInstance): Date | undefined {
  return message.dateCreated instanceof Date ? message.dateCreated : undefined;
}

type PageReference = NonNullable<Parameters<Messages["page"]>[0]>;

/** Only the reference is taken from the list, not the address: calls never leave the configured URL. */
function nextPage(page: MessagePage): PageReference | "unknown" | undefined {
  const url = page.nextPageUrl;
  if (url === undefined) return undefined;
  const query = new URLSearchParams(url.slice(url.indexOf("?") + 1));
  const pageToken = query.get("PageToken");
  return pageToken === null ? "unknown" : { pageToken, pageNumber: Number(query.get("Page")) };
}

/** Newest first, so once a whole page is too old, so is the rest; a page in another order ends nothing. */
function isPast(page: MessagePage, earliest: number): boolean {
  const times = page.instances.map(createdMs);
  const [first, last] = [times.at(0), times.at(-1)];
  return first !== undefined && last !== undefined && first >= last && times.every((time) => time < earliest);
}

function isCandidate(message: MessageInstance, query: ChallengeQuery, earliest: number): boolean {
  return (
    message.to === query.to &&
    /^outbound/.test(message.direction) &&
    isMessageSid(message.sid) &&
    createdMs(message) >= earliest &&
    holdsText(message.body, query.text)
  );
}

/** A message without a readable date could be of any time: it counts as new. */
function createdMs(message: MessageInstance): number {
  return createdAt(message)?.getTime() ?? Number.MAX_SAFE_INTEGER;
}

/** Trial accounts put words in front of the text; accounts that redact list it empty. */
function holdsText(body: string | null, text: string): boolean {
  const plain = (value: string) => String(value).replaceAll("\r\n", "\n").trim();
  return body === null || body === "" || plain(body).includes(plain(text));
}
