// What the model's compute costs over its bare products and over the memory's speed, on a synthetic model of middle size.
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Device, Feed, Fetch, Handle } from '../../engine/device/device.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import type { Part, WeightRef } from '../../engine/onnx/expr.ts';
import { input, trace } from '../../engine/onnx/trace.ts';
import type { StoredWeight } from '../../engine/onnx/ops.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { float32, int64, sizeOf, tensor, zeros } from '../../engine/tensor/tensor.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { claimRows, emptyContext, runLayers, type Context, type Work } from '../../nodes/bagel/context.ts';
import { decodeLatent, embed, embedMarkers } from '../../nodes/bagel/encode.ts';
import { generateTokens } from '../../nodes/bagel/generate-text.ts';
import { openModelFolder, type ModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { writeModelFolder } from '../support/model-folder.ts';
import { bareProducts } from './bare.ts';
import { interleave, median, peakMemory } from './measure.ts';
import type { Row } from './table.ts';

const threads = 2;
const latents = 1024;
const pastRows = 64;

export async function benchCompute(): Promise<Row[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-bench-'));
  try {
    await writeModelFolder(folder, { dtype: 'float32', hidden: 1024, ffn: 5408, layers: 8, heads: 16, kvHeads: 4, vocab: 32000, maxLatentSize: 32 });
    const opened = await openModelFolder(folder);
    const quantized = await quantizedFolder(opened, folder);
    return [...(await withDevice((device) => benchPass(opened, device))), ...(await withDevice((device) => benchDecode(opened, device, 'fp32'))), ...(await withDevice((device) => benchDecode(quantized, device, '4-bit')))];
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function withDevice<T>(work: (device: Device) => Promise<T>): Promise<T> {
  const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads });
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}

function workOn(device: Device): Work {
  return { device, count: () => undefined };
}

/** A context whose rows are zeros: as good as any for time. */
async function blankContext(model: BagelModel, length: number, work: Work): Promise<Context> {
  const empty = emptyContext(model);
  return { ...empty, length, rope: length, buffers: await claimRows(empty, length, work) };
}

async function benchPass(folder: ModelFolder, device: Device): Promise<Row[]> {
  const model = new BagelModel(folder, { expandWeights: true });
  const work = workOn(device);
  const context = await blankContext(model, pastRows, work);
  const und = await embedMarkers(model, work);
  const gen = await device.write(float32([latents, model.config.llm.hidden], Float32Array.from({ length: latents * model.config.llm.hidden }, (_, i) => Math.sin(i))));
  const positions = Array.from({ length: latents + 2 }, () => pastRows);
  const pass = async () => {
    const rows = (await runLayers(context, { und: { handle: und }, undRows: 2, gen: { handle: gen }, genRows: latents, positions, causal: false }, 'gen', work))!;
    const v = await model.handle(device, 'flow', { gen: { handle: rows } }, 'v');
    await device.free([rows, v]);
  };
  const bare = await bareLayers(model, device, context, und, gen, positions.length);
  const times = await interleave({ ours: pass, bare });
  const peak = await peakMemory(process.pid, pass());
  const weights = [...folder.llm.values()].filter(({ key }) => key.startsWith('language_model')).reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    { name: 'denoise pass over bare products', value: times.ours / times.bare, unit: '×', goal: '≤ 1.15', note: `${times.ours.toFixed(0)} ms over ${times.bare.toFixed(0)} ms, 1,026 rows over 64` },
    { name: 'peak memory over weights', value: peak / weights, unit: '×', goal: '', note: `${gigabytes(peak)} over ${gigabytes(weights)} of weights, all processes` },
  ];
}

/** The same sessions with everything but products and attention left out, run one after another. */
async function bareLayers(model: BagelModel, device: Device, context: Context, und: Handle, gen: Handle, rows: number): Promise<() => Promise<void>> {
  const parts = model.cuts.llm.map((_, index) => bareProducts(model.part(`llm:${index}`)));
  const sessions = await Promise.all(parts.map((part) => device.load({ name: `bare ${part.name}`, bytes: encodeModel(part) })));
  const flags = { positions: int64([rows], Array.from({ length: rows }, () => 0)), single: tensor('bool', [], Uint8Array.of(0)), causal: tensor('bool', [], Uint8Array.of(0)) };
  return async () => {
    for (const [i, session] of sessions.entries()) {
      const feeds: Record<string, Feed> = { und: { handle: und }, gen: { handle: gen }, ...flags };
      for (const { name } of parts[i]!.inputs) if (name.startsWith('past_')) feeds[name] = { handle: context.buffers!.handles.get(name.slice(5))!, rows: pastRows };
      const out = outputName(parts[i]!, model.part(`llm:${i}`), 'gen_out');
      const made = await device.run(session, feeds, { [out]: 'handle' });
      await device.free([made[out] as Handle]);
    }
  };
}

