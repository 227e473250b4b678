// Element types and their sizes, named as NumPy and ONNX name them. Knows no files and no devices.

/** Element types a tensor can have. `float16`, `bfloat16` and `float8e4m3fn` keep their bits in unsigned integers. */
export type DType =
  | 'float32' | 'float64' | 'float16' | 'bfloat16' | 'float8e4m3fn'
  | 'int64' | 'int32' | 'int16' | 'int8'
  | 'uint64' | 'uint32' | 'uint16' | 'uint8' | 'bool' | 'uint4';

export type TypedArray =
  | Float32Array | Float64Array | BigInt64Array | BigUint64Array
  | Int32Array | Int16Array | Int8Array | Uint32Array | Uint16Array | Uint8Array;

const bytesPerElement: Record<DType, number> = {
  float32: 4, float64: 8, float16: 2, bfloat16: 2, float8e4m3fn: 1,
  int64: 8, int32: 4, int16: 2, int8: 1, uint64: 8, uint32: 4, uint16: 2, uint8: 1, bool: 1, uint4: 0.5,
};

/** Bytes one element takes (0.5 for `uint4`). */
export function elementBytes(dtype: DType): number {
  return bytesPerElement[dtype];
}

/** The typed array constructor that holds elements of `dtype`; `uint4` is packed two to a byte. */
export function arrayFor(dtype: DType): { new (length: number): TypedArray; new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray } {
  return arrayTypes[dtype];
}

const arrayTypes = {
  float32: Float32Array, float64: Float64Array, float16: Uint16Array, bfloat16: Uint16Array, float8e4m3fn: Uint8Array,
  int64: BigInt64Array, int32: Int32Array, int16: Int16Array, int8: Int8Array,
  uint64: BigUint64Array, uint32: Uint32Array, uint16: Uint16Array, uint8: Uint8Array, bool: Uint8Array, uint4: Uint8Array,
} as const;
