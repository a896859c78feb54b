import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import type { Sql } from "postgres";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import type { Collector } from "../telemetry/collector.ts";
import type { Forbidden } from "./leak-search.ts";
import { Answers, dump, filesIn, pageOf } from "./leak-sinks.ts";

function textOf({ texts: [text] = [], word, bytes = Buffer.alloc(0) }: Forbidden): string {
  return text ?? word ?? Buffer.from(bytes).toString("base64");
}

function bytesOf({ bytes, ...rest }: Forbidden): Buffer {
  return Buffer.from(bytes ?? textOf(rest));
}

/** Puts something into a sink of its kind, on the way that a leak would take, and reads the sink. */
export type Plant = (one: Forbidden) => Promise<string> | string;

/** A way into each sink. */
export function plants({ sql, collector }: { sql: Sql; collector: Collector }): Record<string, Plant> {
  const inDirectory = (text: string): string => {
    const directory = mkdtempSync(join(tmpdir(), "planted-"));
    writeFileSync(join(directory, "file.json"), text);
    const read = filesIn(directory);
    rmSync(directory, { recursive: true });
    return read;
  };
  return {
    "a line of the log": (one) =>
      JSON.stringify({ level: "error", message: `failed: insert ('${textOf(one)}')` }),
    "a header in the log": (one) =>
      `authorization: Basic ${Buffer.from(`user:${textOf(one)}`).toString("base64")}`,
    "a span": async (one) => {
      const attributes = [{ key: "db.query.text", value: { stringValue: `=${textOf(one)};` } }];
      const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ attributes }] }] }] });
      await fetch(`${collector.url}/v1/traces`, { method: "POST", body });
      return collector.received.at(-1)?.body ?? "";
    },
    "a trailer": (one) => {
      const answers = new Answers();
      const details = toBinary(
        ErrorInfoSchema,
        create(ErrorInfoSchema, { reason: "X", domain: `(${textOf(one)})` }),
      );
      const header = Buffer.from(details).toString("base64").replace(/=+$/, "");
      answers.keep({ "grpc-status-details-bin": header }, new Uint8Array());
      return answers.text;
    },
    "a message": (one) => {
      const answers = new Answers();
      answers.keep({}, Buffer.concat([Buffer.from([0, 10]), bytesOf(one), Buffer.from([0])]));
      return answers.text;
    },
    "a text in the database": (one) => planted(sql, textOf(one), Buffer.alloc(0)),
    "bytes in the database": (one) =>
      planted(sql, "", Buffer.concat([Buffer.from([1, 0]), bytesOf(one), Buffer.from([0])])),
    "a pack": (one) => inDirectory(JSON.stringify({ events: [{ details: { to: textOf(one) } }] })),
    "a receipt": (one) => {
      const claims = Buffer.from(JSON.stringify({ sub: textOf(one) })).toString("base64url");
      return inDirectory(JSON.stringify({ receipt: `eyJhbGciOiJFZERTQSJ9.${claims}.c2lnbmF0dXJl` }));
    },
    "the environment": (one) =>
      inDirectory(JSON.stringify({ environmentVariables: { A: `x:${textOf(one)}@h` } })),
    "a page": (one) => pageOf(`data:text/plain,label%3D%22${encodeURIComponent(textOf(one))}%22`),
    "a query string": (one) => `GET /?To=%2B${encodeURIComponent(textOf(one)).replace("-", "%2D")}&x`,
  };
}

async function planted(sql: Sql, text: string, bytes: Buffer): Promise<string> {
  await sql`create table planted (text text, bytes bytea)`;
  await sql`insert into planted values (${text}, ${bytes})`;
  try {
    return await dump(sql);
  } finally {
    await sql`drop table planted`;
  }
}
