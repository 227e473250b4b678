// A device inside this process: programs are functions, everything else is the real thing (handles, row buffers, epochs, order of calls).
// For tests, which can also read its log of calls.
import { bytesOf, tensor as tensorOf, type Shape, type Tensor } from '../tensor/tensor.ts';
import type { DType } from '../tensor/dtype.ts';
import type { Device, DeviceStats, Feed, Fetch, Handle, Held, Program, RunOptions, Session } from './device.ts';
import { AbortError, DeviceError, DeviceLostError, shapeText } from './errors.ts';
import { Ledger, named } from './ledger.ts';
import { copyOf, rowsShape, TensorStore } from './store.ts';

export type ProgramFunction = (inputs: Readonly<Record<string, Tensor>>) => Record<string, Tensor> | Promise<Record<string, Tensor>>;

export interface MemoryDeviceOptions {
  /** Default `memory:0`. */
  readonly name?: string;
  readonly memoryLimitBytes?: number;
}

/** A device whose programs are `programs`, by name. */
export function memoryDevice(programs: Readonly<Record<string, ProgramFunction>>, options: MemoryDeviceOptions = {}): MemoryDevice {
  return new MemoryDevice(programs, options);
}

export class MemoryDevice implements Device {
  readonly name: string;
  /** A line a call, such as `run add x=#1[0:2] y=float32[2, 3] -> sum=#4`. Handles appear as `#id`. */
  readonly log: string[] = [];
  readonly #programs: Readonly<Record<string, ProgramFunction>>;
  readonly #ledger: Ledger;
  readonly #store = new TensorStore();
  #restarts = 0;
  #isClosed = false;
  #last: Promise<unknown> = Promise.resolve();
  #crashed = new AbortController();

  constructor(programs: Readonly<Record<string, ProgramFunction>>, { name = 'memory:0', memoryLimitBytes }: MemoryDeviceOptions) {
    this.name = name;
    this.#programs = programs;
    this.#ledger = new Ledger(name, memoryLimitBytes);
  }

  get epoch(): number { return this.#ledger.epoch; }

  async load(program: Program): Promise<Session> {
    return this.#inOrder(`load of ${program.name}`, () => {
      if (this.#programs[program.name] === undefined) throw new DeviceError(`there is no program ${program.name}; programs are ${Object.keys(this.#programs).join(', ')}`);
      this.log.push(`load ${program.name}`);
      return this.#ledger.addSession(this.#ledger.nextId(), program.name);
    });
  }

