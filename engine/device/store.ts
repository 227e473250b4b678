// Tensors and row buffers where they live: in the worker, or in the memory device. Knows no sessions and no messages.
import { arrayFor, elementBytes, type DType } from '../tensor/dtype.ts';
import { bytesView, sizeOf, zeros, type Shape, type Tensor } from '../tensor/tensor.ts';
import { DeviceError, shapeText } from './errors.ts';

export class TensorStore {
  readonly #tensors = new Map<number, Tensor>();

  put(id: number, tensor: Tensor): void {
    this.#tensors.set(id, tensor);
  }

  /** Zeroed memory, which the system provides page by page as it is used. */
  reserve(id: number, dtype: DType, shape: Shape): void {
    this.put(id, zeros(dtype, shape));
  }

  get(id: number): Tensor {
    const tensor = this.#tensors.get(id);
    if (tensor === undefined) throw new DeviceError(`handle ${id} is not on this device`);
    return tensor;
  }

  /** The tensor or, over the same memory, its first `rows` rows. */
  view(id: number, rows?: number): Tensor {
    const tensor = this.get(id);
    return rows === undefined ? tensor : firstRows(tensor, rows);
  }

  /** Throws unless `value` fits into rows `row…` of the buffer. Callers check every output before they copy the first. */
  check(id: number, row: number, value: { readonly dtype: DType; readonly shape: Shape }, what: string): void {
    const { dtype, shape } = this.get(id);
    const rows = value.shape[0];
    // not built ahead: a run may copy hundreds of outputs
    const buffer = (): string => `the ${dtype} row buffer ${shapeText(shape)}`;
    if (value.dtype !== dtype || rows === undefined || value.shape.length !== shape.length || value.shape.some((side, i) => i > 0 && side !== shape[i])) {
      throw new DeviceError(`${what} is ${value.dtype} ${shapeText(value.shape)}, which are no rows of ${buffer()}`);
    }
    if (row + rows > shape[0]!) throw new DeviceError(`${what} has ${rows} rows, which do not fit at row ${row} of ${buffer()}`);
  }

  /** Copies rows that `check` has passed. */
  copyInto(id: number, row: number, value: Tensor): void {
    const buffer = this.get(id);
    // the same dtype and so the same kind of array: set() copies bits
    buffer.data.set(value.data as never, row * rowBytes(buffer) / buffer.data.BYTES_PER_ELEMENT);
  }

  /** Removes the tensor and gives it back, so that its memory can be released at once. */
  remove(id: number): Tensor | undefined {
    const tensor = this.#tensors.get(id);
    this.#tensors.delete(id);
    return tensor;
  }

  clear(): void {
    this.#tensors.clear();
  }
}

/** The first rows over the same memory. `rows` may be 0 and at most the first side. */
export function firstRows(tensor: Tensor, rows: number): Tensor {
  const shape = rowsShape(tensor.shape, rows);
  return { ...tensor, shape, data: tensor.data.subarray(0, rows * rowBytes(tensor) / tensor.data.BYTES_PER_ELEMENT) };
}

/** `shape` with `rows` as its first side; throws where there are not that many. */
export function rowsShape(shape: Shape, rows: number): Shape {
  const [capacity, ...side] = shape;
  if (capacity === undefined) throw new DeviceError('a scalar has no rows');
  if (!Number.isInteger(rows) || rows < 0 || rows > capacity) throw new DeviceError(`${rows} rows of ${shapeText(shape)} asked: it has 0 to ${capacity}`);
  return [rows, ...side];
}

function rowBytes({ dtype, shape }: Tensor): number {
  const bytes = sizeOf(shape.slice(1)) * elementBytes(dtype);
  if (!Number.isInteger(bytes)) throw new DeviceError(`rows of ${dtype} ${shapeText(shape)} do not end at byte bounds`);
  return bytes;
}

/** A tensor of its own memory. */
export function copyOf(tensor: Tensor): Tensor {
  const data = new (arrayFor(tensor.dtype))(tensor.data.length);
  bytesView({ ...tensor, data }).set(bytesView(tensor));
  return { ...tensor, data };
}
