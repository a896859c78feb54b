import { execFileSync } from "node:child_process";
import { createFileRegistry, type DescService, type FileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { AccessTable } from "../../src/grpc/authenticate.ts";

const buf = new URL("../../node_modules/.bin/buf", import.meta.url).pathname;

/** The schema of the proto files in a folder, without generated code for it. */
export function schemaOf(folder: string): FileRegistry {
  const bytes = execFileSync(buf, ["build", folder, "-o", "-#format=binpb"], { maxBuffer: 16 * 1024 * 1024 });
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
}

export function serviceOf(schema: FileRegistry, name: string): DescService {
  const service = schema.getService(name);
  if (service === undefined) throw new Error(`the schema has no service ${name}`);
  return service;
}

/** Access for anyone: the suites' clients are in no file of callers. */
export function openTo({ typeName, methods }: DescService): AccessTable {
  return Object.fromEntries(methods.map(({ name }) => [`${typeName}/${name}`, "anyone"] as const));
}

/** Nobody looks at the suites' calls. */
export const unobserved = {
  begin: () => ({ traceId: undefined, run: <T>(work: () => T): T => work(), end: () => undefined }),
};
