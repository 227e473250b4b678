// Host tensors: a shape, an element type and a typed array. Knows nothing of devices; a device holds its tensors behind handles.
import { arrayFor, elementBytes, type DType, type TypedArray } from './dtype.ts';

export type Shape = readonly number[];

/** A dense row-major tensor in host memory. `data` holds exactly `sizeOf(shape)` elements (half as many bytes for `uint4`). */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** Number of elements; 1 for a scalar shape `[]`. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((size, side) => size * side, 1);
}

/** Bytes the elements take. */
export function bytesOf(tensor: { dtype: DType; shape: Shape }): number {
  return Math.ceil(sizeOf(tensor.shape) * elementBytes(tensor.dtype));
}

/** A tensor over `data`; throws a RangeError when the element count does not fit the shape. */
export function tensor(dtype: DType, shape: Shape, data: TypedArray): Tensor {
  const expected = dtype === 'uint4' ? Math.ceil(sizeOf(shape) / 2) : sizeOf(shape);
  if (data.length !== expected) throw new RangeError(`tensor [${shape.join(', ')}] of ${dtype} needs ${expected} elements, got ${data.length}`);
  return { dtype, shape, data };
}

export function zeros(dtype: DType, shape: Shape): Tensor {
  return tensor(dtype, shape, new (arrayFor(dtype))(dtype === 'uint4' ? Math.ceil(sizeOf(shape) / 2) : sizeOf(shape)));
}

/** A float32 tensor from numbers. */
export function float32(shape: Shape, values: ArrayLike<number>): Tensor {
  return tensor('float32', shape, values instanceof Float32Array ? values : Float32Array.from(values));
}

/** An int64 tensor from whole numbers. */
export function int64(shape: Shape, values: ArrayLike<number>): Tensor {
  return tensor('int64', shape, BigInt64Array.from({ length: values.length }, (_, i) => BigInt(values[i]!)));
}

/** The bytes of a tensor, without a copy. */
export function bytesView(t: Tensor): Uint8Array {
  return new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength);
}
