// What a run of a part takes and gives, from shapes alone: outputs, floating-point operations, bytes read, largest intermediate values.
// For planning; nothing here computes a picture.
import type { FeedShape, Forecast, Forecaster } from '../../../engine/device/device.ts';
import type { Body, Dim, OpNode, Part, WeightRef } from '../../../engine/onnx/expr.ts';
import { elementBytes } from '../../../engine/tensor/dtype.ts';
import { bytesOf } from '../../../engine/tensor/tensor.ts';
import type { AutoencoderCuts, Span } from './autoencoder-parts.ts';
import type { BagelConfig } from './config.ts';
import type { Cuts } from './parts.ts';
import { decoderStages, encoderStages, type Stage, type VaeConfig } from './vae.ts';

export interface ForecastScope {
  readonly config: Pick<BagelConfig, 'vae'> & Partial<BagelConfig>;
  readonly cuts: AutoencoderCuts;
  /** 16-bit weights are expanded to float32 at load. */
  readonly expandWeights: boolean;
}

/** Scales of blocks are kept as they are stored, and as the product reads them. */
export const scaleCopies = 2;

type Sides = ReadonlyMap<string, number>;

/** Logits that attention over many rows keeps at once, at most (attention.ts). */
const maxLogitsBytes = 256 * 2 ** 20;

export function forecastOf(part: Part, scope: ForecastScope): Forecaster {
  const kind = part.name.split(':')[0]!;
  const tables = tablesOf(part);
  return {
    weightBytes: part.weights.reduce((sum, ref) => sum + (tables.has(ref.key) ? ref.bytes : loadedBytes(ref, scope)), 0),
    // rows of tables are read one by one
    storedBytes: part.weights.reduce((sum, ref) => sum + (tables.has(ref.key) ? 0 : ref.bytes), 0),
    of(feeds) {
      const sides = sidesOf(part, feeds, scope);
      const outputs = Object.fromEntries(part.outputs.flatMap(({ name, dtype, dims }) => {
        const shape = dims.map((dim) => evaluate(dim, sides));
        return shape.includes(undefined) ? [] : [[name, { dtype, shape: shape as number[] }] as const];
      }));
      return { outputs, ...costOf(kind, part, sides, outputs, feeds, scope) };
    },
  };
}

/** Keys of the weights of which only rows are looked up: they are never expanded and stay in their file. */
export function tablesOf(part: Part): ReadonlySet<string> {
  const [looked, others] = [new Set<string>(), new Set<string>()];
  for (const { op, inputs } of allNodes(part)) inputs.forEach((name, i) => (op === 'Gather' && i === 0 ? looked : others).add(name));
  return new Set(part.weights.flatMap(({ key }) => (looked.has(key) && !others.has(key) ? [key] : [])));
}

function allNodes(body: Body): readonly OpNode[] {
  return body.nodes.flatMap((node) => [node, ...Object.values(node.attributes).flatMap((value) => ('graph' in value ? allNodes(value.graph) : []))]);
}

/** Scratch of every part of a model together, at its largest picture. */
export function scratchOfAll({ llm, vit, vae, maxLatentSize, vaeImage, vitImage, vitMaxPatchesPerSide }: BagelConfig, cuts: Cuts): number {
  const patches = Math.min((vitImage.max_size / vit.patch) ** 2, vitMaxPatchesPerSide ** 2);
  return cuts.llm.length * rowsScratch(maxLatentSize ** 2 + 2, llm) + cuts.vit.length * patches * (4 * vit.hidden + vit.ffn) * 4 + scratchOfStages(vae, cuts, vaeImage.max_size);
}

export function scratchOfStages(vae: VaeConfig, cuts: AutoencoderCuts, side: number): number {
  const of = (kind: AutoencoderKind) => cuts[kind].map((span) => spanBytes(kind, stagesOf(kind, vae), span, side ** 2));
  return [...of('encoder'), ...of('decoder')].reduce((sum, bytes) => sum + bytes, 0);
}

/** The most that decoding or encoding a picture of so many pixels has at once: what a stage takes, and what it makes of it. */
export function autoencoderPeakBytes(vae: VaeConfig, pixels: number): number {
  return Math.max(...(['encoder', 'decoder'] as const).flatMap((kind) => {
    const stages = stagesOf(kind, vae);
    return stages.map(({ floats }, i) => 4 * floats * pixels + takenBytes(kind, stages, i, pixels));
  }));
}

