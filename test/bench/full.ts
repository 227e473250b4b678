// npm run bench:full [-- --dir FOLDER --layers N --rounds N --only load,ask,pass,layer,picture]: a model of BAGEL-7B-MoT's own shapes, 14.6 billion weights in int4 and int8, on this machine.
// Everything runs through the model's own code; what it takes is compared with the plan, and with the bare products in the same run.
import { readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Device, Handle } from '../../engine/device/device.ts';
import { DryDevice } from '../../engine/device/dry.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { processMemory } from '../../engine/device/process-memory.ts';
import { pixels } from '../../engine/image/pixels.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { float32, sizeOf, type Tensor } from '../../engine/tensor/tensor.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { emptyContext, runLayers, type Context, type Work } from '../../nodes/bagel/context.ts';
import { decodeLatent, embedMarkers, readImageVit, readText } from '../../nodes/bagel/encode.ts';
import { generateTokens } from '../../nodes/bagel/generate-text.ts';
import { checkpointShapes } from '../../nodes/bagel/model/checkpoint.ts';
import { rowsName } from '../../nodes/bagel/model/parts.ts';
import { openImported } from '../../nodes/bagel/weights/imported.ts';
import { formats } from '../../nodes/bagel/weights/layout.ts';
import type { ModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { configOf, type ModelFolderOptions } from '../support/model-folder.ts';
import { bareLayers } from './bare.ts';
import { openReaders, tokenBytes } from './decode.ts';
import { writeSyntheticImport } from './full-checkpoint.ts';
import { median } from './measure.ts';
import { blankContext, threads, workOn } from './synthetic.ts';
import { printTable, type Row } from './table.ts';

const official: ModelFolderOptions = {
  hidden: 3584, ffn: 18944, layers: 28, heads: 28, kvHeads: 4, vocab: 152064, maxPositions: 32768,
  vit: { hidden: 1152, ffn: 4304, layers: 26, heads: 16, patch: 14 }, vitMaxPatchesPerSide: 70, vitImage: { max_size: 980, min_size: 224, stride: 14 },
  vae: { ch: 128, chMult: [1, 2, 4, 4], resBlocks: 2, zChannels: 16 }, latentPatchSize: 2, maxLatentSize: 64, vaeImage: { max_size: 1024, min_size: 512, stride: 16 },
};
const tokens = 12;

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1] ?? fallback;
}
const layers = Number(option('layers', '28'));
const rounds = Number(option('rounds', '1'));
const only = option('only', 'load,ask,pass,layer,picture').split(',');
const folder = path.resolve(option('dir', path.join(tmpdir(), `bagelgraph-full-${layers}`)));
const rows: Row[] = [];

function say(row: Row): void {
  rows.push(row);
  process.stderr.write(`${row.name}: ${row.value.toFixed(2)} ${row.unit} (${row.note})\n`);
}
const seconds = async (run: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
};
const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;

/** The same calls on the worker and on a device that only keeps account. */
interface Sides {
  readonly model: BagelModel;
  readonly device: Device;
  readonly dry: DryDevice;
  readonly planned: BagelModel;
}

/** Seconds of processor time a process has had (Linux counts hundredths): on a shared machine they say more than the clock. 0 where the system does not tell. */
async function processorSeconds(pid: number): Promise<number> {
  const line = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  const [user, system] = line.slice(line.lastIndexOf(')') + 2).split(' ').slice(11, 13);
  return (Number(user ?? 0) + Number(system ?? 0)) / 100;
}

interface Spent {
  readonly anonymous: number;
  readonly resident: number;
  readonly seconds: number;
  readonly processor: number;
}

