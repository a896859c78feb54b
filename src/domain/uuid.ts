const form = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The canonical lower-case text of a UUID (RFC 9562), undefined for anything else. */
export function parseUuid(value: string): string | undefined {
  return form.test(value) ? value.toLowerCase() : undefined;
}

/** The 16 bytes of a UUID. */
export function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll("-", ""), "hex");
}

/** When a UUIDv7 (RFC 9562) was made, in milliseconds since 1970; undefined for any other. */
export function uuidTime(uuid: string): number | undefined {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-7/.exec(uuid);
  return match ? Number.parseInt(`${match[1]}${match[2]}`, 16) : undefined;
}
