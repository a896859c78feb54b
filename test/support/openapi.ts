import { readFileSync } from "node:fs";

/** Twilio's Messages operations, reduced from its published OpenAPI document. */
type Schema = {
  type?: string;
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  enum?: readonly string[];
  nullable?: boolean;
  items?: Schema;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  $ref?: string;
};
type Operation = {
  method: string;
  path: string;
  parameters: readonly { name: string; in: "path" | "query"; required: boolean; schema: Schema }[];
  form?: Schema;
  responses: Readonly<Record<string, Schema | null>>;
};
type Document = {
  operations: Readonly<Record<string, Operation>>;
  schemas: Readonly<Record<string, Schema>>;
};

const document: Document = JSON.parse(
  readFileSync(new URL("../fixtures/twilio-messages-openapi.json", import.meta.url), "utf8"),
);

const formats: Readonly<Record<string, (text: string) => boolean>> = {
  "phone-number": (text) => /^\+[1-9]\d{1,14}$|^\d{3,8}$|^[A-Za-z0-9 ]{1,11}$/.test(text),
  uri: (text) => URL.canParse(text, "https://api.twilio.com"),
  "date-time": (text) => !Number.isNaN(Date.parse(text)),
  "date-time-rfc-2822": (text) =>
    /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} \+0000$/.test(text),
  currency: (text) => /^[A-Z]{3}$/.test(text),
  int64: () => true,
  "uri-map": () => true,
};

/** What Twilio's document has against a request; empty where it has nothing. Names that it does not know count. */
export function requestFaults(
  operationId: string,
  request: { method: string; path: string; query?: URLSearchParams; form?: URLSearchParams },
): string[] {
  const operation = operationOf(operationId);
  const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "");
  const pattern = new RegExp(`^${operation.path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "([^/]+)")}$`);
  const values = pattern.exec(request.path)?.slice(1);
  if (request.method !== operation.method || values === undefined) {
    return [`${request.method} ${request.path} is not ${operation.method} ${operation.path}`];
  }
  const inPath = new URLSearchParams(
    names.map((name, index): [string, string] => [name, values[index] ?? ""]),
  );
  return [
    ...fieldFaults("path", inPath, objectOf(operation, "path")),
    ...fieldFaults("query", request.query ?? new URLSearchParams(), objectOf(operation, "query")),
    ...fieldFaults("form", request.form ?? new URLSearchParams(), operation.form ?? {}),
  ];
}

/** What Twilio's document has against an answer: a status, a key, a type or a form it does not know, or a missing key. */
export function responseFaults(operationId: string, status: number, body: unknown): string[] {
  const schema = operationOf(operationId).responses[String(status)];
  if (schema === undefined) return [`${operationId} has no answer ${status}`];
  return schema === null ? [] : valueFaults("body", body, schema);
}

function operationOf(operationId: string): Operation {
  const operation = document.operations[operationId];
  if (operation === undefined) throw new Error(`the fixture has no operation ${operationId}`);
  return operation;
}

function objectOf(operation: Operation, place: "path" | "query"): Schema {
  const parameters = operation.parameters.filter((parameter) => parameter.in === place);
  return {
    properties: Object.fromEntries(parameters.map(({ name, schema }) => [name, schema])),
    required: parameters.filter(({ required }) => required).map(({ name }) => name),
  };
}

function fieldFaults(place: string, fields: URLSearchParams, schema: Schema): string[] {
  const missing = (schema.required ?? []).filter((name) => !fields.has(name));
  return [
    ...missing.map((name) => `${place}.${name} is missing`),
    ...[...new Set(fields.keys())].flatMap((name) => {
      const property = schema.properties?.[name];
      const values = fields.getAll(name);
      if (property === undefined) return [`${place}.${name} is unknown`];
      const { type, items } = resolved(property);
      if (type === "array")
        return values.flatMap((value) => textFaults(`${place}.${name}`, value, items ?? {}));
      if (values.length > 1) return [`${place}.${name} is repeated`];
      return textFaults(`${place}.${name}`, values[0] ?? "", property);
    }),
  ];
}

/** A value of a form or query, where everything is text. */
function textFaults(name: string, text: string, reference: Schema): string[] {
  const schema = resolved(reference);
  if (schema.type === "boolean") return /^(true|false)$/.test(text) ? [] : [`${name} is no boolean`];
  if (schema.type === "integer" || schema.type === "number") {
    const isNumber =
      schema.type === "integer" ? /^-?\d+$/.test(text) : text !== "" && !Number.isNaN(Number(text));
    return isNumber ? valueFaults(name, Number(text), schema) : [`${name} is no ${schema.type}`];
  }
  return valueFaults(name, text, schema);
}

function valueFaults(name: string, value: unknown, reference: Schema): string[] {
  const schema = resolved(reference);
  if (value === null) return schema.nullable === true ? [] : [`${name} is null`];
  switch (schema.type) {
    case "object":
      return typeof value === "object" && !Array.isArray(value)
        ? objectFaults(name, value as Record<string, unknown>, schema)
        : [`${name} is no object`];
    case "array":
      return Array.isArray(value)
        ? value.flatMap((item, index) => valueFaults(`${name}[${index}]`, item, schema.items ?? {}))
        : [`${name} is no array`];
    case "string":
      return typeof value === "string" ? stringFaults(name, value, schema) : [`${name} is no string`];
    case "integer":
    case "number":
      return typeof value === "number" && (schema.type === "number" || Number.isInteger(value))
        ? rangeFaults(name, value, schema)
        : [`${name} is no ${schema.type}`];
    case "boolean":
      return typeof value === "boolean" ? [] : [`${name} is no boolean`];
    default:
      return [];
  }
}

/** Twilio sends every property at all times, and a map of links has names of its own. */
function objectFaults(name: string, value: Record<string, unknown>, { properties }: Schema): string[] {
  if (properties === undefined) return [];
  const missing = Object.keys(properties).filter((key) => !(key in value));
  return [
    ...missing.map((key) => `${name}.${key} is missing`),
    ...Object.entries(value).flatMap(([key, item]) => {
      const property = properties[key];
      return property === undefined
        ? [`${name}.${key} is unknown`]
        : valueFaults(`${name}.${key}`, item, property);
    }),
  ];
}

function stringFaults(name: string, text: string, schema: Schema): string[] {
  const { enum: members, pattern, format, minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema;
  const holds = format === undefined ? () => true : formats[format];
  if (holds === undefined) throw new Error(`the format ${format} is not known here`);
  return [
    ...(members === undefined || members.includes(text) ? [] : [`${name} is none of ${members.join(", ")}`]),
    ...(pattern === undefined || new RegExp(pattern).test(text) ? [] : [`${name} does not match ${pattern}`]),
    ...(text.length >= minLength && text.length <= maxLength
      ? []
      : [`${name} has ${text.length} characters`]),
    ...(holds(text) ? [] : [`${name} is no ${format}`]),
  ];
}

function rangeFaults(name: string, value: number, schema: Schema): string[] {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  return value >= minimum && value <= maximum ? [] : [`${name} is not within ${minimum} and ${maximum}`];
}

function resolved(schema: Schema): Schema {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.replace("#/components/schemas/", "");
  const target = document.schemas[name];
  if (target === undefined) throw new Error(`the fixture has no schema ${name}`);
  return target;
}
