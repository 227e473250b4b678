// Runs parts by name on devices: each is traced and loaded at its first use, once a device, and again after its worker was lost.
// What the parts are, subclasses know; nothing here knows nodes.
import type { Device, Feed, Fetch, Forecaster, Handle, Held, ProgramOptions, Session } from '../../engine/device/device.ts';
import { isSpread } from '../../engine/device/spread.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { dumpPart } from '../../engine/onnx/dump.ts';
import type { Part, WeightRef } from '../../engine/onnx/expr.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import { isKernel, tablesOf } from './model/forecast.ts';

export interface ModelOptions {
  /** False: 16-bit weights stay mapped and are cast in every run; slower, a quarter of the memory. */
  readonly expandWeights: boolean;
  /** True: parts whose matrices are all stored as float32 are not packed, so that they stay in their file; as fast, and loaded at once. */
  readonly mapFloat32?: boolean;
}

/** Scratch that parts may keep, each its own. */
const keptBytes = 1e9;

export abstract class PartRunner {
  readonly #options: ModelOptions;
  readonly #sessions = new Map<string, Promise<Session>>();
  readonly #loaded = new Set<Session>();

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  /** Traces the part called `name`; throws on an unknown one. */
  abstract part(name: string): Part;

  /** What runs of a part would take, for plans. */
  protected abstract forecast(part: Part): Forecaster;

  /** Bytes of intermediate values at the largest picture, were every part to keep its own. */
  protected abstract get scratchBytes(): number;

  /** Equal keys: equal parts, of whichever runner. Undefined: this one frees its sessions by itself. */
  protected abstract keyOf(part: string): string | undefined;

  /** True: what runs of a part make on the way is large, and no two parts in a row have it in one size. */
  protected abstract isLarge(part: Part): boolean;

  /** True: every part runs on whichever device it is asked to. */
  protected get roams(): boolean {
    return true;
  }

  protected get expandsWeights(): boolean {
    return this.#options.expandWeights;
  }

  /** The session of a part on a device, loaded once and again after a worker was lost. */
  async session(device: Device, name: string): Promise<Session> {
    if (isSpread(device)) return this.session(device.at(name), name);
    const slot = `${device.name} ${name}`;
    const known = this.#sessions.get(slot);
    if (known !== undefined) {
      const session = await known;
      if (device.holds(session)) return session;
      this.#loaded.delete(session);
      if (this.#sessions.get(slot) !== known) return this.session(device, name);
    }
    const loading = this.#load(device, name);
    this.#sessions.set(slot, loading);
    loading.catch(() => this.#sessions.delete(slot));
    return loading;
  }

  async #load(device: Device, name: string): Promise<Session> {
    const part = this.part(name);
    if (Number(process.env['DEBUG'] ?? 0) >= 4) process.stderr.write(`${dumpPart(part)}\n`);
    const options: ProgramOptions = { expandWeights: this.expandsWeights, packWeights: !this.#isMapped(part), keepScratch: this.scratchBytes <= keptBytes ? true : this.isLarge(part) ? false : 'shared' };
    const own = this.keyOf(name);
    const session = await device.load({
      name, bytes: encodeModel(part), options, ...(own === undefined ? {} : { key: JSON.stringify([own, name, options]) }),
      forecast: { ...this.forecast(part), mappedBytes: device.keeps16Bit === true ? 0 : this.#mappedBytes(part) },
    });
    this.#loaded.add(session);
    return session;
  }

  /** Of the weights, what stays pages of its file. */
  #mappedBytes(part: Part): number {
    const tables = tablesOf(part);
    const stays = ({ key, dtype, shape }: WeightRef) => tables.has(key) || (this.#isMapped(part) && !isKernel(shape)) || (!this.expandsWeights && (dtype === 'float16' || dtype === 'bfloat16'));
    return part.weights.filter(stays).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #isMapped({ weights }: Part): boolean {
    return this.#options.mapFloat32 === true && weights.every(({ dtype, shape }) => dtype === 'float32' || shape.length < 2);
  }

  /** Runs a part and gives what `fetch` names. */
  async run(device: Device, part: string, feeds: Readonly<Record<string, Feed>>, fetch: Readonly<Record<string, Fetch>>, signal?: AbortSignal): Promise<Record<string, Handle | Tensor>> {
    const session = await this.session(device, part);
    return device.run(session, feeds, fetch, signal === undefined ? {} : { signal });
  }

  /** Runs a part that gives one output, which stays on the device. */
  async handle(device: Device, part: string, feeds: Readonly<Record<string, Feed>>, output: string, signal?: AbortSignal): Promise<Handle> {
    return (await this.run(device, part, feeds, { [output]: 'handle' }, signal))[output] as Handle;
  }

  /** Runs a part that gives one output, brought to the host. */
  async tensor(device: Device, part: string, feeds: Readonly<Record<string, Feed>>, output: string, signal?: AbortSignal): Promise<Tensor> {
    return (await this.run(device, part, feeds, { [output]: 'tensor' }, signal))[output] as Tensor;
  }

  /** Sessions loaded so far. */
  held(): Held[] {
    return this.roams ? [...this.#loaded].map((session) => ({ ...session, roams: true as const })) : [...this.#loaded];
  }
}
