import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Sql } from "postgres";
import { answerOf, envelope, type RawConnection } from "../support/raw-grpc.ts";

/** Everything that a server answered on the wire: headers, trailers with their binary details, and bytes. */
export class Answers {
  #text = "";
  readonly codes: string[] = [];

  get text(): string {
    return this.#text;
  }

  keep(headers: object, body: Uint8Array): void {
    // Details come in base64 without padding; the search reads into them.
    this.#text += `${JSON.stringify(headers)}\n${Buffer.from(body).toString("latin1")}\n`;
  }

  /** Calls by hand, so that nothing of an answer is lost in a client; undefined where the call was refused. */
  async call<I extends DescMethodUnary["input"], O extends DescMethodUnary["output"]>(
    connection: RawConnection,
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<MessageShape<O> | undefined> {
    const message = envelope(toBinary(method.input, create(method.input, request)));
    // Work whose record is lost with the database goes on for as long as its caller waits.
    const path = `${method.parent.typeName}/${method.name}`;
    const stream = connection.send(path, { body: message, headers: { "grpc-timeout": "3S", ...headers } });
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    const answer = await answerOf(stream);
    const body = Buffer.concat(chunks);
    this.keep({ ...answer }, body);
    this.codes.push(String(answer["grpc-status"]));
    return answer["grpc-status"] === "0" ? fromBinary(method.output, body.subarray(5)) : undefined;
  }
}

/** Every row of every table of ours as text, bytes in hex. */
export async function dump(sql: Sql): Promise<string> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') order by 1`;
  const texts = await Promise.all(
    tables.map(async ({ name }) => {
      const rows = await sql.unsafe<{ row: string }[]>(`select t::text as row from ${name} t`);
      return [`== ${name}`, ...rows.map(({ row }) => row)].join("\n");
    }),
  );
  return texts.join("\n");
}

export async function pageOf(url: string): Promise<string> {
  const response = await fetch(url);
  return `${JSON.stringify([...response.headers])}\n${await response.text()}`;
}

/** All files of a directory, one after another. */
export function filesIn(directory: string): string {
  return readdirSync(directory)
    .map((name) => readFileSync(join(directory, name), "utf8"))
    .join("\n");
}
