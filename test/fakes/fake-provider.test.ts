import { signatureProviderContract } from "../contracts/signature-provider.ts";
import { FakeProvider } from "./fake-provider.ts";

signatureProviderContract("FakeProvider", async () => {
  let now = 0;
  const provider = new FakeProvider({ now: () => now });
  return {
    provider,
    accepted: () => provider.accepted,
    refuseNext: () => provider.failNext(provider.error("rejected", "21211")),
    turnAwayNext: () => provider.failNext(provider.error("not_accepted", "20429")),
    loseNextAnswer: () => provider.failNext(provider.error("unknown", "connection"), { accepted: true }),
    hangNext: () => {
      provider.holdNext();
      return provider.called(provider.calls.length + 1);
    },
    advance: (ms) => {
      now += ms;
    },
    close: async () => {},
  };
});
