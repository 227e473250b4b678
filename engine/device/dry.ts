// A device that computes nothing: it keeps the same account of handles as a real one, asks each program what a run would take, and adds it up.
// A workflow that runs on such devices is a plan: the host's code is the same, so it makes the same calls.
import { bytesOf, zeros, type Shape, type Tensor } from '../tensor/tensor.ts';
import type { DType } from '../tensor/dtype.ts';
import { residentBytes, shapeOf } from './budget.ts';
import type { Clock } from './clock.ts';
import type { Device, DeviceStats, Feed, Fetch, Forecaster, Handle, Held, Program, Session } from './device.ts';
import { DeviceError } from './errors.ts';
import { Ledger } from './ledger.ts';

/** What the runs of one program came to. */
export interface Tally {
  readonly program: string;
  readonly weightBytes: number;
  /** Of these, what takes memory: the rest stays pages of its file. */
  readonly residentBytes: number;
  /** What is read from files until all of them are in use. */
  readonly storedBytes: number;
  runs: number;
  flops: number;
  readBytes: number;
  scratchBytes: number;
}

/** How fast a device is, for plans. */
export interface Pace {
  readonly clock: Clock;
  /** Floating-point operations a second in products of many rows. */
  readonly flops: number;
  /** Bytes a second that a product of one row reads. */
  readonly bytes: number;
  /** Bytes a second between host or devices. */
  readonly transferBytes: number;
}

export interface DryOptions {
  readonly budgetBytes?: number | undefined;
  readonly keeps16Bit?: boolean;
  /** Calls take their time on its clock, one after another as in a worker. */
  readonly pace?: Pace | undefined;
}

export class DryDevice implements Device {
  readonly name: string;
  readonly budgetBytes?: number;
  readonly keeps16Bit: boolean;
  readonly tallies = new Map<string, Tally>();
  /** Bytes that came from the host or another device, and went out. */
  movedIn = 0;
  movedOut = 0;
  /** Most bytes in handles at once. */
  peakBytes = 0;
  /** Seconds that it has computed or handed over. */
  busySeconds = 0;
  readonly #pace: Pace | undefined;
  #freeAt = 0;
  /** Intermediate values whose memory the device keeps for the next run. */
  #keptBytes = 0;
  /** Most bytes at once in values and at work. */
  #mostBytes = 0;
  readonly #ledger: Ledger;
  readonly #programs = new Map<number, Forecaster & { readonly name: string; readonly keepsScratch: boolean }>();

  constructor(name: string, { budgetBytes, keeps16Bit = false, pace }: DryOptions = {}) {
    this.name = name;
    this.keeps16Bit = keeps16Bit;
    this.#pace = pace;
    if (budgetBytes !== undefined) this.budgetBytes = budgetBytes;
    this.#ledger = new Ledger(name);
  }

  get epoch(): number { return 0; }

  /** Weights that take memory, and the most that values and intermediate values come to together. */
  get neededBytes(): number {
    return [...this.tallies.values()].reduce((sum, { residentBytes: bytes }) => sum + bytes, 0) + this.#mostBytes;
  }

