// Quantisation of linear weights to 8 bits with one scale an output, as ONNX Runtime's MatMulInteger reads them. Pure arithmetic: knows no files and no graph.
// All arithmetic is in doubles but for the scale, which is rounded to float32 before codes are made; codes round to nearest, ties to even.
// Unsigned with zero point 128: on processors without VNNI the product of unsigned rows and signed weights saturates.

export interface QuantizedChannels {
  /** [inputs, outputs]: transposed. Values are (code − 128) · scale of the output. */
  readonly codes: Uint8Array;
  /** [outputs] */
  readonly scales: Float32Array;
}

/** Parts of the range that an output's largest value may take: clipping it a little often serves the others. */
const candidates: readonly number[] = [1, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6];

/** Codes reach as far below zero as above. */
const steps = 127;

/** Adding this leaves no room for a fraction, so that doubles round to the nearest whole number, ties to even. */
const rounder = 1.5 * 2 ** 52;

/**
 * Quantises a weight [outputs, inputs], choosing for each output the scale with the least squared error among a few.
 * Throws a RangeError when the values do not fill that shape or are not finite.
 */
export function quantizeChannels(weight: Float32Array, [outputs, inputs]: readonly [number, number]): QuantizedChannels {
  if (weight.length !== outputs * inputs) throw new RangeError(`a weight [${outputs}, ${inputs}] needs ${outputs * inputs} values, got ${weight.length}`);
  const codes = new Uint8Array(outputs * inputs);
  const scales = new Float32Array(outputs);
  for (let output = 0; output < outputs; output++) {
    const row = weight.subarray(output * inputs, (output + 1) * inputs);
    const scale = Math.fround(chooseScale(row));
    if (!Number.isFinite(scale)) throw new RangeError(`the weight [${outputs}, ${inputs}] is not finite in row ${output}`);
    scales[output] = scale;
    const perStep = scale === 0 ? 0 : 1 / scale;
    for (let i = 0; i < inputs; i++) codes[i * outputs + output] = codeOf(row[i]! * perStep) + 128;
  }
  return { codes, scales };
}

/** At least 0. NaN where a value is not finite. */
function chooseScale(row: Float32Array): number {
  let largest = 0;
  let squares = 0;
  for (let i = 0; i < row.length; i++) {
    const value = row[i]!;
    if (Math.abs(value) > largest) largest = Math.abs(value);
    squares += value * value;
  }
  if (!Number.isFinite(squares)) return NaN;
  if (largest === 0) return 0;
  let best = NaN;
  let least = Infinity;
  for (const part of candidates) {
    const perStep = steps / (largest * part);
    let products = 0;
    let codes = 0;
    for (let i = 0; i < row.length; i++) {
      const value = row[i]!;
      const code = codeOf(value * perStep);
      products += value * code;
      codes += code * code;
    }
    // the best scale for these codes, and the squared error it leaves
    const error = squares - (products * products) / codes;
    if (error < least) [least, best] = [error, products / codes];
  }
  return best;
}

/** The whole number nearest to `value` within −127 … 127. */
function codeOf(value: number): number {
  const code = value + rounder - rounder;
  return code < -steps ? -steps : code > steps ? steps : code;
}

/** The weight [outputs, inputs] that the codes stand for. */
export function dequantizeChannels({ codes, scales }: QuantizedChannels, [outputs, inputs]: readonly [number, number]): Float32Array {
  const values = new Float32Array(outputs * inputs);
  for (let i = 0; i < inputs; i++) for (let output = 0; output < outputs; output++) values[output * inputs + i] = (codes[i * outputs + output]! - 128) * scales[output]!;
  return values;
}