/** An output keeps its place but not always its name. */
function outputName(bare: Part, whole: Part, name: string): string {
  return bare.outputs[whole.outputs.findIndex((output) => output.name === name)]!.name;
}

async function benchDecode(folder: ModelFolder, device: Device, label: string): Promise<Row[]> {
  const model = new BagelModel(folder, { expandWeights: true });
  const work = workOn(device);
  const bound = await measureBandwidth(device);
  const perToken = tokenBytes(folder);
  const rows: Row[] = [];
  for (const [length, goal] of [[128, '≥ 0.7'], [2048, '≥ 0.5']] as const) {
    const context = await blankContext(model, length, work);
    const kv = 2 * 4 * length * model.config.llm.kvHeads * model.config.llm.headDim * model.config.llm.layers;
    const ms = median(await tokenTimes(context, work));
    const speed = (perToken + kv) / ms / 1e6;
    rows.push({ name: `decoding ${label} at ${length} over memory speed`, value: speed / bound, unit: '×', goal, note: `${ms.toFixed(1)} ms a token, ${speed.toFixed(1)} of ${bound.toFixed(1)} GB/s` });
    await device.free([...context.buffers!.handles.values()]);
  }
  return rows;
}

async function tokenTimes(context: Context, work: Work): Promise<number[]> {
  const times: number[] = [];
  let last = performance.now();
  for await (const _token of generateTokens(context, { maxTokens: 26, seed: 1n }, work)) {
    times.push(performance.now() - last);
    last = performance.now();
  }
  return times.slice(4);
}

/** Bytes of weights that one token reads: the understanding expert, the head and one embedding row. */
function tokenBytes({ llm }: ModelFolder): number {
  let bytes = 0;
  for (const [key, weight] of llm as ReadonlyMap<string, StoredWeight>) {
    if (!/^language_model\.(model\.layers|model\.norm\.|lm_head)/.test(key) || key.includes('moe_gen')) continue;
    bytes += 'bits' in weight ? weight.packed.bytes + weight.scales.bytes : weight.bytes;
  }
  return bytes;
}

/**
 * GB/s of a pure streaming read in the same worker with the same threads: a maximum over 512 MB, best of 9.
 * It is the fastest plain reader that ONNX Runtime has; a product can at best be as fast.
 */
async function measureBandwidth(device: Device): Promise<number> {
  const rows = input('x', 'float32', ['rows', 65536]);
  const part = trace('stream', [rows], { get: () => undefined }, (op) => ({ most: op.emit('ReduceMax', [rows, op.ints([1])], 'float32', ['rows', 1], { keepdims: { int: 1 } }) }));
  const session = await device.load({ name: 'stream', bytes: encodeModel(part) });
  const buffer = await device.write({ dtype: 'float32', shape: [2048, 65536] });
  const one = zeros('float32', [64, 65536]);
  const filler = await device.write(one); // touches pages so that they are real memory
  const copy = trace('fill', [rows], { get: () => undefined }, (op) => ({ copy: op.identity(rows) }));
  const fill = await device.load({ name: 'fill', bytes: encodeModel(copy) });
  for (let row = 0; row < 2048; row += 64) await device.run(fill, { x: { handle: filler } }, { copy: { into: buffer, row } satisfies Fetch });
  const times: number[] = [];
  for (let i = 0; i < 9; i++) {
    const start = performance.now();
    await device.run(session, { x: { handle: buffer } }, { most: 'tensor' });
    times.push(performance.now() - start);
  }
  await device.free([session, fill, buffer, filler]);
  return (2048 * 65536 * 4) / Math.min(...times) / 1e6;
}

