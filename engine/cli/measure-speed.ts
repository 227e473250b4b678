// How fast a device is at the two things that cost time: products of matrices, and reading weights for a single row. For estimates.
import type { Device, Feed } from '../device/device.ts';
import { encodeModel } from '../onnx/protobuf.ts';
import { input, trace } from '../onnx/trace.ts';
import { float32 } from '../tensor/tensor.ts';

export interface Speed {
  /** Floating-point operations a second in products of many rows. */
  readonly flops: number;
  /** Bytes a second in products of one row. */
  readonly bytes: number;
}

const side = 1024;
/** 64 MB: more than caches hold. */
const wide = 4096;
const rounds = 4;

/** Takes about half a second. */
export async function measureSpeed(device: Device): Promise<Speed> {
  const many = await timeProduct(device, side, side, side);
  const one = await timeProduct(device, 1, wide, wide);
  return { flops: (2 * side ** 3) / many, bytes: (wide * wide * 4) / one };
}

/** Seconds of [rows, inner] · [inner, columns], the best of a few. */
async function timeProduct(device: Device, rows: number, inner: number, columns: number): Promise<number> {
  const [a, b] = [input('a', 'float32', ['rows', inner]), input('b', 'float32', [inner, columns])];
  const part = trace(`speed:${rows}`, [a, b], { get: () => undefined }, (op) => ({ c: op.matmul(a, b) }));
  const session = await device.load({ name: part.name, bytes: encodeModel(part) });
  const left = await device.write(float32([rows, inner], new Float32Array(rows * inner).fill(0.5)));
  const right = await device.write(float32([inner, columns], new Float32Array(inner * columns).fill(0.5)));
  const feeds: Record<string, Feed> = { a: { handle: left }, b: { handle: right } };
  let best = Infinity;
  for (let i = 0; i <= rounds; i++) {
    const start = performance.now();
    const { c } = await device.run(session, feeds, { c: 'handle' });
    if (i > 0) best = Math.min(best, (performance.now() - start) / 1000);
    await device.free([c as never]);
  }
  await device.free([session, left, right]);
  return best;
}
