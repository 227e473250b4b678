// Reads the golden safetensors files into plain tensors, on its own: a fault in the engine's reader must not hide in every test.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { arrayFor, type DType } from '../../engine/tensor/dtype.ts';
import { tensor, type Tensor } from '../../engine/tensor/tensor.ts';

const dtypes: Record<string, DType> = {
  F64: 'float64', F32: 'float32', F16: 'float16', BF16: 'bfloat16', F8_E4M3: 'float8e4m3fn',
  I64: 'int64', I32: 'int32', I8: 'int8', U8: 'uint8', BOOL: 'bool',
};

/** Absolute path of a file in test/golden. */
export function goldenPath(name: string): string {
  return fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
}

/** Every tensor of a safetensors file in test/golden, in the file's order. */
export function readGolden(name: string): Map<string, Tensor> {
  const file = readFileSync(goldenPath(name));
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  const tensors = new Map<string, Tensor>();
  for (const [key, entry] of Object.entries(header)) {
    if (key === '__metadata__') continue;
    const dtype = dtypes[entry.dtype];
    if (dtype === undefined) throw new Error(`${name}: ${key} has the unknown type ${entry.dtype}`);
    const [start, end] = entry.data_offsets;
    const bytes = new Uint8Array(file.subarray(8 + headerBytes + start, 8 + headerBytes + end)); // copied, so that it is aligned
    tensors.set(key, tensor(dtype, entry.shape, new (arrayFor(dtype))(bytes.buffer)));
  }
  return tensors;
}
