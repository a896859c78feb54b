import { describe, expect, test } from "vitest";
import { chainFault, emptyHead, eventHash } from "../../src/domain/chain.ts";
import { useDatabase } from "../support/database.ts";

const { sql } = await useDatabase();
const id = "0190b0c0-0000-7000-9000-000000000001";
const facts = [
  { at: new Date("2026-11-22T12:00:00.001Z"), type: "SIGNATURE_STARTED", details: '{"caller": "payments"}' },
  { at: new Date("1969-12-31T23:59:59.999Z"), type: "CODE_REJECTED", details: "{}" },
  {
    at: new Date("2026-11-22T12:00:00.001Z"),
    type: "SIGNATURE_ABORTED",
    details: '{"note":"año 李宁 \\u0000"}',
  },
];

function chained() {
  let head = emptyHead;
  return facts.map((fact, index) => {
    const event = { ...fact, number: index + 1 };
    head = eventHash(head, id, event);
    return { ...event, hash: head };
  });
}

describe("the chain of a timeline", () => {
  test("is the one that the database makes, one event at a time or several at once", async () => {
    const events = chained();
    for (const [index, { at, type, details, hash }] of events.entries()) {
      const head = events[index - 1]?.hash ?? emptyHead;
      const [row] = await sql`
        select event_chain(${head}, ${index}, ${id}::uuid, ${at}, array[${type}::text], array[${details}::text]) as hashes`;
      expect(row?.["hashes"]).toEqual([hash]);
    }
    const at = new Date("2026-11-22T12:00:00Z");
    const [first, second] = facts.map(({ type, details }, index) => ({
      number: index + 1,
      at,
      type,
      details,
    }));
    if (first === undefined || second === undefined) throw new Error("two facts are needed");
    const one = eventHash(emptyHead, id, first);
    const [row] = await sql`
      select event_chain('', 0, ${id}::uuid, ${at}, ${[first.type, second.type]}::text[],
        ${[first.details, second.details]}::text[]) as hashes`;
    expect(row?.["hashes"]).toEqual([one, eventHash(one, id, second)]);
  });

  test("fits as a whole, and shows what was changed, left out or put in another's place", () => {
    const events = chained();
    expect(chainFault(id, events)).toBeUndefined();
    expect(chainFault(id, [])).toBe("event 1 is missing");
    expect(chainFault(id, events.slice(1))).toContain("event 1 is missing");
    expect(chainFault(id.replace("1", "2"), events)).toContain("event 1 was changed");
    const changed = events.map((event) => (event.number === 2 ? { ...event, details: "{} " } : event));
    expect(chainFault(id, changed)).toContain("event 2 was changed");
    const moved = events.map((event) =>
      event.number === 3 ? { ...event, type: `${event.type}{`, details: event.details.slice(1) } : event,
    );
    expect(chainFault(id, moved)).toContain("event 3 was changed");
  });
});
