// A loaded BAGEL: its folder, the sessions of its parts on each device, and the contexts that are still alive. The value of BAGEL_MODEL.
// Parts are traced and loaded at first use; nothing here knows nodes.
import type { Device, Feed, Fetch, Handle, Held, Session } from '../../engine/device/device.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import { dumpPart } from '../../engine/onnx/dump.ts';
import type { Part } from '../../engine/onnx/expr.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import type { Context } from './context.ts';
import type { BagelConfig } from './model/config.ts';
import { buildPart, planCuts, type Cuts, type ModelWeights } from './model/parts.ts';
import { openTokenizer, type Tokenizer } from './tokenizer/tokenizer.ts';
import type { ModelFolder } from './weights/folder.ts';

export interface ModelOptions {
  /** False: 16-bit weights stay mapped and are cast in every run; slower, a quarter of the memory. */
  readonly expandWeights: boolean;
}

export class BagelModel {
  readonly name: string;
  readonly path: string;
  readonly config: BagelConfig;
  readonly cuts: Cuts;
  /** Identifies the content and precision: the root of every context's key. */
  readonly key: string;
  readonly contexts = new Map<string, Context>();
  readonly #folder: ModelFolder;
  readonly #options: ModelOptions;
  readonly #sessions = new Map<string, Promise<Session>>();
  readonly #loaded = new Set<Session>();
  #tokenizer: Promise<Tokenizer> | undefined;

  constructor(folder: ModelFolder, options: ModelOptions) {
    this.#folder = folder;
    this.#options = options;
    this.name = folder.name;
    this.path = folder.path;
    this.config = folder.config;
    this.cuts = planCuts(folder.config);
    this.key = `${folder.contentKey} float32`;
  }

  /** Reads the tokenizer files at first use; throws naming them when there are none. */
  tokenizer(): Promise<Tokenizer> {
    return (this.#tokenizer ??= openTokenizer(this.#folder.tokenizerFiles));
  }

  part(name: string): Part {
    const weights: ModelWeights = { llm: this.#folder.llm, vae: this.#folder.vae };
    return buildPart(name, this.config, weights, this.cuts);
  }

  /** The session of a part on a device, loaded once and again after a worker was lost. */
  async session(device: Device, name: string): Promise<Session> {
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
    const session = await device.load({ name, bytes: encodeModel(part), options: { expandWeights: this.#options.expandWeights } });
    this.#loaded.add(session);
    return session;
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
    return [...this.#loaded];
  }
}
