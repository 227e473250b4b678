// The two forms in which bitsandbytes stores weights, as float32 values. Pure arithmetic; knows no files.
// Every product is rounded to float32, as the reference computes them.

/** 1 / 127 as the reference has it. */
const perStep = Math.fround(7.874015718698502e-3);

/** LLM.int8: rows of `inputs` codes with the largest magnitude of each row; value = (code · largest) / 127. Source: int8_vectorwise_dequant. */
export function dequantizeInt8(codes: Int8Array, largest: Float32Array, inputs: number): Float32Array {
  const values = new Float32Array(codes.length);
  for (let row = 0; row < largest.length; row++) {
    const scale = largest[row]!;
    for (let i = row * inputs; i < (row + 1) * inputs; i++) values[i] = Math.fround(codes[i]! * scale) * perStep;
  }
  return values;
}

/**
 * 4-bit codes, the earlier in the upper half of a byte, into a table of 16 values; `block` values share one largest magnitude. Source: dequantize_4bit.
 * `first`, the index of the first value asked for, must be even and `largest` begins with that of its block. Not rounded to the type the model had.
 */
export function dequantizeTable(codes: Uint8Array, table: Float32Array, largest: Float32Array, block: number, first: number, count: number): Float32Array {
  const values = new Float32Array(count);
  const skipped = first % block;
  for (let i = 0; i < count; i++) {
    const byte = codes[i >> 1]!;
    values[i] = table[i % 2 === 0 ? byte >> 4 : byte & 15]! * largest[Math.floor((skipped + i) / block)]!;
  }
  return values;
}

/** Largest magnitudes that are quantised themselves ("double quantisation"): codes into a table of 256 values, with a scale a block and an offset for all. `first` is the index of the first code. */
export function dequantizeNested(codes: Uint8Array, table: Float32Array, scales: Float32Array, block: number, offset: number, first: number): Float32Array {
  return Float32Array.from(codes, (code, i) => Math.fround(table[code]! * scales[Math.floor((first + i) / block)]!) + offset);
}
