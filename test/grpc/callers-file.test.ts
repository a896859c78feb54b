import { describe, expect, it } from "vitest";
import { parseCallersFile, parseSubjectAltName } from "../../src/grpc/callers-file.ts";

const payments = {
  name: "payments",
  san: ["DNS:payments.bank", "URI:spiffe://bank/payments"],
  methods: ["*"],
  per_second: 100,
};

describe("CALLERS_FILE", () => {
  it("maps certificates' names to callers with their methods and limits", () => {
    const cards = { name: "cards", san: ["DNS:Cards.Bank"], methods: ["GetSignature", "WatchSignature"] };
    const { list, bySubjectAltName } = parseCallersFile(JSON.stringify({ callers: [payments, cards] }));
    expect(list).toEqual([
      { name: "payments", methods: new Set(["*"]), perSecond: 100 },
      { name: "cards", methods: new Set(["GetSignature", "WatchSignature"]), perSecond: undefined },
    ]);
    expect([...bySubjectAltName].map(([san, caller]) => [san, caller.name])).toEqual([
      ["DNS:payments.bank", "payments"],
      ["URI:spiffe://bank/payments", "payments"],
      ["DNS:cards.bank", "cards"],
    ]);
  });

  it.each([
    ["not JSON", "{", "is not JSON"],
    ["a list", "[]", 'must be an object with the one key "callers", a list'],
    ["another key", '{"callers":[],"version":1}', 'must be an object with the one key "callers", a list'],
    ["nobody", '{"callers":[]}', "must name at least one caller"],
    ["a caller that is a string", '{"callers":["payments"]}', "callers[0] must be an object"],
  ])("refuses %s", (_, text, fault) => {
    expect(() => parseCallersFile(text)).toThrow(new Error(`callers file: ${fault}`));
  });

  it.each([
    [
      { ...payments, name: "Payments!" },
      "callers[0].name must be 1 to 63 of a-z, 0-9, dot, underscore and hyphen",
    ],
    [{ ...payments, name: "local" }, 'callers[0].name must not be "local"'],
    [{ ...payments, san: [] }, "callers[0].san must be a list of at least one string"],
    [{ ...payments, san: ["payments.bank"] }, "callers[0].san must hold DNS:<host> or URI:<uri> only"],
    [{ ...payments, san: ["DNS:*.bank"] }, "callers[0].san must hold DNS:<host> or URI:<uri> only"],
    [{ ...payments, san: ["DNS:a.bank", "DNS:A.bank"] }, "callers[0].san has a name that is there twice"],
    [{ ...payments, methods: undefined }, "callers[0].methods must be a list of at least one string"],
    [{ ...payments, methods: ["Start"] }, 'callers[0].methods has the unknown RPC "Start"'],
    [
      { ...payments, messages_per_day: 1.5 },
      "callers[0].messages_per_day must be a whole number from 0 to 1000000000",
    ],
    [{ ...payments, cost_per_day: -1 }, "callers[0].cost_per_day must be a number from 0 to 1000000000"],
    [{ ...payments, per_second: 0 }, "callers[0].per_second must be a number above 0"],
    [{ ...payments, per_second: "100" }, "callers[0].per_second must be a number above 0"],
    [{ ...payments, streams: 0 }, "callers[0].streams must be a whole number above 0"],
    [{ ...payments, connections: 1.5 }, "callers[0].connections must be a whole number above 0"],
    [{ ...payments, calls: "9" }, "callers[0].calls must be a whole number above 0"],
    [{ ...payments, role: "admin" }, 'callers[0] has the unknown key "role"'],
  ])("refuses %j", (caller, fault) => {
    expect(() => parseCallersFile(JSON.stringify({ callers: [caller] }))).toThrow(
      new Error(`callers file: ${fault}`),
    );
  });

  it("gives a caller quotas of its own", () => {
    const text = JSON.stringify({ callers: [{ ...payments, streams: 3000, connections: 400 }] });
    expect(parseCallersFile(text).list[0]?.quota).toEqual({ streams: 3000, connections: 400 });
  });

  it("names every fault at once", () => {
    const callers = [payments, { ...payments, per_second: -1 }, { name: "", san: 1, methods: ["x"] }];
    expect(() => parseCallersFile(JSON.stringify({ callers }))).toThrow(
      new Error(
        "callers file: callers[1].per_second must be a number above 0; callers[1].name is there twice; " +
          "callers[1].san has a name that is there twice; callers[1].san has a name that is there twice; " +
          "callers[2].name must be 1 to 63 of a-z, 0-9, dot, underscore and hyphen; " +
          'callers[2].methods has the unknown RPC "x"; callers[2].san must be a list of at least one string',
      ),
    );
  });

  it("compares hosts without case and URIs with it", () => {
    expect(parseSubjectAltName("DNS:Payments.BANK")).toBe("DNS:payments.bank");
    expect(parseSubjectAltName("URI:spiffe://Bank/Payments")).toBe("URI:spiffe://Bank/Payments");
    expect(parseSubjectAltName("IP Address:10.0.0.1")).toBeUndefined();
    expect(parseSubjectAltName("email:a@bank")).toBeUndefined();
  });
});

it("gives a caller a budget of its own, as far as it names one", () => {
  const budgetOf = (over: object) =>
    parseCallersFile(JSON.stringify({ callers: [{ ...payments, ...over }] })).list[0]?.budget;
  expect(budgetOf({})).toBeUndefined();
  expect(budgetOf({ messages_per_day: 500, cost_per_day: 12.5 })).toEqual({
    messages: 500,
    micros: 12_500_000,
  });
  expect(budgetOf({ cost_per_day: 0 })).toEqual({ micros: 0 });
});