  load({ name, forecast, options }: Program): Promise<Session> {
    if (forecast === undefined) return Promise.reject(new DeviceError(`the program ${name} cannot be planned: it has no forecast`));
    const id = this.#ledger.nextId();
    this.#programs.set(id, { name, keepsScratch: options?.keepScratch !== false, weightBytes: forecast.weightBytes, of: (feeds) => forecast.of(feeds) });
    if (!this.tallies.has(name)) this.tallies.set(name, { program: name, weightBytes: forecast.weightBytes, residentBytes: residentBytes(forecast), storedBytes: forecast.storedBytes ?? forecast.weightBytes, runs: 0, flops: 0, readBytes: 0, scratchBytes: 0 });
    return Promise.resolve(this.#ledger.addSession(id, name));
  }

  async run(session: Session, feeds: Readonly<Record<string, Feed>>, fetch: Readonly<Record<string, Fetch>>): Promise<Record<string, Handle | Tensor>> {
    this.#ledger.checkRun(session, feeds, fetch);
    const program = this.#programs.get(session.id)!;
    const forecast = program.of(Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, shapeOf(feed)])));
    const tally = this.tallies.get(program.name)!;
    tally.runs++;
    tally.flops += forecast.flops;
    tally.readBytes += forecast.readBytes;
    tally.scratchBytes = Math.max(tally.scratchBytes, forecast.scratchBytes);
    for (const feed of Object.values(feeds)) if (!('handle' in feed)) this.movedIn += bytesOf(feed);
    await this.#spend(({ flops, bytes }) => Math.max(forecast.flops / flops, forecast.readBytes / bytes));
    const outputs: Record<string, Handle | Tensor> = {};
    for (const [name, how] of Object.entries(fetch)) {
      const output = forecast.outputs[name];
      if (output === undefined) throw new DeviceError(`device ${this.name}: the forecast of ${program.name} has no output ${name}`);
      if (how === 'handle') outputs[name] = this.#hold(output.dtype, output.shape);
      else if (how === 'tensor') outputs[name] = this.#give(zeros(output.dtype, output.shape));
    }
    const given = Object.values(outputs).reduce((sum, output) => sum + ('kind' in output ? 0 : bytesOf(output)), 0);
    this.#keptBytes = program.keepsScratch ? Math.max(this.#keptBytes, forecast.scratchBytes) : 0;
    this.#note(Math.max(this.#keptBytes, forecast.scratchBytes) + given);
    return outputs;
  }

  async write(tensor: Tensor | { readonly dtype: DType; readonly shape: Shape }): Promise<Handle> {
    const moved = 'data' in tensor ? bytesOf(tensor) : 0;
    this.movedIn += moved;
    await this.#spend(({ transferBytes }) => moved / transferBytes);
    return this.#hold(tensor.dtype, tensor.shape);
  }

  async read(handle: Handle, rows?: number): Promise<Tensor> {
    this.#ledger.check(handle, 'read');
    const tensor = zeros(handle.dtype, rows === undefined ? handle.shape : [rows, ...handle.shape.slice(1)]);
    await this.#spend(({ transferBytes }) => bytesOf(tensor) / transferBytes);
    return this.#give(tensor);
  }

  free(held: readonly Held[]): Promise<void> {
    this.#ledger.remove(held);
    return Promise.resolve();
  }

  holds(held: Held): boolean {
    return this.#ledger.holds(held);
  }

  stats(): Promise<DeviceStats> {
    return Promise.resolve({ name: this.name, provider: 'plan', epoch: 0, pid: 0, restarts: 0, threads: 0, handles: this.#ledger.handles, sessions: this.#ledger.sessions, runs: [...this.tallies.values()].reduce((sum, { runs }) => sum + runs, 0) });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Waits until what came before is done and this is. */
  async #spend(secondsAt: (pace: Pace) => number): Promise<void> {
    const pace = this.#pace;
    if (pace === undefined) return;
    const seconds = secondsAt(pace);
    this.busySeconds += seconds;
    this.#freeAt = Math.max(this.#freeAt, pace.clock.now) + seconds;
    await pace.clock.until(this.#freeAt);
  }

  #hold(dtype: DType, shape: Shape): Handle {
    const handle = this.#ledger.addHandle(this.#ledger.nextId(), dtype, shape);
    this.peakBytes = Math.max(this.peakBytes, this.#ledger.handles.bytes);
    this.#note(this.#keptBytes);
    return handle;
  }

  /** `bytes` are taken beside the values. */
  #note(bytes: number): void {
    this.#mostBytes = Math.max(this.#mostBytes, this.#ledger.handles.bytes + bytes);
  }

  #give(tensor: Tensor): Tensor {
    this.movedOut += bytesOf(tensor);
    return tensor;
  }
}