type AutoencoderKind = 'encoder' | 'decoder';

function stagesOf(kind: AutoencoderKind, vae: VaeConfig): readonly Stage[] {
  return kind === 'encoder' ? encoderStages(vae) : decoderStages(vae);
}

/** What a part of these stages has at once, its output but not its input; between stages inputs are its own. */
function spanBytes(kind: AutoencoderKind, stages: readonly Stage[], { first, end }: Span, pixels: number): number {
  return Math.max(...stages.slice(first, end).map(({ floats }, i) => 4 * floats * pixels + (i === 0 ? 0 : takenBytes(kind, stages, first + i, pixels))));
}

function takenBytes(kind: AutoencoderKind, stages: readonly Stage[], index: number, pixels: number): number {
  return (4 * stages[index]!.inputs * pixels) / 4 ** levelOf(kind, stages, index);
}

/** How often the picture is halved where a stage takes it. */
function levelOf(kind: AutoencoderKind, stages: readonly Stage[], index: number): number {
  const changes = (until: number) => stages.slice(0, until).filter(({ name }) => /sample/.test(name)).length;
  return kind === 'encoder' ? changes(index) : changes(stages.length) - changes(index);
}

function rowsScratch(rows: number, { hidden, ffn }: Pick<BagelConfig['llm'], 'hidden' | 'ffn'>): number {
  return rows * (4 * hidden + 3 * ffn) * 4;
}

/** Weights of convolutions: ONNX Runtime writes them out in its own order whatever it is told of packing. */
export function isKernel(shape: readonly number[]): boolean {
  return shape.length === 4;
}

function loadedBytes({ key, dtype, shape, bytes }: WeightRef, { expandWeights }: ForecastScope): number {
  if (key.endsWith('.scales') && shape.length === 2) return bytes * scaleCopies;
  return expandWeights && (dtype === 'float16' || dtype === 'bfloat16') ? bytes * 2 : bytes;
}

/** What the names in a part's shapes stand for; those that only a grid tells are read from it. */
function sidesOf(part: Part, feeds: Readonly<Record<string, FeedShape>>, { config }: ForecastScope): Sides {
  const sides = new Map<string, number>();
  for (const { name, dims } of part.inputs) {
    const shape = feeds[name]?.shape;
    dims.forEach((dim, i) => { if (typeof dim === 'string' && shape !== undefined) sides.set(dim, shape[i]!); });
  }
  const grid = feeds['grid']?.data;
  if (grid === undefined) return sides;
  const [down, across] = Array.from(grid, Number) as [number, number];
  if (part.name === 'unpack') {
    sides.set('height', down * config.latentPatchSize!);
    sides.set('width', across * config.latentPatchSize!);
  } else {
    sides.set('tokens', down * across);
  }
  return sides;
}

/** Sums, halves and doubles are written from left to right: `height+1/2` is half of height + 1, rounded down. */
function evaluate(dim: Dim, sides: Sides): number | undefined {
  if (typeof dim === 'number') return dim;
  const known = sides.get(dim);
  if (known !== undefined) return known;
  let value: number | undefined;
  for (const [, operator, operand] of dim.matchAll(/([+*/]?)([^+*/]+)/g)) {
    const next = /^\d+$/.test(operand!) ? Number(operand) : sides.get(operand!);
    if (next === undefined) return undefined;
    value = operator === '' ? next : operator === '+' ? value! + next : operator === '*' ? value! * next : Math.floor(value! / next);
  }
  return value;
}

type Cost = Omit<Forecast, 'outputs'>;

