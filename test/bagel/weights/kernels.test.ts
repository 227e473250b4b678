// The kernels of the add-on give the bits of those in TypeScript, over random and extreme values, on one thread and several.
import { describe, expect, test, vi } from 'vitest';
import { whyNotNative } from '../../../engine/device/native.ts';
import { nativeKernels, plainKernels, type Kernels } from '../../../nodes/bagel/weights/kernels.ts';
import type { Df11Codes, Df11Layout } from '../../../nodes/bagel/weights/df11.ts';
import { df11Layout, encodeDf11 } from '../../support/encode-weights.ts';
import { readGolden } from '../../support/golden.ts';

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const edges = [0, -0, 1, -1, 1e-45, -1e-45, 1.1754944e-38, -1.17e-38, 65504, 65519.99, 65520, 5.9604645e-8, 2.98e-8, 3.4028235e38, -3.4028235e38, 1 / 3, 0.5, 2.5];
const special = [NaN, Infinity, -Infinity];

/** Random values with all kinds of magnitudes among them. */
function mixed(count: number, seed: number, rare: readonly number[] = edges): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: count }, () => (next() < 0.1 ? rare[Math.floor(next() * rare.length)]! : (next() - 0.5) * 10 ** Math.floor(next() * 9 - 6)));
}
const gaussian = (count: number, seed: number): Float32Array => {
  const next = random(seed);
  return Float32Array.from({ length: count }, () => (next() + next() + next() + next() - 2) * 0.04);
};
/** In every 128 values one far out, so that clipping it often serves the others best. */
const clipped = (count: number, seed: number): Float32Array => {
  const next = random(seed);
  return Float32Array.from({ length: count }, (_, i) => (i % 128 === 5 ? (next() < 0.5 ? 1 : -1) : (next() * 2 - 1) * (0.5 + 0.4 * next())));
};
const randomBytes = (count: number, seed: number): Uint8Array => {
  const next = random(seed);
  return Uint8Array.from({ length: count }, () => Math.floor(next() * 256));
};
const bits = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
const same = (ours: ArrayBufferView, theirs: ArrayBufferView) => expect(bits(ours).equals(bits(theirs))).toBe(true);
const messageOf = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    return (error as Error).message;
  }
  return 'no error';
};

interface Coded {
  readonly source: Df11Codes;
  readonly layout: Df11Layout;
  readonly blocks: number;
}

/** What the official encoder made, and values whose exponents differ so much that codes are longer than a lookup. */
const coded: Readonly<Record<string, Coded>> = {
  golden: codedOf((piece) => readGolden('encodings.safetensors').get(`df11.${piece}`)!.data as Uint8Array, { chunkBytes: 8, blockBytes: 4096 }),
  rare: codedOf(piecesOf(Uint16Array.from(randomExponents(30_000))), df11Layout),
};

function randomExponents(count: number): number[] {
  const next = random(5);
  return Array.from({ length: count }, () => Math.floor(next() * 128) | (127 - Math.min(127, Math.floor(-Math.log2(next() + 1e-12) * 1.3))) << 7 | (next() < 0.5 ? 0x8000 : 0));
}

function piecesOf(values: Uint16Array): (piece: string) => Uint8Array {
  const made = encodeDf11('a', [values]);
  return (piece) => made.get(`a.${piece}`)!.data as Uint8Array;
}

function codedOf(piece: (name: string) => Uint8Array, layout: Df11Layout): Coded {
  const positions = new Uint32Array(piece('output_positions').slice().buffer);
  return { layout, blocks: positions.length - 1, source: { luts: piece('luts'), codes: piece('encoded_exponent'), signs: piece('sign_mantissa'), gaps: piece('gaps'), positions } };
}

/** What decoding blocks `first` up to `end` is given. */
function cut({ source, layout: { blockBytes } }: Coded, first: number, end: number): Df11Codes {
  return { ...source, codes: source.codes.subarray(first * blockBytes, end * blockBytes + 8), signs: source.signs.subarray(source.positions[first], source.positions[end]) };
}

/** Rows and columns: one, odd ones, whole blocks, and enough that threads share them. */
const shapes: readonly (readonly [number, number])[] = [[0, 5], [1, 1], [3, 31], [2, 128], [5, 129], [7, 300], [67, 1031]];

const refusing = Object.fromEntries(Object.keys(plainKernels).map((name) => [name, () => { throw new Error(`the add-on refused: ${name}`); }])) as unknown as Kernels;

