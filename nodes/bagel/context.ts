// Contexts: what the model has read so far, as one K and one V row buffer a layer and KV head, a length and the next rope position.
// The host decides the row, the worker writes it. Contexts that grow from one another share buffers; equal keys are never computed twice.
import { createHash } from 'node:crypto';
import type { Device, Feed, Fetch, Handle } from '../../engine/device/device.ts';
import { depart, move } from '../../engine/device/move.ts';
import { isSpread } from '../../engine/device/spread.ts';
import { float32, int64, tensor, type Tensor } from '../../engine/tensor/tensor.ts';
import type { BagelModel } from './bagel-model.ts';
import { UserError } from './errors.ts';
import type { Estimate } from './estimate.ts';
import { rowsName } from './model/parts.ts';

/** Rows that are reserved beyond what is needed, so that a longer context can grow in place. */
const slackRows = 256;
/** Row buffers on their way at once: each is held twice for a moment. */
const copiedAtOnce = 16;
/** Contexts that are kept findable before dead ones are looked for. */
const maxRemembered = 256;

/** The buffers behind one or more contexts; `used` rows belong to the longest of them. */
export interface RowBuffers {
  /** The devices of the pieces of the language model, as `placeOf` writes them. */
  readonly place: string;
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
  /** Where the branches of guidance run at the same time, each with a whole model; absent = one after another on `device`. */
  readonly branches?: readonly Work[];
  /** The same devices with the layers split over them, for a branch too many; goes with `branches`. */
  readonly shared?: Work;
  /** A pass keeps its device until it is done, beside one that goes over several. */
  readonly takesTurns?: boolean;
  /** Hears once how long denoising will take, after its first block of layers. */
  expect?(estimate: Estimate): void;
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

/** The devices that hold a context's rows: one name, or one for each piece of the language model. */
export function placeOf(model: BagelModel, device: Device): string {
  if (!isSpread(device)) return device.name;
  const names = model.cuts.llm.map((_, index) => deviceOfPiece(device, index).name);
  return new Set(names).size === 1 ? names[0]! : names.join(',');
}

/** `isHalf`: without the generation expert. */
export function llmPart(index: number, isHalf = false): string {
  return `llm:${index}${isHalf ? ':und' : ''}`;
}

function isAlive(context: Context, device: Device): boolean {
  return contextHandles(context).every((handle) => device.holds(handle));
}

/** Finds a living context by what it has read. */
function recall(model: BagelModel, key: string, device: Device): Context | undefined {
  const slot = `${key} ${placeOf(model, device)}`;
  const known = model.contexts.get(slot);
  if (known?.buffers === undefined) return undefined;
  if (isAlive(known, device)) return known;
  model.contexts.delete(slot);
  return undefined;
}

/** Keeps a context findable; forgets those whose rows are gone when there are many. */
function remember(context: Context & { readonly buffers: RowBuffers }, device: Device): void {
  const { contexts } = context.model;
  contexts.set(`${context.key} ${context.buffers.place}`, context);
  if (contexts.size <= maxRemembered) return;
  for (const [slot, known] of contexts) if (known.buffers?.place === context.buffers.place && !isAlive(known, device)) contexts.delete(slot);
}

/** The context with its rows where `work` computes: itself, one known there, or a copy whose handles, in `made`, the caller frees. */
export async function contextHere(context: Context, work: Work): Promise<{ readonly context: Context; readonly made: readonly Handle[] }> {
  if (context.buffers === undefined || context.buffers.place === placeOf(context.model, work.device)) return { context, made: [] };
  const known = recall(context.model, context.key, work.device);
  if (known !== undefined) return { context: known, made: [] };
  const buffers = await copyRows(context, context.length, work);
  return { context: { ...context, buffers }, made: [...buffers.handles.values()] };
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
    const next: Context & { buffers: RowBuffers } = { model, key, length: context.length + rows, rope: context.rope + (reading.causal ? rows : 1), buffers };
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
  /** Hears how long the first piece of the layers took, in seconds. */
  timed?(seconds: number): void;
}

/** Runs every layer over rows that look back on a context. Gives the wanted output of the last part as a handle. */
export async function runLayers(context: Context, layers: Layers, want: 'und' | 'gen' | undefined, work: Work): Promise<Handle | undefined> {
  const { model } = context;
  const shared = rowInputs(layers, context);
  const takesTurns = work.takesTurns === true || placeOf(model, work.device).includes(',');
  const last = model.cuts.llm.length - 1;
  const isHalf = await model.halves.enter((layers.genRows ?? 0) > 0);
  let stream: Stream = { und: layers.und, gen: layers.gen ?? noRows(model), made: [] };
  let leave: (() => void) | undefined;
  try {
    for (let index = 0; index <= last; index++) {
      const device = deviceOfPiece(work.device, index);
      if (takesTurns) leave ??= await model.turns.take(device.name);
      const wanted = index < last ? { und: layers.undRows > 0, gen: (layers.genRows ?? 0) > 0 } : { und: want === 'und', gen: want === 'gen' };
      const isTimed = index === 0 && layers.timed !== undefined;
      if (isTimed) await model.session(device, llmPart(index)); // loading is no part of it
      const began = performance.now();
      const next = await runPiece(context, index, { ...shared, und: stream.und, ...(isHalf ? {} : { gen: stream.gen }) }, wanted, layers.store, isHalf, work);
      if (isTimed) layers.timed!((performance.now() - began) / 1000);
      await work.device.free(stream.made);
      stream = next;
      const following = index < last ? deviceOfPiece(work.device, index + 1) : device;
      if (following.name === device.name) continue;
      // sent before the next pass begins here, for a busy worker hands nothing over; taken when the next device is ours, for a busy one takes nothing
      const arrive = await departStream(stream, following, work);
      stream = { ...stream, made: [] };
      leave?.();
      leave = takesTurns ? await model.turns.take(following.name) : undefined;
      stream = await arrive();
    }
  } catch (error) {
    await work.device.free(stream.made);
    throw error;
  } finally {
    leave?.();
    if (isHalf) await model.halves.leave();
  }
  return stream.made[0];
}

/** What every piece is fed beside the rows themselves. */
export function rowInputs({ positions, causal }: Pick<Layers, 'positions' | 'causal'>, context: Context): Readonly<Record<string, Tensor>> {
  const rows = positions.length;
  return { positions: int64([rows], positions), single: bool(rows === 1 && context.length > 0), causal: bool(causal) };
}

/** What goes from piece to piece, and the handles that were made for it. */
interface Stream {
  readonly und: Feed;
  readonly gen: Feed;
  readonly made: readonly Handle[];
}

function deviceOfPiece(device: Device, index: number): Device {
  return isSpread(device) ? device.at(llmPart(index)) : device;
}

function noRows(model: BagelModel): Tensor {
  return float32([0, model.config.llm.hidden], new Float32Array(0));
}

async function runPiece(context: Context, index: number, given: Readonly<Record<string, Feed>>, wanted: { und: boolean; gen: boolean }, store: RowBuffers | undefined, isHalf: boolean, work: Work): Promise<Stream> {
  const { model } = context;
  const part = llmPart(index, isHalf);
  if (isHalf) model.halves.keep(await model.session(work.device, part), work.device);
  const { feeds, fetch } = pieceCall(context, index, given, store);
  if (wanted.und) fetch['und_out'] = 'handle';
  if (wanted.gen) fetch['gen_out'] = 'handle';
  const { und_out: und, gen_out: gen } = await model.run(work.device, part, feeds, fetch, work.signal) as { und_out?: Handle; gen_out?: Handle };
  return { und: und === undefined ? noRows(model) : { handle: und }, gen: gen === undefined ? noRows(model) : { handle: gen }, made: [und, gen].filter((handle) => handle !== undefined) };
}

/** Feeds of a piece of the layers with what the context has cached, and fetches that put new keys and values into `store`. */
export function pieceCall(context: Context, index: number, given: Readonly<Record<string, Feed>>, store: RowBuffers | undefined): { readonly feeds: Readonly<Record<string, Feed>>; readonly fetch: Record<string, Fetch> } {
  const feeds: Record<string, Feed> = { ...given };
  const fetch: Record<string, Fetch> = {};
  const { first, end } = context.model.cuts.llm[index]!;
  for (const name of rowNames(context.model, first, end)) {
    feeds[`past_${name}`] = pastFeed(context, name);
    if (store !== undefined) fetch[name] = { into: store.handles.get(name)!, row: context.length };
  }
  return { feeds, fetch };
}

async function departStream(stream: Stream, to: Device, work: Work): Promise<() => Promise<Stream>> {
  const sent = async (feed: Feed): Promise<() => Promise<Feed>> => {
    if (!('handle' in feed) || !isSpread(work.device)) return () => Promise.resolve(feed);
    const arrive = await depart(feed.handle, work.device.on(feed.handle.device), to);
    return async () => ({ handle: await arrive() });
  };
  const [und, gen] = [await sent(stream.und), await sent(stream.gen)];
  await work.device.free(stream.made);
  return async () => {
    const arrived = [await und(), await gen()] as const;
    return { und: arrived[0], gen: arrived[1], made: arrived.flatMap((feed) => ('handle' in feed ? [feed.handle] : [])) };
  };
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
  if (buffers !== undefined && buffers.place === placeOf(context.model, work.device) && buffers.used === length && end <= buffers.capacity) {
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
  const { model, length, buffers } = context;
  const { headDim } = model.config.llm;
  const capacity = Math.ceil((used + slackRows) / slackRows) * slackRows;
  const handles = new Map<string, Handle>();
  for (const [index, { first, end }] of model.cuts.llm.entries()) {
    const on = deviceOfPiece(device, index);
    const names = rowNames(model, first, end);
    const made = await Promise.all(names.map(() => on.write({ dtype: 'float32', shape: [capacity, headDim] })));
    names.forEach((name, i) => handles.set(name, made[i]!));
    if (length === 0 || buffers === undefined) continue;
    const copyOver = async (name: string): Promise<void> => {
      const from = buffers.handles.get(name)!;
      const handle = await handleOn(from, on, device, length);
      await model.run(on, `copy:${headDim}`, { rows: { handle, rows: length } }, { copy: { into: handles.get(name)!, row: 0 } }, signal);
      if (handle !== from) await on.free([handle]);
    };
    for (let i = 0; i < names.length; i += copiedAtOnce) await Promise.all(names.slice(i, i + copiedAtOnce).map(copyOver));
  }
  return { place: placeOf(model, device), handles, capacity, used };
}

/** The tensor, or its first rows, on the device `on`: the handle itself where it lies there, else a copy that the caller frees. */
export async function handleOn(handle: Handle, on: Device, device: Device, rows?: number): Promise<Handle> {
  if (handle.device === on.name) return handle;
  if (!isSpread(device)) throw new Error(`a value lies on ${handle.device} but this node runs on ${on.name} alone`);
  return (await move(handle, device.on(handle.device), on, rows)).handle;
}
