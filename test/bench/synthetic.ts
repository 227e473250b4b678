// The synthetic model of middle size that the benchmark runs, in float32 and with its linear weights in 4-bit blocks. Made on the fly in a temp folder.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Device } from '../../engine/device/device.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import type { StoredWeight } from '../../engine/onnx/ops.ts';
import { openSafetensors, readEntry, writeSafetensorsFrom, type Planned } from '../../engine/tensor/safetensors.ts';
import { bytesView, float32, tensor } from '../../engine/tensor/tensor.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { claimRows, emptyContext, type Context, type Work } from '../../nodes/bagel/context.ts';
import { blocksIn, quantizeBlocks, type BlockFormat } from '../../nodes/bagel/weights/quantize.ts';
import { openModelFolder, type ModelFolder, type PlainModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { writeModelFolder, type ModelFolderOptions } from '../support/model-folder.ts';

export const threads = 2;
export const middleSize: ModelFolderOptions = { dtype: 'float32', hidden: 1024, ffn: 5408, layers: 8, heads: 16, kvHeads: 4, vocab: 32000, maxLatentSize: 32 };

/** Writes a model, gives it to `work` and removes it. */
export async function withModelFolder<T>(options: ModelFolderOptions, work: (folder: PlainModelFolder, directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(path.join(tmpdir(), 'bagelgraph-bench-'));
  try {
    await writeModelFolder(directory, options);
    return await work(await openModelFolder(directory), directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

export async function withDevice<T>(work: (device: Device) => Promise<T>): Promise<T> {
  const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads });
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}

export function workOn(device: Device): Work {
  return { device, count: () => undefined };
}

/** A context whose rows are zeros: as good as any for time. */
export async function blankContext(model: BagelModel, length: number, work: Work): Promise<Context> {
  const empty = emptyContext(model);
  return { ...empty, length, rope: length, buffers: await claimRows(empty, length, work) };
}

const format: BlockFormat = { bits: 4, block: 128 };

/** The same model with its projections and head quantised, written into `directory`. */
export async function quantizeFolder(folder: PlainModelFolder, directory: string): Promise<ModelFolder> {
  const file = path.join(directory, 'blocks.safetensors');
  const keys = [...folder.llm.keys()].filter((key) => /(_proj|_proj_moe_gen|lm_head)\.weight$/.test(key) && key.startsWith('language_model'));
  const planned = keys.flatMap((key): Planned[] => {
    const [outputs, inputs] = folder.llm.get(key)!.shape as [number, number];
    const blocks = blocksIn(inputs, format.block);
    return [{ key: `${key}.packed`, dtype: 'uint8', shape: [outputs, blocks, (format.block * format.bits) / 8] }, { key: `${key}.scales`, dtype: 'float32', shape: [outputs, blocks] }];
  });
  await writeSafetensorsFrom(file, planned, pieces(folder));
  const { entries } = await openSafetensors(file);
  const llm = new Map<string, StoredWeight>(folder.llm);
  for (const key of keys) llm.set(key, { ...format, packed: entries.get(`${key}.packed`)!, scales: entries.get(`${key}.scales`)! });
  return { ...folder, llm };
}

/** Bytes of the planned tensors, which come in pairs: a weight is read and quantised once. */
function pieces(folder: PlainModelFolder): (one: Planned) => AsyncGenerator<Uint8Array> {
  let scales: Uint8Array | undefined;
  return async function* pieceOf(one: Planned) {
    if (one.key.endsWith('.scales')) {
      yield scales!;
      return;
    }
    const entry = folder.llm.get(one.key.slice(0, -'.packed'.length))!;
    const { data } = await readEntry(entry);
    const made = quantizeBlocks(data as Float32Array, entry.shape as [number, number], format);
    scales = bytesView(float32([made.scales.length], made.scales));
    yield bytesView(tensor('uint8', one.shape, made.packed));
  };
}