const why = whyNotNative() ?? (nativeKernels(1) === undefined ? 'built before it had kernels: npm run build:native' : undefined);
describe.skipIf(why !== undefined)(`native${why === undefined ? '' : ` ${why.split(':')[0]}`}`, () => {
  describe.each([1, 3])('on %d threads', (threads) => {
    // of sound bytes nothing may be left to TypeScript; of others the words come from there
    const native = why === undefined ? nativeKernels(threads, refusing)! : plainKernels;
    const speaking = why === undefined ? nativeKernels(threads)! : plainKernels;

    test.each([[4, 32], [4, 128], [8, 32], [8, 128]] as const)('blocks of %d bits, %d values', (bitsEach, block) => {
      for (const shape of [...shapes, [300, 128]] as const) for (const make of [mixed, gaussian, clipped]) {
        const weight = make(shape[0] * shape[1], shape[1] + block);
        const [ours, theirs] = [native, plainKernels].map((one) => one.quantizeBlocks(weight, shape, { bits: bitsEach, block })) as [ReturnType<Kernels['quantizeBlocks']>, ReturnType<Kernels['quantizeBlocks']>];
        same(ours.packed, theirs.packed);
        same(ours.scales, theirs.scales);
        same(native.dequantizeBlocks(theirs, shape, { bits: bitsEach, block }), plainKernels.dequantizeBlocks(theirs, shape, { bits: bitsEach, block }));
      }
    });

    test('blocks of 4 bits, each candidate chosen', () => {
      // one value far out, all others on the very grid that clipping it gives
      const chosen = [1, 0.95, 0.9, 0.85, 0.8, 0.72].map((part) => {
        const weight = Float32Array.from({ length: 128 }, (_, i) => (i === 5 ? 1 : (part / 8) * ((i * 5) % 15 - 7)));
        const [ours, theirs] = [native, plainKernels].map((one) => one.quantizeBlocks(weight, [1, 128], { bits: 4, block: 128 })) as [ReturnType<Kernels['quantizeBlocks']>, ReturnType<Kernels['quantizeBlocks']>];
        same(ours.scales, theirs.scales);
        same(ours.packed, theirs.packed);
        return Math.round(theirs.scales[0]! * -8 * 50) / 50;
      });
      expect(chosen).toEqual([1, 0.95, 0.9, 0.85, 0.8, 0.72].map((part) => Math.round(part * 50) / 50));
    });

    test('channels', () => {
      for (const shape of shapes) for (const make of [mixed, gaussian]) {
        const weight = make(shape[0] * shape[1], shape[1]);
        const [ours, theirs] = [native, plainKernels].map((one) => one.quantizeChannels(weight, shape)) as [ReturnType<Kernels['quantizeChannels']>, ReturnType<Kernels['quantizeChannels']>];
        same(ours.codes, theirs.codes);
        same(ours.scales, theirs.scales);
        same(native.dequantizeChannels(theirs, shape), plainKernels.dequantizeChannels(theirs, shape));
      }
    });

    test('channels, each candidate chosen', () => {
      // one value far out in a row so long that clipping it serves the others
      const chosen = [1, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6].map((part) => {
        const next = random(9);
        const weight = Float32Array.from({ length: 120_000 }, (_, i) => (i === 77 ? 1 : (next() * 2 - 1) * part));
        const [ours, theirs] = [native, plainKernels].map((one) => one.quantizeChannels(weight, [1, weight.length])) as [ReturnType<Kernels['quantizeChannels']>, ReturnType<Kernels['quantizeChannels']>];
        same(ours.scales, theirs.scales);
        same(ours.codes, theirs.codes);
        return Math.round(theirs.scales[0]! * 127 * 20) / 20;
      });
      expect(chosen).toEqual([1, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6]);
    });

    test.each(special)('%s is refused with the same words', (value) => {
      const weight = gaussian(67 * 1031, 1).fill(value, 40_000, 40_001);
      for (const call of [(one: Kernels) => one.quantizeBlocks(weight, [67, 1031], { bits: 4, block: 128 }), (one: Kernels) => one.quantizeChannels(weight, [67, 1031]), (one: Kernels) => one.quantizeBlocks(weight, [67, 1030], { bits: 8, block: 32 })]) {
        expect(messageOf(() => call(speaking))).toBe(messageOf(() => call(plainKernels)));
        expect(() => call(speaking)).toThrow(RangeError);
        expect(() => call(native)).toThrow('the add-on refused');
      }
    });

    test('LLM.int8', () => {
      for (const [rows, inputs] of shapes) {
        const codes = new Int8Array(randomBytes(rows * inputs, inputs).buffer);
        const largest = mixed(rows, inputs, [...edges, ...special]);
        same(native.dequantizeInt8(codes, largest, inputs), plainKernels.dequantizeInt8(codes, largest, inputs));
      }
    });

    test.each([[64, 0, 1], [64, 6, 1001], [32, 62, 70_003], [4096, 4098, 5], [64, 0, 0]])('NF4 and FP4: blocks of %d, from %d, %d values', (block, first, count) => {
      const codes = randomBytes(Math.ceil(count / 2), count);
      const table = mixed(16, block, [...edges, ...special]);
      const largest = mixed(Math.ceil((first % block + count) / block), first, [...edges, ...special]);
      same(native.dequantizeTable(codes, table, largest, block, first, count), plainKernels.dequantizeTable(codes, table, largest, block, first, count));
    });

    test('FP8, every code', () => {
      const codes = Uint8Array.from({ length: 70_001 }, (_, i) => i);
      same(native.float32FromFloat8(codes), plainKernels.float32FromFloat8(codes));
    });

    test('casts, every narrow value and extreme wide ones', () => {
      const every = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
      const wide = new Float32Array(new Uint32Array(Uint32Array.from({ length: 300_001 }, (_, i) => Math.imul(i, 2654435761))).buffer);
      same(native.float32FromBfloat16(every), plainKernels.float32FromBfloat16(every));
      // of signalling NaNs TypeScript gives other bits once it is compiled: one NaN is as good as another here
      const [ours, theirs] = [native, plainKernels].map((one) => one.float32FromFloat16(every).map((value) => (Number.isNaN(value) ? NaN : value))) as [Float32Array, Float32Array];
      same(ours, theirs);
      for (const values of [wide, mixed(999, 1, [...edges, ...special]), new Float32Array(0)]) for (const to of ['bfloat16FromFloat32', 'float16FromFloat32'] as const) same(native[to](values), plainKernels[to](values));
      // all values about the subnormals of float16 and their ties
      const small = new Float32Array(Uint32Array.from({ length: 1 << 17 }, (_, i) => 0x32f00000 + i * 0x60).buffer);
      same(native.float16FromFloat32(small), plainKernels.float16FromFloat32(small));
    });

    test.each(Object.keys(coded))('DF11, %s: whole and in part', (name) => {
      const one = coded[name]!;
      for (const [first, end] of [[0, one.blocks], [0, 1], [1, one.blocks], [one.blocks - 1, one.blocks]] as const) {
        const part = cut(one, first, end);
        same(native.decodeDf11(part, one.layout, first, end), plainKernels.decodeDf11(part, one.layout, first, end));
      }
    });

    test.each(Object.keys(coded))('DF11, %s: damage is refused with the same words', (name) => {
      const { source, layout, blocks } = coded[name]!;
      const refusal = (damaged: Df11Codes) => {
        const [ours, theirs] = [speaking, plainKernels].map((one) => messageOf(() => one.decodeDf11(damaged, layout, 0, blocks)));
        expect(ours).toBe(theirs);
        if (ours === 'no error') same(speaking.decodeDf11(damaged, layout, 0, blocks), plainKernels.decodeDf11(damaged, layout, 0, blocks));
        return ours === 'no error' ? 0 : 1;
      };
      const flipped = (bytes: Uint8Array, i: number) => bytes.map((byte, at) => (at === (i * 7919) % bytes.length ? byte ^ (1 << i % 8) : byte));
      let refused = 0;
      for (let i = 0; i < 40; i++) {
        refused += refusal({ ...source, codes: flipped(source.codes, i) });
        refusal({ ...source, luts: flipped(source.luts, i) });
        refusal({ ...source, gaps: flipped(source.gaps, i) });
      }
      expect(refused).toBeGreaterThan(10);
      expect(refusal({ ...source, codes: source.codes.subarray(0, source.codes.length - 40) })).toBe(1);
      expect(refusal({ ...source, positions: source.positions.toReversed() })).toBe(1);
    });
  });
});

test('BAGELGRAPH_NATIVE=0 turns them off', () => {
  vi.stubEnv('BAGELGRAPH_NATIVE', '0');
  expect(nativeKernels(1)).toBeUndefined();
  vi.unstubAllEnvs();
});
