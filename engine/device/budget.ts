// A device that keeps to a budget: before a program is loaded or run it adds up weights, values and what the run would take, and refuses what would not fit.
// Refusing beforehand is the point: a worker that the system kills for its memory takes all its values with it. Knows no model.
import { bytesOf } from '../tensor/tensor.ts';
import type { Device, Feed, FeedShape, Forecaster, Handle, Held } from './device.ts';
import { isHandle } from './device.ts';
import { bytesText, OutOfBudgetError } from './errors.ts';
import type { Port } from './move.ts';

interface Loaded {
  readonly program: string;
  readonly forecast: Forecaster | undefined;
  /** Elements fed by the largest run so far: runs that are fed no more are not looked at again. */
  fed: number;
}

/** Load, write and run reject with an OutOfBudgetError that has the numbers, before anything is done, where the device would pass its budget. */
export function budgeted(device: Device & Port, budgetBytes: number | undefined): Device & Port {
  return budgetBytes === undefined ? device : new BudgetedDevice(device, budgetBytes);
}

class BudgetedDevice implements Device, Port {
  readonly name: string;
  readonly budgetBytes: number;
  readonly #device: Device & Port;
  readonly #sessions = new Map<number, Loaded>();
  /** Programs that load: several may at once. */
  readonly #loading = new Set<Loaded>();
  readonly #values = new Map<number, number>();
  #valueBytes = 0;
  /** Of values on their way to the device: many are written at once. */
  #writingBytes = 0;
  #epoch = 0;

  constructor(device: Device & Port, budgetBytes: number) {
    this.name = device.name;
    this.budgetBytes = budgetBytes;
    this.#device = device;
  }

  get epoch(): number { return this.#device.epoch; }

  async load(program: Parameters<Device['load']>[0]): ReturnType<Device['load']> {
    this.#check(residentBytes(program.forecast), `to load ${program.name}`);
    const loaded: Loaded = { program: program.name, forecast: program.forecast, fed: -1 };
    this.#loading.add(loaded);
    try {
      const session = await this.#device.load(program);
      this.#forgetLost(); // before, not after: it may be the first of a new worker
      this.#sessions.set(session.id, loaded);
      return session;
    } finally {
      this.#loading.delete(loaded);
    }
  }

  async run(...[session, feeds, fetch, options]: Parameters<Device['run']>): ReturnType<Device['run']> {
    this.#checkRun(session.id, feeds);
    const outputs = await this.#device.run(session, feeds, fetch, options);
    for (const output of Object.values(outputs)) if (isHandle(output)) this.#hold(output);
    return outputs;
  }

  async write(tensor: Parameters<Device['write']>[0]): Promise<Handle> {
    const bytes = bytesOf(tensor);
    this.#check(bytes, `for values ${tensor.dtype} [${tensor.shape.join(', ')}]`);
    this.#writingBytes += bytes;
    try {
      return this.#hold(await this.#device.write(tensor));
    } finally {
      this.#writingBytes -= bytes;
    }
  }

  async accept(tensor: Parameters<Port['accept']>[0]): Promise<Handle> {
    return this.#hold(await this.#device.accept(tensor)); // what was sent must arrive
  }

  send(...call: Parameters<Port['send']>): ReturnType<Port['send']> { return this.#device.send(...call); }
  read(...call: Parameters<Device['read']>): ReturnType<Device['read']> { return this.#device.read(...call); }
  stats(): ReturnType<Device['stats']> { return this.#device.stats(); }
  holds(held: Held): boolean { return this.#device.holds(held); }
  close(): Promise<void> { return this.#device.close(); }

  free(held: readonly Held[]): Promise<void> {
    for (const { kind, id, device, epoch } of held) {
      if (device !== this.name || epoch !== this.epoch) continue;
      if (kind === 'session') this.#sessions.delete(id);
      else this.#release(id);
    }
    return this.#device.free(held);
  }

  #hold(handle: Handle): Handle {
    this.#forgetLost();
    const bytes = bytesOf(handle);
    this.#values.set(handle.id, bytes);
    this.#valueBytes += bytes;
    return handle;
  }

  #release(id: number): void {
    this.#valueBytes -= this.#values.get(id) ?? 0;
    this.#values.delete(id);
  }

  /** What a lost worker held is gone. */
  #forgetLost(): void {
    if (this.#epoch === this.epoch) return;
    this.#epoch = this.epoch;
    this.#sessions.clear();
    this.#values.clear();
    this.#valueBytes = 0;
  }

  #checkRun(id: number, feeds: Readonly<Record<string, Feed>>): void {
    const loaded = this.#sessions.get(id);
    if (loaded?.forecast === undefined) return;
    const fed = Object.values(feeds).reduce((sum, feed) => sum + elementsOf(feed), 0);
    if (fed <= loaded.fed) return;
    const { scratchBytes, outputs } = loaded.forecast.of(Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, shapeOf(feed)])));
    const made = Object.values(outputs).reduce((sum, output) => sum + bytesOf(output), 0);
    this.#check(scratchBytes + made, `at work in ${loaded.program}`);
    loaded.fed = fed;
  }

  #check(bytes: number, what: string): void {
    this.#forgetLost();
    const weightBytes = [...this.#sessions.values(), ...this.#loading].reduce((sum, { forecast }) => sum + residentBytes(forecast), 0);
    const valueBytes = this.#valueBytes + this.#writingBytes;
    if (weightBytes + valueBytes + bytes <= this.budgetBytes || bytes === 0) return;
    throw new OutOfBudgetError(this.name, `${this.name} may use ${bytesText(this.budgetBytes)} and holds ${bytesText(weightBytes)} of weights and ${bytesText(valueBytes)} of values: the ${bytesText(bytes)} ${what} do not fit: make it smaller, share it over more devices, or raise --memory`);
  }
}

/** Of its weights, what takes memory that the system cannot take back. */
export function residentBytes(forecast: Forecaster | undefined): number {
  return forecast === undefined ? 0 : forecast.weightBytes - (forecast.mappedBytes ?? 0);
}

function elementsOf(feed: Feed): number {
  if (!('handle' in feed)) return feed.data.length;
  const { shape } = feed.handle;
  return shape.slice(1).reduce((product, side) => product * side, feed.rows ?? shape[0] ?? 1);
}

/** What a forecaster is told of a feed. */
export function shapeOf(feed: Feed): FeedShape {
  if (!('handle' in feed)) return feed;
  const { dtype, shape } = feed.handle;
  return { dtype, shape: feed.rows === undefined ? shape : [feed.rows, ...shape.slice(1)] };
}
