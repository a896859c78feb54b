// SHA-256 (FIPS 180-4) that answers at once: the browser's own answers later, and the checks hash within plain
// functions. The page compares it with the browser's over every file that it is given.

/** The first 32 bits of the fractional parts of a root of the first primes. */
function constants(count: number, root: (prime: number) => number): Uint32Array {
  const found: number[] = [];
  for (let candidate = 2; found.length < count; candidate += 1) {
    if (!Array.from({ length: candidate - 2 }, (_, index) => index + 2).some((by) => candidate % by === 0))
      found.push((root(candidate) % 1) * 2 ** 32);
  }
  return Uint32Array.from(found);
}

const initial = constants(8, Math.sqrt);
const rounds = constants(64, Math.cbrt);

const turned = (word: number, by: number) => (word >>> by) | (word << (32 - by));

/** 32 bytes. */
export function sha256(content: Uint8Array): Uint8Array {
  const blocks = Math.ceil((content.length + 9) / 64);
  const padded = new Uint8Array(blocks * 64);
  padded.set(content);
  padded[content.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(content.length) * 8n);
  const state = Uint32Array.from(initial);
  for (let offset = 0; offset < padded.length; offset += 64) mix(state, view, offset);
  const digest = new Uint8Array(32);
  const out = new DataView(digest.buffer);
  for (const [index, word] of state.entries()) out.setUint32(index * 4, word);
  return digest;
}

function mix(state: Uint32Array, block: DataView, offset: number): void {
  const schedule = new Uint32Array(64);
  const at = (index: number) => schedule[index] ?? 0;
  for (let index = 0; index < 64; index += 1) {
    if (index < 16) {
      schedule[index] = block.getUint32(offset + index * 4);
      continue;
    }
    const [before, last] = [at(index - 15), at(index - 2)];
    const low = turned(before, 7) ^ turned(before, 18) ^ (before >>> 3);
    const high = turned(last, 17) ^ turned(last, 19) ^ (last >>> 10);
    schedule[index] = at(index - 16) + low + at(index - 7) + high;
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let index = 0; index < 64; index += 1) {
    const choice = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const first =
      h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + choice + (rounds[index] ?? 0) + at(index);
    const second = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + majority;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) >>> 0, c, b, a, (first + second) >>> 0];
  }
  for (const [index, word] of [a, b, c, d, e, f, g, h].entries()) state[index] = (state[index] ?? 0) + word;
}
