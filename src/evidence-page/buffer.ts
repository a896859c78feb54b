// What the checks use of Node's Buffer, for a browser. .deploy/evidence-page.ts puts it in the global's place.

type Encoding = "hex" | "base64url" | "utf8";

class Bytes extends Uint8Array {
  override toString(encoding: Encoding = "utf8"): string {
    if (encoding === "hex") return Array.from(this, (byte) => byte.toString(16).padStart(2, "0")).join("");
    // As Node does: a byte-order mark stays, and what is no UTF-8 becomes U+FFFD.
    if (encoding === "utf8") return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this);
    const text = btoa(Array.from(this, (byte) => String.fromCharCode(byte)).join(""));
    return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  }

  equals(other: Uint8Array): boolean {
    return this.length === other.length && this.every((byte, index) => byte === other[index]);
  }

  writeInt32BE(value: number, offset = 0): void {
    new DataView(this.buffer, this.byteOffset, this.length).setInt32(offset, value);
  }

  writeBigInt64BE(value: bigint, offset = 0): void {
    new DataView(this.buffer, this.byteOffset, this.length).setBigInt64(offset, value);
  }
}

function decode(text: string, encoding: Encoding): ArrayLike<number> {
  if (encoding === "utf8") return new TextEncoder().encode(text);
  // As Node does: hex ends at the first pair that is none, base64 leaves out what is not of its alphabet.
  if (encoding === "hex")
    return (/^([0-9a-f]{2})*/i.exec(text)?.[0].match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  const letters = text
    .replaceAll("-", "+")
    .replaceAll("_", "/")
    .replace(/[^A-Za-z0-9+/]/g, "");
  // A single letter at the end is less than a byte.
  const whole = letters.length % 4 === 1 ? letters.slice(0, -1) : letters;
  return Uint8Array.from(atob(whole), (character) => character.charCodeAt(0));
}

export const Buffer = {
  alloc: (length: number): Bytes => new Bytes(length),
  byteLength: (text: string): number => new TextEncoder().encode(text).length,
  concat(parts: readonly Uint8Array[]): Bytes {
    const all = new Bytes(parts.reduce((length, part) => length + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      all.set(part, offset);
      offset += part.length;
    }
    return all;
  },
  from: (content: string | Uint8Array, encoding: Encoding = "utf8"): Bytes =>
    new Bytes(typeof content === "string" ? decode(content, encoding) : content),
};
