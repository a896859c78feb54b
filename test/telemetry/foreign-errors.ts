import { DrizzleQueryError } from "drizzle-orm";
import postgres from "postgres";
import { errors } from "undici";

export const phone = "+34600123456";
export const code = "493817";
export const secret = "Basic QUMxOnNlY3JldA==";
/** None of these may ever be printed. */
export const personal = [phone, phone.slice(1), code, secret, "insert into", "Authorization"];

/** Errors as libraries throw them: with statements, parameters, bodies and headers in text and properties. */
export function foreignErrors(): Error[] {
  const database = Object.assign(new postgres.PostgresError(`duplicate key (phone)=(${phone})`), {
    code: "23505",
    constraint_name: "challenge_sid_unique",
    detail: `Key (phone)=(${phone}) already exists.`,
    query: `insert into challenge values ('${phone}', '${code}')`,
    parameters: [phone, code],
  });
  const axios = Object.assign(new Error(`Request failed for To=${phone}`), {
    name: "AxiosError",
    code: "ERR_BAD_REQUEST",
    config: { headers: { Authorization: secret }, data: `To=${phone}&Body=${code}` },
    response: { status: 400, data: { message: `${phone} is not a number` } },
  });
  const twilio = Object.assign(new Error(`The 'To' number ${phone} is not valid`), {
    name: "RestException",
    code: 21211,
    status: 400,
    moreInfo: `https://example.test/${phone}`,
  });
  const multiline = new Error(`failed\n    at ${phone} (file:///${phone}:1:1)\n    at file:///${code}:1:1`);
  const renamed = new TypeError(`no route to ${phone}`);
  renamed.name = `Error for ${phone}`;
  const rewritten = new Error(`failed\n    at file:///${phone}:1:1`);
  // Reading the stack makes it as it is from then on.
  if (rewritten.stack !== undefined) rewritten.message = "changed afterwards";
  const emptied = new Error(`failed\n    at file:///${phone}:1:1`);
  if (emptied.stack !== undefined) emptied.message = "";
  return [
    database,
    new DrizzleQueryError(`insert into challenge values ($1, $2)`, [phone, code], database),
    axios,
    twilio,
    new errors.ConnectTimeoutError(`connect to ${phone} timed out`),
    new errors.InvalidArgumentError(`invalid header value ${secret}`),
    multiline,
    renamed,
    rewritten,
    emptied,
    new Error("outer", { cause: new AggregateError([axios], `${phone} and ${code}`) }),
    Object.assign(new Error("text"), { code: phone, constraint_name: phone }),
  ];
}
