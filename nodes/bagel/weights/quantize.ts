// Block quantisation of linear weights as ONNX Runtime's MatMulNBits reads them. Pure arithmetic: knows no files and no graph.
// All arithmetic is in doubles but for the scale, which is rounded to float32 before codes are made; a code is value · (1 / scale) to the nearest, ties to even.
// Layout: com.microsoft.MatMulNBits in ONNX Runtime's contrib operators.

/** Blocks of `block` values along the inputs share one scale; values are (code − 2^(bits − 1)) · scale. */
export interface BlockFormat {
  readonly bits: 4 | 8;
  readonly block: 32 | 128;
}

export interface QuantizedBlocks {
  /** [out, blocks, block · bits / 8]; of two 4-bit codes in a byte the earlier is the low one. */
  readonly packed: Uint8Array;
  /** [out, blocks] */
  readonly scales: Float32Array;
}

/** Steps of the code range that a block's largest value may take, as parts of it: clipping it a little often serves the others. */
const candidates: Readonly<Record<4 | 8, readonly number[]>> = { 4: [1, 0.95, 0.9, 0.85, 0.8, 0.72], 8: [1, 0.98] };

/** Blocks in a row of `inputs` values; the last one is filled up with zeros. */
export function blocksIn(inputs: number, block: number): number {
  return Math.ceil(inputs / block);
}

/**
 * Quantises a weight [outputs, inputs], choosing for each block the scale with the least squared error among a few.
 * Throws a RangeError when the values do not fill that shape or are not finite.
 */
export function quantizeBlocks(weight: Float32Array, [outputs, inputs]: readonly [number, number], { bits, block }: BlockFormat): QuantizedBlocks {
  if (weight.length !== outputs * inputs) throw new RangeError(`a weight [${outputs}, ${inputs}] needs ${outputs * inputs} values, got ${weight.length}`);
  const blocks = blocksIn(inputs, block);
  const blockBytes = (block * bits) / 8;
  const packed = new Uint8Array(outputs * blocks * blockBytes);
  const scales = new Float32Array(outputs * blocks);
  const values = new Float32Array(block);
  for (let row = 0; row < outputs; row++) for (let i = 0; i < blocks; i++) {
    const from = row * inputs + i * block;
    values.fill(0);
    values.set(weight.subarray(from, Math.min(from + block, (row + 1) * inputs)));
    const at = row * blocks + i;
    const scale = chooseScale(values, bits);
    if (!Number.isFinite(scale)) throw new RangeError(`the weight [${outputs}, ${inputs}] is not finite in row ${row}`);
    scales[at] = scale;
    pack(values, bits, scales[at]!, packed, at * blockBytes);
  }
  return { packed, scales };
}

/** Signed: a block whose largest value is positive gets a negative scale, since codes reach one step further below zero than above. */
function chooseScale(values: Float32Array, bits: 4 | 8): number {
  let largest = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Math.abs(value) > Math.abs(largest)) largest = value;
    squares += value * value;
  }
  if (!Number.isFinite(squares)) return NaN;
  if (largest === 0) return 0;
  const steps = 2 ** (bits - 1);
  let best = NaN;
  let least = Infinity;
  for (const part of candidates[bits]) {
    const perStep = -steps / (largest * part);
    let products = 0;
    let codes = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const code = codeOf(value * perStep, steps);
      products += value * code;
      codes += code * code;
    }
    // the best scale for these codes, and the squared error it leaves
    const error = squares - (products * products) / codes;
    if (error < least) [least, best] = [error, products / codes];
  }
  return best;
}

/** Adding this leaves no room for a fraction, so that doubles round to the nearest whole number; twice as fast as Math.round. */
const rounder = 1.5 * 2 ** 52;

/** The whole number nearest to `value` within −steps … steps − 1. */
function codeOf(value: number, steps: number): number {
  const code = value + rounder - rounder;
  return code < -steps ? -steps : code > steps - 1 ? steps - 1 : code;
}

function pack(values: Float32Array, bits: 4 | 8, scale: number, packed: Uint8Array, at: number): void {
  const steps = 2 ** (bits - 1);
  const perStep = scale === 0 ? 0 : 1 / scale;
  if (bits === 8) for (let i = 0; i < values.length; i++) packed[at + i] = codeOf(values[i]! * perStep, steps) + steps;
  else for (let i = 0; i < values.length; i += 2) packed[at + i / 2] = (codeOf(values[i]! * perStep, steps) + steps) | ((codeOf(values[i + 1]! * perStep, steps) + steps) << 4);
}

/** The weight [outputs, inputs] that the codes stand for. */
export function dequantizeBlocks({ packed, scales }: QuantizedBlocks, [outputs, inputs]: readonly [number, number], { bits, block }: BlockFormat): Float32Array {
  const blocks = blocksIn(inputs, block);
  const blockBytes = (block * bits) / 8;
  const steps = 2 ** (bits - 1);
  const values = new Float32Array(outputs * inputs);
  for (let row = 0; row < outputs; row++) for (let i = 0; i < blocks; i++) {
    const at = row * blocks + i;
    const scale = scales[at]!;
    const from = row * inputs + i * block;
    const count = Math.min(block, inputs - i * block);
    for (let inner = 0; inner < count; inner++) {
      const byte = packed[at * blockBytes + (bits === 8 ? inner : inner >> 1)]!;
      values[from + inner] = ((bits === 8 ? byte : (byte >> (4 * (inner & 1))) & 15) - steps) * scale;
    }
  }
  return values;
}
