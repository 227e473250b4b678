// Contexts: what the model has read so far, as one K and one V row buffer a layer and KV head, a length and the next rope position.
// The host decides the row, the worker writes it. Contexts that grow from one another share buffers; equal keys are never computed twice.
import { createHash } from 'node:crypto';
import type { Device, Feed, Fetch, Handle } from '../../engine/device/device.ts';
import { float32, int64, tensor, type Tensor } from '../../engine/tensor/tensor.ts';
import type { BagelModel } from './bagel-model.ts';
import { UserError } from './errors.ts';
import { rowsName } from './model/parts.ts';

/** Rows that are reserved beyond what is needed, so that a longer context can grow in place. */
const slackRows = 256;
/** Contexts that are kept findable before dead ones are looked for. */
const maxRemembered = 256;

/** The buffers behind one or more contexts; `used` rows belong to the longest of them. */
export interface RowBuffers {
  readonly device: string;
  readonly handles: ReadonlyMap<string, Handle>;
  readonly capacity: number;
  used: number;
}

/** Immutable: growing one gives another. */
export interface Context {
  readonly model: BagelModel;
  /** Hash of everything it has read, rooted in the model's content. */
  readonly key: string;
  readonly length: number;
  /** Position of the next token. */
  readonly rope: number;
  readonly buffers?: RowBuffers;
}

/** Rows to read: understanding rows first, then generation rows. */
export interface Reading {
  readonly und: Feed;
  readonly undRows: number;
  readonly gen?: Feed;
  readonly genRows?: number;
  /** True: one position a row and causal (text). False: all rows share the next position and see each other (images). */
  readonly causal: boolean;
}

export interface Work {
  readonly device: Device;
  readonly signal?: AbortSignal;
  /** Adds one to a counter of the run. */
  count(name: string): void;
}

export function emptyContext(model: BagelModel): Context {
  return { model, key: digest(model.key, 'empty'), length: 0, rope: 0 };
}

/**
 * The context as one of `model`; nothing = an empty one. A model that was dropped and loaded again is the same by content.
 * Throws when another model has read it.
 */
export function contextOf(model: BagelModel, context: Context | undefined): Context {
  if (context === undefined) return emptyContext(model);
  if (context.model === model) return context;
  if (context.model.key !== model.key) throw new UserError(`the context was read by the model ${context.model.name}, not by ${model.name}: connect the same model to both`);
  return { ...context, model };
}

export function contextHandles(context: Context): Handle[] {
  return context.buffers === undefined ? [] : [...context.buffers.handles.values()];
}

function digest(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 32);
}

/** Finds a living context by what it has read. */
function recall(model: BagelModel, key: string, device: Device): Context | undefined {
  const known = model.contexts.get(key);
  if (known?.buffers === undefined) return undefined;
  if (known.buffers.device === device.name && contextHandles(known).every((handle) => device.holds(handle))) return known;
  if (known.buffers.device === device.name) model.contexts.delete(key);
  return undefined;
}

/** Keeps a context findable; forgets those whose rows are gone when there are many. */
function remember(context: Context, device: Device): void {
  const { contexts } = context.model;
  contexts.set(context.key, context);
  if (contexts.size <= maxRemembered) return;
  for (const [key, known] of contexts) {
    if (known.buffers?.device === device.name && !contextHandles(known).every((handle) => device.holds(handle))) contexts.delete(key);
  }
}

/** The context after reading what `make` gives, described by `content`: one prefill pass, or none (and no `make`) when it is known. */
export async function extend(context: Context, content: string, work: Work, make: () => Promise<Reading & { free(): Promise<void> }>): Promise<Context> {
  const { model } = context;
  const key = digest(context.key, content);
  const known = recall(model, key, work.device);
  if (known !== undefined) return known;
  const reading = await make();
  try {
    const rows = reading.undRows + (reading.genRows ?? 0);
    const buffers = await claimRows(context, rows, work);
    try {
      await readRows({ ...context, buffers }, reading, work);
    } catch (error) {
      releaseRows(buffers, context.length + rows, context.length);
      throw error;
    }
    work.count('prefill');
    const next = { model, key, length: context.length + rows, rope: context.rope + (reading.causal ? rows : 1), buffers };
    remember(next, work.device);
    return next;
  } finally {
    await reading.free();
  }
}

/** Feeds rows through all layers and writes their keys and values behind the context. */
async function readRows(context: Context & { buffers: RowBuffers }, reading: Reading, work: Work): Promise<void> {
  const rows = reading.undRows + (reading.genRows ?? 0);
  const positions = Array.from({ length: rows }, (_, i) => context.rope + (reading.causal ? i : 0));
  await runLayers(context, { ...reading, positions, store: context.buffers }, undefined, work);
}