/** The same model with linear weights in blocks of 128 at 4 bits. Their bytes are arbitrary: time does not depend on them. */
async function quantizedFolder(folder: ModelFolder, directory: string): Promise<ModelFolder> {
  const file = path.join(directory, 'blocks.bin');
  const llm = new Map<string, StoredWeight>(folder.llm);
  let offset = 0;
  const place = (key: string, dtype: WeightRef['dtype'], shape: readonly number[], bytes: number): WeightRef => {
    const ref = { key, file, dtype, shape, offset, bytes };
    offset += Math.ceil(bytes / 64) * 64;
    return ref;
  };
  for (const [key, { shape }] of folder.llm) {
    if (!/(_proj|_proj_moe_gen|lm_head)\.weight$/.test(key)) continue;
    const [outputs, inputs] = shape as [number, number];
    const blocks = Math.ceil(inputs / 128);
    llm.set(key, { bits: 4, block: 128, packed: place(`${key}.packed`, 'uint8', [outputs, blocks, 64], outputs * blocks * 64), scales: place(`${key}.scales`, 'float32', [outputs, blocks], outputs * blocks * 4) });
  }
  await writeFile(file, '');
  await truncate(file, offset);
  return { ...folder, llm: llm as unknown as ModelFolder['llm'] };
}

/** VAE decode over its convolutions and attention. */
export async function benchVae(): Promise<Row[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-bench-'));
  try {
    await writeModelFolder(folder, { dtype: 'float32', vae: { ch: 128, chMult: [1, 2, 4, 4], resBlocks: 2, zChannels: 16 }, maxLatentSize: 16, vaeImage: { max_size: 256, min_size: 128, stride: 16 } });
    const rows: Row[] = [];
    for (const [label, source] of [['demo codec', 'models/bagel-demo'], ['FLUX codec', folder]] as const) {
      const opened = await openModelFolder(source);
      rows.push(await withDevice((device) => benchDecoder(opened, device, label)));
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function benchDecoder(folder: ModelFolder, device: Device, label: string): Promise<Row> {
  const model = new BagelModel(folder, { expandWeights: true });
  const shape = [1, model.config.vae.zChannels, 32, 32];
  const latent = { handle: await device.write(float32(shape, Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i)))), width: 256, height: 256 };
  const parts = model.cuts.decoder.map((_, index) => ({ bare: bareProducts(model.part(`decoder:${index}`)), whole: model.part(`decoder:${index}`) }));
  const sessions = await Promise.all(parts.map(({ bare }) => device.load({ name: `bare ${bare.name}`, bytes: encodeModel(bare) })));
  const bare = async () => {
    let x = latent.handle;
    for (const [i, session] of sessions.entries()) {
      const out = outputName(parts[i]!.bare, parts[i]!.whole, 'y');
      const next = (await device.run(session, { x: { handle: x } }, { [out]: 'handle' }))[out] as Handle;
      if (x !== latent.handle) await device.free([x]);
      x = next;
    }
    await device.free([x]);
  };
  const times = await interleave({ ours: () => decodeLatent(model, latent, workOn(device)), bare }, 5);
  return { name: `VAE decode 256² over bare, ${label}`, value: times.ours / times.bare, unit: '×', goal: '≤ 1.3', note: `${times.ours.toFixed(0)} ms over ${times.bare.toFixed(0)} ms` };
}

/** What the host adds to one pass of the demo model: a message a part, and the feeds. */
export async function benchOverhead(): Promise<Row[]> {
  return withDevice(async (device) => {
    const model = new BagelModel(await openModelFolder('models/bagel-demo'), { expandWeights: true });
    const work = workOn(device);
    const nothing = trace('nothing', [input('x', 'float32', [1])], { get: () => undefined }, (op) => ({ y: op.identity(input('x', 'float32', [1])) }));
    const session = await device.load({ name: 'nothing', bytes: encodeModel(nothing) });
    const times = await interleave({
      message: async () => { for (let i = 0; i < 20; i++) await device.run(session, { x: float32([1], [1]) }, { y: 'tensor' }); },
      token: async () => { for (let i = 0; i < 20; i++) await device.free([await embed(model, [1], undefined, work)]); },
    });
    return [{ name: 'host and worker, one call', value: times.message / 20, unit: 'ms', goal: '', note: 'the smallest run there is, there and back' }];
  });
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GB`;
}