  async run(session: Session, feeds: Readonly<Record<string, Feed>>, fetch: Readonly<Record<string, Fetch>>, { signal }: RunOptions = {}): Promise<Record<string, Handle | Tensor>> {
    this.#ledger.checkRun(session, feeds, fetch);
    return this.#inOrder(`run of ${session.program}`, async () => {
      const entry = `run ${session.program} ${Object.entries(feeds).map(([name, feed]) => `${name}=${feedText(feed)}`).join(' ')}`;
      const inputs: Record<string, Tensor> = {};
      for (const [name, feed] of Object.entries(feeds)) inputs[name] = 'handle' in feed ? this.#store.view(feed.handle.id, feed.rows) : copyOf(feed);
      const crash = this.#crashed.signal;
      const outputs = await this.#programs[session.program]!(inputs);
      // what a lost worker was computing is lost
      if (crash.aborted) return {};
      if (signal?.aborted) throw new AbortError(`device ${this.name}, run of ${session.program}`, signal);
      const { result, texts } = this.#collect(outputs, fetch);
      this.#ledger.runs++;
      this.log.push(`${entry} -> ${texts.join(' ')}`);
      return result;
    }, signal);
  }

  async write(tensor: Tensor | { readonly dtype: DType; readonly shape: Shape }): Promise<Handle> {
    const { dtype, shape } = tensor;
    const what = `write of ${dtype} ${shapeText(shape)}`;
    this.#ledger.checkRoom(bytesOf({ dtype, shape }), what);
    const data = 'data' in tensor ? copyOf(tensorOf(dtype, shape, tensor.data)) : undefined;
    return this.#inOrder(what, () => {
      const handle = this.#ledger.addHandle(this.#ledger.nextId(), dtype, shape);
      if (data === undefined) this.#store.reserve(handle.id, dtype, shape);
      else this.#store.put(handle.id, data);
      this.log.push(`${data === undefined ? 'reserve' : 'write'} ${dtype}${shapeText(shape)} -> #${handle.id}`);
      return handle;
    });
  }

  async read(handle: Handle, rows?: number): Promise<Tensor> {
    const what = `read of ${handle.dtype} ${shapeText(handle.shape)}`;
    this.#ledger.check(handle, what);
    if (rows !== undefined) named(`device ${this.name}, ${what}`, () => rowsShape(handle.shape, rows));
    return this.#inOrder(what, () => {
      this.log.push(`read ${feedText({ handle, ...(rows === undefined ? {} : { rows }) })}`);
      return copyOf(this.#store.view(handle.id, rows));
    });
  }

  async free(held: readonly Held[]): Promise<void> {
    const { handles, sessions } = this.#ledger.remove(held);
    if (handles.length + sessions.length === 0 || this.#isClosed) return;
    this.#inOrder('free', () => {
      this.log.push(`free ${[...handles, ...sessions].map((id) => `#${id}`).join(' ')}`);
      for (const id of handles) this.#store.remove(id);
    }).catch(() => undefined);
  }

  async stats(): Promise<DeviceStats> {
    return {
      name: this.name, provider: 'memory', epoch: this.epoch, pid: 0, restarts: this.#restarts, threads: 1,
      handles: this.#ledger.handles, sessions: this.#ledger.sessions, runs: this.#ledger.runs,
    };
  }

  holds(held: Held): boolean {
    return this.#ledger.holds(held);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.crash('device was closed');
  }

  /** What the death of a worker does: waiting calls are rejected, all that was held is gone. */
  crash(reason = 'worker crashed'): void {
    const epoch = this.epoch;
    this.#restarts++;
    this.#ledger.nextEpoch();
    this.#store.clear();
    this.#last = Promise.resolve();
    this.#crashed.abort((what: string) => new DeviceLostError(this.name, epoch, `device ${this.name}, ${what}: ${reason}`));
    this.#crashed = new AbortController();
    this.log.push('crash');
  }

  #collect(outputs: Readonly<Record<string, Tensor>>, fetch: Readonly<Record<string, Fetch>>): { result: Record<string, Handle | Tensor>; texts: string[] } {
    const result: Record<string, Handle | Tensor> = {};
    const texts: string[] = [];
    for (const [name, how] of Object.entries(fetch)) {
      const value = outputs[name];
      if (value === undefined) throw new DeviceError(`there is no output ${name}; outputs are ${Object.keys(outputs).join(', ')}`);
      if (typeof how === 'object') this.#store.check(how.into.id, how.row, value, `output ${name}`);
    }
    for (const [name, how] of Object.entries(fetch)) {
      const value = copyOf(outputs[name]!);
      if (typeof how === 'object') {
        this.#store.copyInto(how.into.id, how.row, value);
        texts.push(`${name}→#${how.into.id}[${how.row}:${how.row + value.shape[0]!}]`);
      } else if (how === 'tensor') {
        result[name] = value;
        texts.push(`${name}=${value.dtype}${shapeText(value.shape)}`);
      } else {
        const handle = this.#ledger.addHandle(this.#ledger.nextId(), value.dtype, value.shape);
        this.#store.put(handle.id, value);
        result[name] = handle;
        texts.push(`${name}=#${handle.id}`);
      }
    }
    return { result, texts };
  }

  /** Works calls one at a time in the order they were made; says in every error where it happened. */
  async #inOrder<T>(what: string, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#isClosed) throw new DeviceError(`device ${this.name}, ${what}: the device was closed`);
    const crash = this.#crashed.signal;
    const done = this.#last.then(() => {
      if (signal?.aborted) throw new AbortError(`device ${this.name}, ${what}`, signal);
      return crash.aborted ? new Promise<never>(() => undefined) : work();
    });
    this.#last = done.catch(() => undefined);
    let onCrash!: () => void;
    const lost = new Promise<never>((_resolve, reject) => {
      onCrash = () => reject((crash.reason as (what: string) => Error)(what));
      crash.addEventListener('abort', onCrash);
    });
    try {
      return await Promise.race([done, lost]);
    } catch (error) {
      if (error instanceof AbortError || error instanceof DeviceLostError) throw error;
      throw new DeviceError(`device ${this.name}, ${what}: ${(error as Error).message}`, { cause: error });
    } finally {
      crash.removeEventListener('abort', onCrash);
    }
  }
}

function feedText(feed: Feed): string {
  if (!('handle' in feed)) return `${feed.dtype}${shapeText(feed.shape)}`;
  return `#${feed.handle.id}${feed.rows === undefined ? '' : `[0:${feed.rows}]`}`;
}
