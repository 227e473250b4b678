// One denoise pass over its bare products and attention; what the host adds to it; the memory it takes.
import type { Device, Feed, Fetch, Handle } from '../../engine/device/device.ts';
import type { Part } from '../../engine/onnx/expr.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { input, trace } from '../../engine/onnx/trace.ts';
import { float32, int64, sizeOf, tensor } from '../../engine/tensor/tensor.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { runLayers, type Context, type Work } from '../../nodes/bagel/context.ts';
import { embedMarkers } from '../../nodes/bagel/encode.ts';
import { rowsName } from '../../nodes/bagel/model/parts.ts';
import type { ModelFolder, PlainModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { bareLayers } from './bare.ts';
import { interleave, peakMemory } from './measure.ts';
import { blankContext, middleSize, withDevice, withModelFolder, workOn } from './synthetic.ts';
import type { Row } from './table.ts';

const latents = 1024;
const pastRows = 64;

export function benchPass(): Promise<Row[]> {
  return withModelFolder(middleSize, async (folder) => [...(await withDevice((device) => measurePass(folder, device))), await withDevice((device) => measureMemory(folder, device))]);
}

export interface Pass {
  readonly model: BagelModel;
  readonly context: Context;
  readonly und: Handle;
  readonly gen: Handle;
  readonly work: Work;
  run(): Promise<void>;
}

/** A model, a context and one pass over them. */
export async function preparePass(folder: ModelFolder, device: Device): Promise<Pass> {
  const model = new BagelModel(folder, { expandWeights: true });
  const work = workOn(device);
  const context = await blankContext(model, pastRows, work);
  const und = await embedMarkers(model, work);
  const gen = await device.write(waves([latents, model.config.llm.hidden]));
  const positions = Array.from({ length: latents + 2 }, () => pastRows);
  const run = async () => {
    const rows = (await runLayers(context, { und: { handle: und }, undRows: 2, gen: { handle: gen }, genRows: latents, positions, causal: false }, 'gen', work))!;
    const v = await model.handle(device, 'flow', { gen: { handle: rows } }, 'v');
    await device.free([rows, v]);
  };
  return { model, context, und, gen, work, run };
}

function waves(shape: readonly number[]): ReturnType<typeof float32> {
  return float32(shape, Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i)));
}

async function measurePass(folder: ModelFolder, device: Device): Promise<Row[]> {
  const pass = await preparePass(folder, device);
  const times = await interleave({ ours: pass.run, bare: await bareRun(pass, folder, device), host: await emptyRun(pass, device) });
  return [
    { name: 'denoise pass over bare products', value: times.ours / times.bare, unit: '×', goal: '≤ 1.15', note: `${times.ours.toFixed(0)} ms over ${times.bare.toFixed(0)} ms, ${latents} latents + 2 markers over ${pastRows} rows` },
    { name: 'host and messages of a pass', value: times.host, unit: 'ms', goal: '', note: `the same feeds and outputs through parts that compute nothing: ${((100 * times.host) / times.ours).toFixed(1)} % of the pass` },
  ];
}

/** The products and attention of all layers in sessions of their own, as many as the pass has parts. Attention is over the latents alone: 1,024 of 1,026 rows. */
async function bareRun({ model, und, gen }: Pass, folder: ModelFolder, device: Device): Promise<() => Promise<unknown>> {
  const { heads, headDim } = model.config.llm;
  const total = [1, pastRows + latents + 2, heads * headDim];
  const [keys, values] = [await device.write(waves(total)), await device.write(waves(total))];
  const sessions = await Promise.all(model.cuts.llm.map(({ first, end }) => {
    const part = bareLayers(model.config.llm, folder.llm, first, end);
    return device.load({ name: part.name, bytes: encodeModel(part) });
  }));
  const feeds = { und: { handle: und }, gen: { handle: gen }, keys: { handle: keys }, values: { handle: values } };
  return async () => {
    for (const session of sessions) await device.run(session, feeds, { rows: 'tensor' });
  };
}

/** Every call of the pass with the same feeds and outputs, through parts that only hand the generation rows on. */
async function emptyRun({ model, context, und, gen }: Pass, device: Device): Promise<() => Promise<unknown>> {
  const empty = (part: Part) => trace(`empty ${part.name}`, part.inputs, { get: () => undefined }, (op) => ({ out: op.identity(part.inputs.find(({ name }) => name === 'gen')!) }));
  const load = (name: string) => device.load({ name, bytes: encodeModel(empty(model.part(name))) });
  const layers = await Promise.all(model.cuts.llm.map((_, i) => load(`llm:${i}`)));
  const flow = await load('flow');
  const flags = { single: tensor('bool', [], Uint8Array.of(0)), causal: tensor('bool', [], Uint8Array.of(0)) };
  const fetch: Record<string, Fetch> = { out: 'handle' };
  return async () => {
    let x = gen;
    for (const [i, session] of [...layers, flow].entries()) {
      const feeds: Record<string, Feed> = { gen: { handle: x } };
      const span = model.cuts.llm[i];
      if (span !== undefined) {
        Object.assign(feeds, { und: { handle: und }, ...flags, positions: int64([latents + 2], Array.from({ length: latents + 2 }, () => pastRows)) });
        for (let layer = span.first; layer < span.end; layer++) for (let head = 0; head < model.config.llm.kvHeads; head++) {
          for (const kind of ['k', 'v'] as const) feeds[`past_${rowsName(kind, layer, head)}`] = { handle: context.buffers!.handles.get(rowsName(kind, layer, head))!, rows: pastRows };
        }
      }
      const { out } = await device.run(session, feeds, fetch);
      if (x !== gen) await device.free([x]);
      x = out as Handle;
    }
    await device.free([x]);
  };
}

/** Peak of all processes in passes that nothing else has prepared, over the weights of both experts. */
async function measureMemory(folder: PlainModelFolder, device: Device): Promise<Row> {
  const model = await preparePass(folder, device);
  const peak = await peakMemory(process.pid, (async () => { for (let i = 0; i < 3; i++) await model.run(); })());
  const weights = [...folder.llm.values()].filter(({ key }) => key.startsWith('language_model.model.layers')).reduce((sum, { bytes }) => sum + bytes, 0);
  return { name: 'peak memory over weights', value: peak / weights, unit: '×', goal: '', note: `${gigabytes(peak)} over ${gigabytes(weights)} in the layers, all processes (PSS), loading included` };
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GB`;
}

/** The smallest run there is, there and back. */
export function benchCall(): Promise<Row[]> {
  return withDevice(async (device) => {
    const x = input('x', 'float32', [1]);
    const session = await device.load({ name: 'nothing', bytes: encodeModel(trace('nothing', [x], { get: () => undefined }, (op) => ({ y: op.identity(x) }))) });
    const { call } = await interleave({ call: async () => { for (let i = 0; i < 50; i++) await device.run(session, { x: float32([1], [1]) }, { y: 'tensor' }); } });
    return [{ name: 'one call of a device', value: call / 50, unit: 'ms', goal: '', note: 'the smallest run there is, there and back' }];
  });
}
