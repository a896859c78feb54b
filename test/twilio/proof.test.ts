import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { makeProof, verifyProof } from "../../src/twilio/proof.ts";
import { evidence } from "./credentials-of-tests.ts";

const facts = {
  sid: `SM${"a".repeat(32)}`,
  status: "201",
  request: `RQ${"b".repeat(32)}`,
  date: "Fri, 16 Jun 2023 17:29:30 GMT",
};
const text = "123456 confirma 10 EUR a ACME";
const answer = JSON.stringify({ sid: facts.sid, body: text });
const proof = makeProof(facts, { answer, text }, evidence);
const keyById = (id: string) => (id === evidence.id ? evidence.key : undefined);

describe("a proof", () => {
  test("can be read, and verified without and with the answer", () => {
    expect(proof).toContain(`v1;sid=${facts.sid};request=${facts.request};date=${facts.date};status=201;`);
    expect(verifyProof(proof, { text }, keyById)).toEqual(facts);
    expect(verifyProof(proof, { text, answer }, keyById)).toEqual(facts);
  });

  test.each(["sid", "request", "date", "status", "answer", "kid", "hmac"])(
    "shows a change of its %s",
    (field) => {
      const changed = proof.replace(new RegExp(`(${field}=..)(.)`), (_, start, letter) => {
        return `${start}${letter === "A" ? "B" : "A"}`;
      });
      expect(changed).not.toBe(proof);
      expect(verifyProof(changed, { text }, () => evidence.key)).toBeUndefined();
    },
  );

  test("shows another text, another answer and another key", () => {
    expect(verifyProof(proof, { text: `${text}.` }, keyById)).toBeUndefined();
    expect(verifyProof(proof, { text, answer: `${answer} ` }, keyById)).toBeUndefined();
    expect(verifyProof(proof, { text }, () => Buffer.alloc(32, 8))).toBeUndefined();
    expect(verifyProof(proof, { text }, () => undefined)).toBeUndefined();
  });

  test.each(["", "v1", "v1;sid=a", `v2${proof.slice(2)}`, `${proof};x=y`, ` ${proof}`])(
    "that reads %j is none",
    (broken) => {
      expect(verifyProof(broken, { text }, keyById)).toBeUndefined();
    },
  );

  test("keeps its parts apart: what moves from one to the next shows", () => {
    const one = makeProof({ ...facts, request: "RQ1", date: "2" }, { answer, text }, evidence);
    const other = makeProof({ ...facts, request: "RQ", date: "12" }, { answer, text }, evidence);
    expect(one.slice(-43)).not.toBe(other.slice(-43));
  });

  test("takes no signs of its own from header values", () => {
    const hostile = makeProof(
      { ...facts, request: "RQ1;status=999\r\n;kid=evil" },
      { answer, text },
      evidence,
    );
    expect(verifyProof(hostile, { text }, keyById)).toEqual({ ...facts, request: "RQ1status999kidevil" });
  });

  test("holds no unkeyed digest, from which a code could be guessed", () => {
    for (const content of [text, answer, `${answer}${text}`]) {
      for (const encoding of ["hex", "base64url"] as const) {
        expect(proof).not.toContain(createHash("sha256").update(content).digest(encoding));
      }
    }
    expect(proof).not.toContain("123456");
    const otherKey = makeProof(facts, { answer, text }, { id: "e1", key: Buffer.alloc(32, 9) });
    const digests = (of: string) => /answer=(.*);kid=.*hmac=(.*)$/.exec(of)?.slice(1) ?? [];
    expect(digests(otherKey)).toHaveLength(2);
    for (const digest of digests(otherKey)) expect(proof).not.toContain(digest);
  });
});
