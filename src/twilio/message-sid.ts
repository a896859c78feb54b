/** Two letters (SM, MM and what may follow them) and 32 hexadecimal digits. */
const form = /^[A-Z]{2}[0-9a-fA-F]{32}$/;

export function isMessageSid(value: unknown): value is string {
  return typeof value === "string" && form.test(value);
}