function costOf(kind: string, part: Part, sides: Sides, outputs: Forecast['outputs'], feeds: Readonly<Record<string, FeedShape>>, scope: ForecastScope): Cost {
  if (kind === 'llm') return layersCost(part, sides, feeds, scope);
  if (kind === 'encoder' || kind === 'decoder') return stagesCost(kind, part, outputs, feeds, scope);
  const rows = kind === 'embed' ? 0 : sides.get('tokens') ?? 1;
  const isHeavy = kind === 'vit' || kind === 'head' || kind === 'flow' || kind === 'latent';
  const vit = scope.config.vit;
  const attention = kind === 'vit' && vit !== undefined ? 4 * rows * rows * vit.hidden * vit.layers : 0;
  return {
    flops: isHeavy ? 2 * rows * parameters(part.weights) + attention : 0,
    readBytes: isHeavy ? part.weights.reduce((sum, { bytes }) => sum + bytes, 0) : 0,
    scratchBytes: kind === 'vit' && vit !== undefined ? rows * (4 * vit.hidden + vit.ffn) * 4 : 0,
  };
}

/** Understanding rows use one expert, generation rows the other; a row attends to all rows before and beside it. */
function layersCost(part: Part, sides: Sides, feeds: Readonly<Record<string, FeedShape>>, { config }: ForecastScope): Cost {
  const { hidden, ffn, heads, headDim, kvHeads } = config.llm!;
  const [und, gen, past] = [sides.get('und') ?? 0, sides.get('gen') ?? 0, sides.get('past') ?? 0];
  const rows = und + gen;
  const experts = [part.weights.filter(({ key }) => !key.includes('moe_gen')), part.weights.filter(({ key }) => key.includes('moe_gen'))] as const;
  const used = [...(und > 0 ? experts[0] : []), ...(gen > 0 ? experts[1] : [])];
  const layers = part.outputs.filter(({ name }) => name.startsWith('k.')).length / kvHeads;
  const isCausal = Array.from(feeds['causal']?.data ?? [], Number)[0] === 1;
  const total = past + rows;
  const logits = isCausal && rows > 1 ? Math.min(maxLogitsBytes, rows * total * heads * 4) : total * heads * 4;
  // all rows over all: keys and values are written out for each query head, and once more by the operator
  const joined = isCausal || rows === 1 ? 0 : 4 * total * heads * headDim * 4;
  return {
    flops: 2 * (und * parameters(experts[0]) + gen * parameters(experts[1])) + 4 * rows * (past + rows) * heads * headDim * layers,
    readBytes: used.reduce((sum, { bytes }) => sum + bytes, 0) + past * headDim * kvHeads * 2 * 4 * layers,
    scratchBytes: rowsScratch(rows, { hidden, ffn }) + logits + joined,
  };
}

function stagesCost(kind: AutoencoderKind, part: Part, outputs: Forecast['outputs'], feeds: Readonly<Record<string, FeedShape>>, { config, cuts }: ForecastScope): Cost {
  const span = cuts[kind][Number(part.name.split(':')[1])]!;
  const stages = stagesOf(kind, config.vae);
  const pixels = fullPixels(kind, feeds, stages, span.first);
  const work = stages.slice(span.first, span.end).reduce((sum, { flops }) => sum + flops, 0);
  const made = Object.values(outputs).reduce((sum, output) => sum + bytesOf(output), 0);
  return { flops: work * pixels, readBytes: part.weights.reduce((sum, { bytes }) => sum + bytes, 0), scratchBytes: Math.max(0, spanBytes(kind, stages, span, pixels) - made) };
}

/** Pixels of the whole picture: told by the picture itself, or by what a stage takes and how far down it is. */
function fullPixels(kind: AutoencoderKind, feeds: Readonly<Record<string, FeedShape>>, stages: readonly Stage[], first: number): number {
  const picture = feeds['picture']?.shape;
  if (picture !== undefined) return picture[0]! * picture[1]!;
  const [, , height, width] = feeds['x']!.shape as [number, number, number, number];
  return height * width * 4 ** levelOf(kind, stages, first);
}

/** Numbers in the matrices. Codes of 4 bits lie two in a byte; vectors and scales do not count. */
function parameters(weights: readonly WeightRef[]): number {
  return weights.reduce((sum, { dtype, shape, bytes }) => {
    if (shape.length < 2) return sum;
    if (dtype !== 'uint8') return sum + shape.reduce((size, side) => size * side, 1) * (shape.length === 2 || shape.length === 4 ? 1 : 0);
    return sum + (shape.length === 3 ? bytes * (shape[2]! === 64 ? 2 : 1) : bytes / elementBytes(dtype));
  }, 0);
}
