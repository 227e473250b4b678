// DF11: bfloat16 weights whose exponents are Huffman-coded, without loss. Pure arithmetic over bytes; knows no files.
// Source: "70% Size, 100% Accuracy" (arXiv 2504.11651) and the layout that dfloat11 0.5 writes: the codes run on from one bit to the next, most significant
// first; every `blockBytes` of them the index of the first value that begins there is kept, and every `chunkBytes` the bit at which it begins.

/** How long the pieces are for which a start is kept. */
export interface Df11Layout {
  /** Bytes of codes a thread of the reference's kernel reads. */
  readonly chunkBytes: number;
  /** Bytes of codes a block of its threads reads. */
  readonly blockBytes: number;
}

/** The codes of one block of weights, which need not begin at its first value. */
export interface Df11Codes {
  /** uint8 [tables + 1, 256]: tables of symbols by the next eight bits, 256 − table for those that go on; last the length of each symbol's code. */
  readonly luts: Uint8Array;
  /** Bytes of codes, from `blocks.first · blockBytes` on. */
  readonly codes: Uint8Array;
  /** Sign and mantissa of each value from `positions[blocks.first]` on. */
  readonly signs: Uint8Array;
  /** Index of the first value that begins in each block; one more than blocks, the last is the number of all values. */
  readonly positions: Uint32Array;
  /** 5 bits a chunk: the bit at which its first value begins. For all blocks. */
  readonly gaps: Uint8Array;
}

/** Bits that are looked up at once; longer codes take the tables. */
const quickBits = 12;
/** Bytes that may be read beyond the last code. */
export const df11Overhang = 8;

/** The blocks that hold the values `first` up to `end`. */
export function df11Blocks(positions: Uint32Array, first: number, end: number): { readonly first: number; readonly end: number } {
  return { first: lastAtMost(positions, first), end: lastAtMost(positions, end - 1) + 1 };
}

/** Index of the last position that is at most `value`; of equal ones the last that has values. */
function lastAtMost(positions: Uint32Array, value: number): number {
  let [low, high] = [0, positions.length - 2];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (positions[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Decodes blocks `first` up to `end` to bfloat16 bits: the values positions[first] up to positions[end].
 * Throws a RangeError where codes, tables and starts do not fit together: the bytes are damaged.
 */
export function decodeDf11({ luts, codes, signs, positions, gaps }: Df11Codes, layout: Df11Layout, first: number, end: number): Uint16Array {
  const symbols = buildSymbols(luts);
  const start = positions[first]!;
  const into = new Uint16Array(positions[end]! - start);
  const padded = new Uint8Array(codes.length + df11Overhang);
  padded.set(codes);
  const chunks = layout.blockBytes / layout.chunkBytes;
  let at = startBit(gaps, first * chunks);
  let done = 0;
  for (let block = first; block < end; block++) {
    const until = positions[block + 1]! - start;
    if (until < done) throw new RangeError(`block ${block + 1} begins before block ${block}`);
    at = decodeRun(symbols, padded, at, signs, into, done, until);
    done = until;
    const next = (block + 1 - first) * layout.blockBytes * 8;
    const isLast = block + 2 === positions.length;
    if (isLast ? at > codes.length * 8 : at !== next + startBit(gaps, (block + 1) * chunks)) throw new RangeError(`the codes of block ${block} end at bit ${at - next}, where the next begins at ${isLast ? 'none' : startBit(gaps, (block + 1) * chunks)}`);
  }
  return into;
}

interface Symbols {
  /** By the next `quickBits` bits: symbol and length of its code, or 0 where the code is longer. */
  readonly quick: Uint16Array;
  readonly luts: Uint8Array;
  readonly tables: number;
}

const cached = new WeakMap<Uint8Array, Symbols>();

function buildSymbols(luts: Uint8Array): Symbols {
  const known = cached.get(luts);
  if (known !== undefined) return known;
  const tables = luts.length / 256 - 1;
  const quick = new Uint16Array(1 << quickBits);
  const symbols = { quick, luts, tables };
  for (let code = 0; code < quick.length; code++) {
    const symbol = walk(symbols, (code << (32 - quickBits)) >>> 0);
    const length = symbol < 0 ? 0 : luts[tables * 256 + symbol]!;
    if (length > 0 && length <= quickBits) quick[code] = (symbol << 8) | length;
  }
  cached.set(luts, symbols);
  return symbols;
}

/** The symbol whose code begins with the upper bits of `window`; −1 where the tables lead nowhere. */
function walk({ luts, tables }: Symbols, window: number): number {
  let symbol = luts[window >>> 24]!;
  for (let shift = 16; symbol >= 240; shift -= 8) {
    const table = 256 - symbol;
    if (shift < 0 || table >= tables) return -1;
    symbol = luts[table * 256 + ((window >>> shift) & 255)]!;
  }
  return symbol;
}

/** Decodes values `from` up to `until` from bit `at` on; gives the bit after the last. */
function decodeRun(symbols: Symbols, codes: Uint8Array, at: number, signs: Uint8Array, into: Uint16Array, from: number, until: number): number {
  const { quick, luts, tables } = symbols;
  const lengths = tables * 256;
  const limit = (codes.length - df11Overhang) * 8;
  for (let i = from; i < until; i++) {
    const byte = at >>> 3;
    const bits = ((codes[byte]! << 16) | (codes[byte + 1]! << 8) | codes[byte + 2]!) >>> (24 - quickBits - (at & 7));
    const entry = quick[bits & ((1 << quickBits) - 1)]!;
    let symbol = entry >>> 8;
    let length = entry & 255;
    if (length === 0) {
      symbol = walk(symbols, windowAt(codes, at));
      length = symbol < 0 ? 0 : luts[lengths + symbol]!;
      if (length === 0) throw new RangeError(`bit ${at} begins no code`);
    }
    const sign = signs[i]!;
    into[i] = ((sign & 0x80) << 8) | (symbol << 7) | (sign & 0x7f);
    at += length;
    if (at > limit) throw new RangeError(`the codes end before value ${i + 1}`);
  }
  return at;
}

/** 32 bits from bit `at` on. */
function windowAt(codes: Uint8Array, at: number): number {
  const byte = at >>> 3;
  const shift = at & 7;
  const upper = ((codes[byte]! << 24) | (codes[byte + 1]! << 16) | (codes[byte + 2]! << 8) | codes[byte + 3]!) >>> 0;
  return shift === 0 ? upper : ((upper << shift) | (codes[byte + 4]! >>> (8 - shift))) >>> 0;
}

/** The bit within chunk `chunk` at which its first value begins. */
function startBit(gaps: Uint8Array, chunk: number): number {
  const bit = chunk * 5;
  const byte = Math.floor(bit / 8);
  return ((((gaps[byte] ?? 0) << 8) | (gaps[byte + 1] ?? 0)) >>> (11 - (bit % 8))) & 31;
}

/** Bytes the starts of `blocks` blocks take. */
export function gapBytes(blocks: number, layout: Df11Layout): number {
  return Math.ceil((blocks * (layout.blockBytes / layout.chunkBytes) * 5) / 8);
}
