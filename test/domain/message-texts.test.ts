import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { renderMessage } from "../../src/domain/message.ts";
import { MessageTexts, newestTextVersion } from "../../src/domain/message-texts.ts";
import { failureOf } from "../support/domain.ts";
import { textCorpus } from "../support/text-corpus.ts";

/** Of all texts of the corpus, by version. */
const digests = [
  "35b4cd50af388899919273ee1e397c0aa705f4aafaa09cb7c98a650355f512cc",
  "bbfc6f2a409cb463fda0cc4717b0aecea71fbd2c2df54bab9c5e241217740947",
];

test("a version never changes: rows of months ago are shown as they were sent", () => {
  const texts = new MessageTexts();
  const made = digests.map((_, at) => {
    const all = textCorpus().map((input) => renderMessage(input, texts.of(at + 1)).text);
    return createHash("sha256").update(all.join("\0")).digest("hex");
  });
  // Where this fails, the change belongs into a new version, and the old rule stays. A new version adds its digest.
  expect(made).toEqual(digests);
  expect(newestTextVersion).toBe(digests.length);
});

test("a version that a process does not know is left to another: a Failure that is repeated elsewhere", async () => {
  const failure = await failureOf((async () => new MessageTexts().of(newestTextVersion + 1))());
  expect(failure).toMatchObject({ reason: "SERVICE_UNAVAILABLE", retryAfterMs: 1000 });
});
