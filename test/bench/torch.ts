// Our language model beside PyTorch: the same checkpoint, threads and rows; float32 on both sides, and ours as imported to int8 and int4.
// PyTorch runs in torch/mot.py, asked turn by turn, so that neighbours in time are compared.
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Device, Handle } from '../../engine/device/device.ts';
import { float32, type Tensor } from '../../engine/tensor/tensor.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { runLayers } from '../../nodes/bagel/context.ts';
import { embedMarkers } from '../../nodes/bagel/encode.ts';
import { generateTokens } from '../../nodes/bagel/generate-text.ts';
import { openFolderSource, type ModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { importModel } from '../../nodes/bagel/weights/import.ts';
import { openImported } from '../../nodes/bagel/weights/imported.ts';
import { formats } from '../../nodes/bagel/weights/layout.ts';
import { median } from './measure.ts';
import { blankContext, middleSize, threads, withDevice, withModelFolder, workOn } from './synthetic.ts';
import type { Row } from './table.ts';

const latents = 1024;
const passPast = 64;
const tokenPast = 128;
const tokens = 8;
const rounds = 7;
const labels = ['float32', 'int8', 'int4'] as const;
type Label = (typeof labels)[number];

/** A Python with torch: `PYTHON`, or the one in the path. */
const python = process.env['PYTHON'] ?? 'python3';
const script = path.resolve('test/bench/torch/mot.py');

interface Answer {
  readonly ms: number;
  readonly values?: readonly number[];
  readonly token?: number;
}

/** torch/mot.py, which answers one line for each line. */
class Torch {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #version = '';

  private constructor(child: ChildProcess, lines: Interface) {
    this.#child = child;
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** Undefined where there is no Python with torch. */
  static async start(folder: string): Promise<Torch | undefined> {
    const child = spawn(python, [script, folder, String(threads)], { stdio: ['pipe', 'pipe', process.env['DEBUG'] === undefined ? 'ignore' : 'inherit'] });
    child.on('error', () => undefined);
    const torch = new Torch(child, createInterface({ input: child.stdout! }));
    const hello = await torch.#lines.next();
    if (hello.done === true) return undefined;
    torch.#version = (JSON.parse(hello.value) as { torch: string }).torch;
    return torch;
  }

  get version(): string {
    return this.#version;
  }

  async ask(question: object): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify(question)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`${python} ended in the middle: run with DEBUG=1 to see why`);
    return JSON.parse(line.value) as Answer;
  }

  stop(): void {
    this.#child.kill();
  }
}

interface Ours {
  /** Milliseconds of a denoise pass and of a token. */
  pass(): Promise<number>;
  token(): Promise<number>;
  velocity(): Promise<Tensor>;
}

async function prepare(folder: ModelFolder, device: Device): Promise<Ours> {
  const model = new BagelModel(folder, { expandWeights: true });
  const work = workOn(device);
  const { hidden } = model.config.llm;
  const past = await blankContext(model, passPast, work);
  const und = await embedMarkers(model, work);
  const gen = await device.write(float32([latents, hidden], Float32Array.from({ length: latents * hidden }, (_, i) => Math.sin(i))));
  const positions = Array.from({ length: latents + 2 }, () => passPast);
  const denoise = async (): Promise<Handle> => {
    const rows = (await runLayers(past, { und: { handle: und }, undRows: 2, gen: { handle: gen }, genRows: latents, positions, causal: false }, 'gen', work))!;
    const v = await model.handle(device, 'flow', { gen: { handle: rows } }, 'v');
    await device.free([rows]);
    return v;
  };
  const decode = await blankContext(model, tokenPast, work);
  return {
    pass: async () => {
      const start = performance.now();
      const v = await denoise();
      const ms = performance.now() - start;
      await device.free([v]);
      return ms;
    },
    token: async () => {
      const start = performance.now();
      let made = 0;
      for await (const _ of generateTokens(decode, { maxTokens: tokens + 1, seed: 1n }, work)) made++;
      return (performance.now() - start) / Math.max(1, made);
    },
    velocity: async () => {
      const v = await denoise();
      const read = await device.read(v);
      await device.free([v]);
      return read;
    },
  };
}