interface Layers {
  readonly und: Feed;
  readonly undRows: number;
  readonly gen?: Feed;
  readonly genRows?: number;
  readonly positions: readonly number[];
  readonly causal: boolean;
  /** Where new keys and values go; absent = nowhere. */
  readonly store?: RowBuffers;
}

/** Runs every layer over rows that look back on a context. Gives the wanted output of the last part as a handle. */
export async function runLayers(context: Context, layers: Layers, want: 'und' | 'gen' | undefined, work: Work): Promise<Handle | undefined> {
  const { model } = context;
  const { hidden } = model.config.llm;
  const none = (): Tensor => float32([0, hidden], new Float32Array(0));
  const rows = layers.positions.length;
  const shared = {
    positions: int64([rows], layers.positions),
    single: bool(rows === 1 && context.length > 0),
    causal: bool(layers.causal),
  };
  let und: Feed = layers.und;
  let gen: Feed = layers.gen ?? none();
  const made: Handle[] = [];
  for (const [index, span] of model.cuts.llm.entries()) {
    const isLast = index === model.cuts.llm.length - 1;
    const fetch: Record<string, Fetch> = {};
    if (!isLast || want === 'und') if (layers.undRows > 0) fetch['und_out'] = 'handle';
    if (!isLast || want === 'gen') if ((layers.genRows ?? 0) > 0) fetch['gen_out'] = 'handle';
    const feeds: Record<string, Feed> = { und, gen, ...shared };
    for (const name of rowNames(model, span.first, span.end)) {
      feeds[`past_${name}`] = pastFeed(context, name);
      if (layers.store !== undefined) fetch[name] = { into: layers.store.handles.get(name)!, row: context.length };
    }
    const outputs = await model.run(work.device, `llm:${index}`, feeds, fetch, work.signal);
    await work.device.free(made.splice(0));
    und = outputs['und_out'] === undefined ? none() : { handle: outputs['und_out'] as Handle };
    gen = outputs['gen_out'] === undefined ? none() : { handle: outputs['gen_out'] as Handle };
    made.push(...(Object.values(outputs).filter((value): value is Handle => 'kind' in value)));
  }
  const wanted = want === undefined ? undefined : made.find((handle) => handle === (feedHandle(want === 'und' ? und : gen)));
  await work.device.free(made.filter((handle) => handle !== wanted));
  return wanted;
}

function feedHandle(feed: Feed): Handle | undefined {
  return 'handle' in feed ? feed.handle : undefined;
}

function pastFeed(context: Context, name: string): Feed {
  const { buffers, length, model } = context;
  if (buffers === undefined || length === 0) return float32([0, model.config.llm.headDim], new Float32Array(0));
  return { handle: buffers.handles.get(name)!, rows: length };
}

function bool(value: boolean): Tensor {
  return tensor('bool', [], Uint8Array.of(value ? 1 : 0));
}

function rowNames(model: BagelModel, first: number, end: number): string[] {
  const names: string[] = [];
  for (let layer = first; layer < end; layer++) {
    for (let head = 0; head < model.config.llm.kvHeads; head++) names.push(rowsName('k', layer, head), rowsName('v', layer, head));
  }
  return names;
}

/**
 * Buffers with room for `rows` more rows behind the context: its own when nothing stands there, else new ones into which its rows are copied once.
 * The rows count as used from now on.
 */
export async function claimRows(context: Context, rows: number, work: Work): Promise<RowBuffers> {
  const { buffers, length } = context;
  const end = length + rows;
  if (buffers !== undefined && buffers.device === work.device.name && buffers.used === length && end <= buffers.capacity) {
    buffers.used = end;
    return buffers;
  }
  return copyRows(context, end, work);
}

/** Gives rows back that were claimed last. */
export function releaseRows(buffers: RowBuffers, claimed: number, used: number): void {
  if (buffers.used === claimed) buffers.used = used;
}

async function copyRows(context: Context, used: number, { device, signal }: Work): Promise<RowBuffers> {
  const { model, length } = context;
  const { headDim, layers } = model.config.llm;
  const capacity = Math.ceil((used + slackRows) / slackRows) * slackRows;
  const names = rowNames(model, 0, layers);
  const handles = new Map<string, Handle>();
  const made = await Promise.all(names.map((_name) => device.write({ dtype: 'float32', shape: [capacity, headDim] })));
  names.forEach((name, i) => handles.set(name, made[i]!));
  if (length > 0 && context.buffers !== undefined) {
    if (context.buffers.device !== device.name) throw new Error(`the context lives on ${context.buffers.device} but this node runs on ${device.name}: place both on one device`);
    for (const name of names) {
      const rows = { handle: context.buffers.handles.get(name)!, rows: length };
      await model.run(device, `copy:${headDim}`, { rows }, { copy: { into: handles.get(name)!, row: 0 } }, signal);
    }
  }
  return { device: device.name, handles, capacity, used };
}