/** Largest anonymous and resident bytes of a worker while `work` runs, and the time it takes. */
async function peakOf(device: Device, work: () => Promise<unknown>): Promise<Spent> {
  const { pid } = await device.stats();
  const before = await processorSeconds(pid!);
  const peak = { anonymous: 0, resident: 0 };
  let isDone = false;
  const watch = (async () => {
    while (!isDone) {
      const memory = await processMemory(pid);
      peak.anonymous = Math.max(peak.anonymous, memory?.anonymous ?? 0);
      peak.resident = Math.max(peak.resident, memory?.resident ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  const spent = await seconds(work);
  isDone = true;
  await watch;
  return { ...peak, seconds: spent, processor: await processorSeconds(pid!) - before };
}

const processorText = ({ processor }: Spent) => `${processor.toFixed(1)} s of processor time`;

function sayMemory(name: string, peak: Spent, { dry }: Sides): void {
  say({ name: `${name}, anonymous memory over the plan`, value: peak.anonymous / dry.neededBytes, unit: '×', goal: '0.9 – 1.1', note: `${gigabytes(peak.anonymous)} of ${gigabytes(dry.neededBytes)} planned; resident ${gigabytes(peak.resident)}` });
}

function partsOf({ cuts }: BagelModel): string[] {
  const counted = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}:${i}`);
  return ['embed', ...counted('vit', cuts.vit.length), ...counted('llm', cuts.llm.length), 'head', 'latent', 'flow', 'unpack', ...counted('decoder', cuts.decoder.length)];
}

async function load(sides: Sides): Promise<void> {
  const { model, planned, device, dry } = sides;
  const parts = partsOf(model);
  const peak = await peakOf(device, async () => { for (const part of parts) await model.session(device, part); });
  for (const part of parts) await planned.session(dry, part);
  say({ name: 'load', value: peak.seconds, unit: 's', goal: '≤ 60', note: `${parts.length} parts, ${((await device.stats()).backend ?? 'onnxruntime-node')}; ${processorText(peak)}` });
  say({ name: 'resident memory of the loaded model', value: peak.resident / 1e9, unit: 'GB', goal: '≤ 13', note: `of that anonymous ${gigabytes(peak.anonymous)}` });
  sayMemory('loaded', peak, sides);
}

/** A small picture, which is enlarged to 518 × 518 as the model's settings say (1,369 patches), and a question, as the node asks. */
async function ask(sides: Sides): Promise<Context> {
  const picture = pixels(252, 252, 3, Uint8Array.from({ length: 252 * 252 * 3 }, (_, i) => (i * 7) % 251));
  const read = async (model: BagelModel, work: Work) => readText(await readImageVit(emptyContext(model), picture, work), 'what color is the circle?', work);
  await read(sides.planned, workOn(sides.dry));
  const work = workOn(sides.device);
  let context: Context | undefined;
  const peak = await peakOf(sides.device, async () => { context = await read(sides.model, work); });
  say({ name: 'reading a picture of 518 × 518 and a question', value: peak.seconds, unit: 's', goal: '', note: `${context!.length} rows; ${processorText(peak)}` });
  sayMemory('reading', peak, sides);
  return context!;
}

async function decode(context: Context, { device }: Sides, source: ModelFolder): Promise<void> {
  const work = workOn(device);
  const readers = await openReaders(device);
  const made = generateTokens(context, { maxTokens: tokens + 1, seed: 1n }, work);
  const [token, stream] = [[] as number[], [] as number[]];
  for (let i = 0; i < tokens; i++) {
    token.push(await seconds(() => made.next()));
    stream.push(await seconds(async () => { await readers.stream(); await readers.product(); }));
  }
  await made.return(undefined);
  await readers.free(); // what follows is compared with the plan, which knows none
  const { kvHeads, headDim } = context.model.config.llm;
  const bytes = tokenBytes(source) + 2 * 4 * context.length * kvHeads * headDim * layers;
  const bound = (2 * readers.bytes) / median(stream);
  const spent = median(token.slice(2));
  say({ name: 'decoding, tokens a second over the bandwidth bound', value: bytes / spent / bound, unit: '×', goal: '≥ 0.6', note: `${(1 / spent).toFixed(2)} tokens/s, ${(bytes / spent / 1e9).toFixed(1)} of ${(bound / 1e9).toFixed(1)} GB/s, ${gigabytes(bytes)} a token` });
}

const waves = (shape: readonly number[]): Tensor => float32(shape, Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i)));

/** A denoise pass, and a layer of it against its bare products. */
async function pass(side: number, sides: Sides, source: ModelFolder): Promise<void> {
  const { model, device, planned, dry } = sides;
  const latents = (side / 16) ** 2;
  const run = async (on: Device, of: BagelModel) => {
    const work = workOn(on);
    const context = await blankContext(of, 32, work);
    const und = await embedMarkers(of, work);
    const gen = await on.write(waves([latents, of.config.llm.hidden]));
    const out = (await runLayers(context, { und: { handle: und }, undRows: 2, gen: { handle: gen }, genRows: latents, positions: Array.from({ length: latents + 2 }, () => 32), causal: false }, 'gen', work))!;
    const v = await of.handle(on, 'flow', { gen: { handle: out } }, 'v');
    await on.free([out, v, und, gen, ...context.buffers!.handles.values()]);
  };
  await run(dry, planned);
  const bare = await bareLayer(latents, sides, source);
  const peaks: Spent[] = [];
  for (let i = 0; i < rounds; i++) peaks.push(await peakOf(device, () => run(device, model)));
  const spent = peaks.reduce((least, one) => (one.processor < least.processor ? one : least));
  // by processor time where it is told: other processes take none of it
  const ratio = spent.processor > 0 ? spent.processor / bare.processor : spent.seconds / bare.seconds;
  say({ name: `denoise pass at ${side}², over the bare products`, value: ratio / layers, unit: '×', goal: '≤ 1.2', note: `${spent.processor.toFixed(1)} s over ${layers} × ${bare.processor.toFixed(2)} s of processor time; by the clock ${spent.seconds.toFixed(1)} s over ${layers} × ${bare.seconds.toFixed(2)} s` });
  sayMemory(`pass at ${side}²`, spent, sides);
}

/** What the products and the attention of the second layer alone take: the least of a few runs. */
async function bareLayer(latents: number, { model, device }: Sides, source: ModelFolder): Promise<{ seconds: number; processor: number }> {
  const { heads, headDim, hidden } = model.config.llm;
  const part = bareLayers(model.config.llm, source.llm, Math.min(1, layers - 1), Math.min(2, layers));
  const session = await device.load({ name: part.name, bytes: encodeModel(part) });
  const given = { und: [2, hidden], gen: [latents, hidden], keys: [1, 34 + latents, heads * headDim], values: [1, 34 + latents, heads * headDim] };
  const handles: Record<string, Handle> = {};
  for (const [name, shape] of Object.entries(given)) handles[name] = await device.write(waves(shape));
  const feeds = Object.fromEntries(Object.entries(handles).map(([name, handle]) => [name, { handle }]));
  const runs: Spent[] = [];
  for (let i = 0; i < 4; i++) runs.push(await peakOf(device, () => device.run(session, feeds, { rows: 'tensor' })));
  await device.free([session, ...Object.values(handles)]);
  return { seconds: Math.min(...runs.map((one) => one.seconds)), processor: Math.min(...runs.map((one) => one.processor)) };
}

/** One layer at 1024² (4,096 latents and two markers) over the rows of two pictures and a text. */
async function longLayer(sides: Sides): Promise<void> {
  const [latents, past] = [4096, 9000];
  const run = async (on: Device, of: BagelModel) => {
    const { headDim, hidden, kvHeads } = of.config.llm;
    const handles: Handle[] = [];
    const hold = async (tensor: Tensor | { dtype: 'float32'; shape: number[] }) => { const made = await on.write(tensor); handles.push(made); return made; };
    const feeds: Record<string, { handle: Handle } | Tensor> = {
      und: { handle: await hold(waves([2, hidden])) }, gen: { handle: await hold(waves([latents, hidden])) },
      positions: { dtype: 'int64', shape: [latents + 2], data: new BigInt64Array(latents + 2).fill(9000n) },
      single: { dtype: 'bool', shape: [], data: Uint8Array.of(0) }, causal: { dtype: 'bool', shape: [], data: Uint8Array.of(0) },
    };
    for (let head = 0; head < kvHeads; head++) for (const kind of ['k', 'v'] as const) feeds[`past_${rowsName(kind, 0, head)}`] = { handle: await hold({ dtype: 'float32', shape: [past, headDim] }) };
    const { gen_out: out } = await of.run(on, 'llm:0', feeds, { gen_out: 'handle' });
    await on.free([...handles, out as Handle]);
  };
  await run(sides.dry, sides.planned);
  const peak = await peakOf(sides.device, () => run(sides.device, sides.model));
  say({ name: 'one layer, 4,098 rows over 9,000', value: peak.seconds, unit: 's', goal: '', note: `a pass at 1024² has as many of these as there are layers; ${processorText(peak)}` });
  sayMemory('that layer', peak, sides);
}

async function decodePicture(sides: Sides): Promise<void> {
  const run = async (on: Device, of: BagelModel) => decodeLatent(of, { handle: await on.write(waves([1, 16, 128, 128])), width: 1024, height: 1024 }, workOn(on));
  await run(sides.dry, sides.planned);
  const peak = await peakOf(sides.device, () => run(sides.device, sides.model));
  say({ name: 'decoding a picture of 1024 × 1024', value: peak.seconds, unit: 's', goal: '', note: `autoencoder; ${processorText(peak)}` });
  sayMemory('decoding a picture', peak, sides);
}

const config = configOf({ ...official, layers });
const weights = [...checkpointShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
process.stderr.write(`${(weights / 1e9).toFixed(2)} billion weights in ${folder}\n`);
const written = { bytes: 0 };
const writing = await seconds(async () => {
  let told = 0;
  written.bytes = await writeSyntheticImport(folder, config, 'int4', formats.int4, (done, total) => {
    if (done - told > 1e9) process.stderr.write(`written ${gigabytes((told = done))} of ${gigabytes(total)}\n`);
  });
});
const source = await openImported(folder);
if (written.bytes > 0) say({ name: 'writing the model', value: writing, unit: 's', goal: '', note: `${gigabytes(written.bytes)}, once; this process holds ${gigabytes(process.memoryUsage().rss)}` });
else process.stderr.write(`it is there already: ${gigabytes((await stat(path.join(folder, 'weights.safetensors'))).size)}\n`);
const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads });
try {
  const dry = new DryDevice('cpu:0');
  const sides: Sides = { device, dry, model: new BagelModel(source, { expandWeights: true }), planned: new BagelModel(source, { expandWeights: true }) };
  const steps: Readonly<Record<string, () => Promise<unknown>>> = {
    load: () => load(sides),
    ask: async () => decode(await ask(sides), sides, source),
    pass: async () => { for (const side of [256, 512]) await pass(side, sides, source); },
    layer: () => longLayer(sides),
    picture: () => decodePicture(sides),
  };
  for (const [name, step] of Object.entries(steps)) if (only.includes(name)) await step();
} finally {
  await device.close();
}
await printTable(rows, process.argv.includes('--keep'));