export function benchTorch(): Promise<Row[]> {
  return withModelFolder({ ...middleSize, seed: 3 }, async (folder, directory) => {
    const torch = await Torch.start(directory);
    if (torch === undefined) return [{ name: 'beside PyTorch', value: Number.NaN, unit: '', goal: '', note: `left out: ${python} has no torch; name one that has by PYTHON=…` }];
    try {
      const folders: Record<Label, ModelFolder> = { float32: folder, int8: await imported(directory, 'int8'), int4: await imported(directory, 'int4') };
      return await withDevice(async (one) => withDevice(async (two) => withDevice(async (three) => {
        const ours = { float32: await prepare(folders.float32, one), int8: await prepare(folders.int8, two), int4: await prepare(folders.int4, three) };
        return [await agreement(torch, ours.float32, folder), ...(await passRows(torch, ours, folder)), ...(await tokenRows(torch, ours, folder))];
      })));
    } finally {
      torch.stop();
    }
  });
}

/** The model as `import` writes it. */
async function imported(directory: string, format: 'int8' | 'int4'): Promise<ModelFolder> {
  const to = path.join(directory, format);
  await importModel(await openFolderSource(directory), { to, format, precision: formats[format], threads, signal: new AbortController().signal, progress: () => undefined });
  return openImported(to);
}

const passOf = ({ config }: ModelFolder, values = false) => ({ do: 'pass', latents, past: passPast, markers: [config.specialTokens.startOfImage, config.specialTokens.endOfImage], values });

/** Both compute the same: otherwise no time means anything. */
async function agreement(torch: Torch, ours: Ours, folder: ModelFolder): Promise<Row> {
  const theirs = (await torch.ask(passOf(folder, true))).values!;
  const mine = (await ours.velocity()).data as Float32Array;
  let [difference, size] = [0, 0];
  theirs.forEach((value, i) => {
    difference = Math.max(difference, Math.abs(value - mine[i]!));
    size = Math.max(size, Math.abs(value));
  });
  return { name: 'velocity, float32, largest difference from PyTorch', value: (1e6 * difference) / size, unit: 'millionths', goal: '≤ 100', note: `of the largest value; torch ${torch.version}, ${threads} threads` };
}

/** Medians of milliseconds, all candidates once a round. The first round warms up. */
async function turns(candidates: Readonly<Record<string, () => Promise<number>>>): Promise<Record<string, number>> {
  const times = Object.fromEntries(Object.keys(candidates).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++) for (const [name, run] of Object.entries(candidates)) {
    const ms = await run();
    if (round > 0) times[name]!.push(ms);
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

async function passRows(torch: Torch, ours: Record<Label, Ours>, folder: ModelFolder): Promise<Row[]> {
  const times = await turns({ torch: async () => (await torch.ask(passOf(folder))).ms, float32: ours.float32.pass, int8: ours.int8.pass });
  const row = (label: 'float32' | 'int8', goal: string): Row => (
    { name: `denoise pass, ${label}, beside PyTorch float32`, value: times['torch']! / times[label]!, unit: '×', goal, note: `${times[label]!.toFixed(0)} ms over ${times['torch']!.toFixed(0)} ms, ${latents} latents + 2 markers over ${passPast} rows` });
  return [row('float32', '≥ 0.95'), row('int8', '≥ 1.25')];
}

async function tokenRows(torch: Torch, ours: Record<Label, Ours>, { config }: ModelFolder): Promise<Row[]> {
  const question = { do: 'token', token: config.specialTokens.bos, past: tokenPast, count: tokens };
  const times = await turns({ torch: async () => (await torch.ask(question)).ms, ...Object.fromEntries(labels.map((label) => [label, ours[label].token])) });
  return labels.map((label): Row => (
    { name: `decoding, ${label}, beside PyTorch float32`, value: times['torch']! / times[label]!, unit: '×', goal: label === 'int4' ? '≥ 4' : '', note: `${times[label]!.toFixed(1)} ms a token over ${times['torch']!.toFixed(1)} ms, ${tokenPast} rows read` }));
}
