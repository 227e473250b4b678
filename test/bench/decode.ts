// Decoding against the memory it has to read: weights and cached rows of a token over the speed at which the same worker streams memory.
import type { Device, Fetch } from '../../engine/device/device.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { refsOf, type StoredWeight } from '../../engine/onnx/ops.ts';
import { input, trace } from '../../engine/onnx/trace.ts';
import { zeros } from '../../engine/tensor/tensor.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import type { Context, Work } from '../../nodes/bagel/context.ts';
import { generateTokens } from '../../nodes/bagel/generate-text.ts';
import type { ModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { median } from './measure.ts';
import { blankContext, middleSize, quantizeFolder, withDevice, withModelFolder, workOn } from './synthetic.ts';
import type { Row } from './table.ts';

const tokens = 28;
const warmUps = 4;

export function benchDecode(): Promise<Row[]> {
  return withModelFolder(middleSize, async (folder, directory) => {
    const quantized = await quantizeFolder(folder, directory);
    return [...(await withDevice((device) => measure(folder, device, 'fp32'))), ...(await withDevice((device) => measure(quantized, device, '4-bit')))];
  });
}

async function measure(folder: ModelFolder, device: Device, label: string): Promise<Row[]> {
  const model = new BagelModel(folder, { expandWeights: true });
  const { kvHeads, headDim, layers } = model.config.llm;
  const work = workOn(device);
  const readers = await openReaders(device);
  const rows: Row[] = [];
  for (const [length, goal] of [[128, '≥ 0.7'], [2048, '≥ 0.5']] as const) {
    const context = await blankContext(model, length, work);
    const { token, stream, product } = await interleaveTokens(context, work, readers);
    const bytes = tokenBytes(folder) + 2 * 4 * length * kvHeads * headDim * layers;
    const speed = bytes / token / 1e6;
    // the faster of the two is the bound: a product reads memory at most that fast
    const bound = Math.max(stream, product);
    rows.push({ name: `decoding ${label} at ${length} over memory speed`, value: speed / bound, unit: '×', goal, note: `${token.toFixed(1)} ms a token: ${speed.toFixed(1)} GB/s; a maximum reads ${stream.toFixed(1)}, one large product ${product.toFixed(1)}` });
    await device.free([...context.buffers!.handles.values()]);
  }
  return rows;
}

/** Median ms of a token and GB/s of both readers, measured turn by turn: on a shared machine only neighbours in time compare. */
async function interleaveTokens(context: Context, work: Work, readers: Readers): Promise<{ token: number; stream: number; product: number }> {
  const times = { token: [] as number[], stream: [] as number[], product: [] as number[] };
  const made = generateTokens(context, { maxTokens: tokens + 1, seed: 1n }, work);
  const timed = async (list: number[], run: () => Promise<unknown>) => {
    const start = performance.now();
    await run();
    list.push(performance.now() - start);
  };
  for (let i = 0; i < tokens; i++) {
    let isDone = false;
    await timed(times.token, async () => { isDone = (await made.next()).done === true; });
    if (isDone) break;
    await timed(times.stream, readers.stream);
    await timed(times.product, readers.product);
  }
  await made.return(undefined);
  const middle = (list: readonly number[]) => median(list.slice(warmUps));
  return { token: middle(times.token), stream: readers.bytes / middle(times.stream) / 1e6, product: readers.bytes / middle(times.product) / 1e6 };
}

/** Bytes of weights that one token reads: the understanding expert and the head. */
export function tokenBytes({ llm }: ModelFolder): number {
  let bytes = 0;
  for (const [key, weight] of llm as ReadonlyMap<string, StoredWeight>) {
    if (!/^language_model\.(model\.layers|model\.norm\.|lm_head)/.test(key) || key.includes('moe_gen')) continue;
    for (const ref of refsOf(weight)) bytes += ref.bytes;
  }
  return bytes;
}

export interface Readers {
  readonly bytes: number;
  stream(): Promise<unknown>;
  product(): Promise<unknown>;
  /** They hold as much as they read. */
  free(): Promise<void>;
}

/**
 * Two ways to read 256 MB once, in the same worker with the same threads: a maximum over rows, the plainest reader ONNX Runtime has,
 * and a product of one row with a matrix [4096, 16384] that is no weight, so that nothing is packed.
 */
export async function openReaders(device: Device): Promise<Readers> {
  const shape = [4096, 16384];
  const matrix = input('matrix', 'float32', shape);
  const row = input('row', 'float32', [1, shape[1]!]);
  const none = { get: () => undefined };
  const most = trace('stream', [matrix], none, (op) => ({ most: op.emit('ReduceMax', [matrix, op.ints([1])], 'float32', [shape[0]!, 1], { keepdims: { int: 1 } }) }));
  const times = trace('product', [row, matrix], none, (op) => ({ y: op.emit('Gemm', [row, matrix], 'float32', [1, shape[0]!], { transB: { int: 1 } }) }));
  const [stream, product] = [await device.load({ name: 'stream', bytes: encodeModel(most) }), await device.load({ name: 'product', bytes: encodeModel(times) })];
  const buffer = await device.write({ dtype: 'float32', shape });
  await fill(device, buffer, shape);
  const one = await device.write(zeros('float32', [1, shape[1]!]));
  return {
    bytes: 4 * shape[0]! * shape[1]!,
    stream: () => device.run(stream, { matrix: { handle: buffer } }, { most: 'tensor' }),
    product: () => device.run(product, { row: { handle: one }, matrix: { handle: buffer } }, { y: 'tensor' }),
    free: () => device.free([stream, product, buffer, one]),
  };
}

/** Writes every page: reserved memory is not there before it is written. */
async function fill(device: Device, buffer: Awaited<ReturnType<Device['write']>>, [rows, columns]: readonly number[]): Promise<void> {
  const x = input('x', 'float32', ['rows', columns!]);
  const session = await device.load({ name: 'fill', bytes: encodeModel(trace('fill', [x], { get: () => undefined }, (op) => ({ copy: op.identity(x) }))) });
  const piece = await device.write(zeros('float32', [64, columns!]));
  for (let row = 0; row < rows!; row += 64) await device.run(session, { x: { handle: piece } }, { copy: { into: buffer, row } satisfies Fetch });
  await device.free([session, piece]);
}
