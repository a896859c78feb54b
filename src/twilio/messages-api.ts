import ApiBase from "twilio/lib/rest/ApiBase.js";
import { type CallPermit, LeaseLost, ProviderError } from "../domain/provider.ts";
import { basicAuthorization, type TwilioCredentials } from "./credentials.ts";
import { type Verdict, verdictOfAnswer, verdictOfFailure } from "./outcome.ts";
import { type HttpAnswer, type HttpTransport, TransportFailure } from "./transport.ts";

/** The SDK's Messages resource: `create`, `page`, and what can be done to one message. */
export type Messages = ApiBase["v2010"]["account"]["messages"];

export interface MessagesApiDeps {
  readonly transport: HttpTransport;
  /** The snapshot in force now; undefined while there is none. */
  readonly credentials: () => TwilioCredentials | undefined;
}

/** What the SDK hands to its HTTP client. */
interface SdkRequest {
  readonly method: "get" | "post" | "delete";
  readonly uri: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface SdkAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export const providerName = "twilio";

/**
 * Makes calls with the SDK's API classes over our transport. The SDK's own client is left out: it loads
 * axios (50 ms, 20 MB), rewrites host names and its errors carry credentials and bodies.
 */
export class MessagesApi {
  readonly #deps: MessagesApiDeps;
  readonly #verdictOf: (answer: HttpAnswer) => Verdict;
  readonly #messages = new WeakMap<TwilioCredentials, Messages>();
  /** Makes the request of the call that is being started; undefined outside of that turn. */
  #exchange: ((request: SdkRequest) => Promise<SdkAnswer>) | undefined;

  /** @param verdictOf what an answer that is no readable 2xx says */
  constructor(deps: MessagesApiDeps, verdictOf = verdictOfAnswer) {
    this.#deps = deps;
    this.#verdictOf = verdictOf;
  }

  get hasCredentials(): boolean {
    return this.#deps.credentials() !== undefined;
  }

  /**
   * Makes the one request that `call` asks for, and gives its result with the answer as it came.
   * @throws ProviderError for every answer but a readable 2xx, and for none
   * @throws LeaseLost where the permit is refused
   */
  async call<T>(
    call: (messages: Messages, credentials: TwilioCredentials) => Promise<T>,
    signal: AbortSignal,
    permit?: CallPermit,
  ): Promise<{ result: T; answer: HttpAnswer }> {
    const credentials = this.#deps.credentials();
    if (credentials === undefined) throw providerError(nothingSent);
    let answer: HttpAnswer | undefined;
    const exchange = async (request: SdkRequest): Promise<SdkAnswer> => {
      answer = await this.#deps.transport.exchange(httpRequest(request, credentials), signal, permit);
      return { statusCode: answer.status, headers: answer.headers, body: answer.body };
    };
    try {
      const result = await this.#during(exchange, () => call(this.#messagesOf(credentials), credentials));
      if (answer !== undefined) return { result, answer };
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      if (error instanceof TransportFailure) throw providerError(verdictOfFailure(error), error);
      // The SDK's errors quote the answer, and so the code and the number: they end here.
      if (answer !== undefined) throw providerError(this.#verdictOf(answer));
    }
    throw providerError(nothingSent);
  }

  /** The SDK asks for its request in the turn in which it is called: it could not be told whose a later one is. */
  #during<T>(exchange: (request: SdkRequest) => Promise<SdkAnswer>, start: () => Promise<T>): Promise<T> {
    this.#exchange = exchange;
    try {
      return start();
    } finally {
      this.#exchange = undefined;
    }
  }

  /** The resource under these credentials. The SDK makes some forty functions for each, so it is made once. */
  #messagesOf(credentials: TwilioCredentials): Messages {
    const known = this.#messages.get(credentials);
    if (known !== undefined) return known;
    const api = new ApiBase({
      accountSid: credentials.accountSid,
      request: async (request: SdkRequest) => {
        const exchange = this.#exchange;
        this.#exchange = undefined;
        if (exchange === undefined) throw new Error("the SDK asked for a request outside of its call");
        return await exchange(request);
      },
    });
    // The transport knows the origin; all it needs is the path.
    api.baseUrl = "";
    const { messages } = api.v2010.account;
    this.#messages.set(credentials, messages);
    return messages;
  }
}

const nothingSent: Verdict = { outcome: "not_accepted", retryable: false, providerErrorCode: "other" };

export function providerError(verdict: Verdict, cause?: TransportFailure): ProviderError {
  return new ProviderError({ provider: providerName, ...verdict, ...(cause && { cause }) });
}

function httpRequest(request: SdkRequest, credentials: TwilioCredentials) {
  // TWILIO_API_URL ends with the version, which the SDK puts in front of every path.
  const path = request.uri.replace(/^\/2010-04-01(?=\/)/, "");
  const query = request.params === undefined ? "" : formEncoded(request.params);
  return {
    method: request.method === "post" ? ("POST" as const) : ("GET" as const),
    path: query === "" ? path : `${path}?${query}`,
    headers: {
      accept: "application/json",
      authorization: basicAuthorization(credentials),
      "user-agent": "signature-router",
      ...(request.data && { "content-type": "application/x-www-form-urlencoded" }),
    },
    ...(request.data && { body: formEncoded(request.data) }),
  };
}

function formEncoded(values: Readonly<Record<string, unknown>>): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) form.append(name, String(value));
  return form.toString();
}
