// A device whose worker is a child process with ONNX Runtime. The host side: accounts, checks, order of calls, cancelling, restart after a loss.
import { setMaxListeners } from 'node:events';
import type { DType } from '../tensor/dtype.ts';
import { bytesOf, tensor as tensorOf, type Shape, type Tensor } from '../tensor/tensor.ts';
import type { BackendName, Provider, WorkerOptions } from './backend.ts';
import { Connection } from './connection.ts';
import type { Device, DeviceStats, Feed, Fetch, Handle, Held, Program, RunOptions, Session } from './device.ts';
import { checkAllFed, indexEdges, inputFor, outputFor, type Edges } from './edges.ts';
import { AbortError, DeviceError, DeviceLostError, shapeText } from './errors.ts';
import { Ledger, named } from './ledger.ts';
import { defaultBackend } from './native.ts';
import { endOrphanWorkers } from './orphans.ts';
import { processMemory } from './process-memory.ts';
import { allRows, fetchAs, type Answers, type Call, type FreeCall, type Freed, type LoadCall, type ReadCall, type RunCall, type WireTensor, type WriteCall } from './protocol.ts';
import { discard, receiveTensor, removeOrphanFiles } from './staging.ts';
import { rowsShape } from './store.ts';

export interface ProcessDeviceOptions {
  /** Such as `cpu:0`. */
  readonly name: string;
  readonly provider: Provider;
  /** Number of the device at its provider; default 0. Devices on the CPU are alike. */
  readonly index?: number;
  /** Default: our add-on where it is built, else onnxruntime-node. */
  readonly backend?: BackendName;
  /** Threads a session computes with; default 1. */
  readonly threads?: number;
  /** Bound for what handles hold; default none. */
  readonly memoryLimitBytes?: number;
  /** How long a cancelled run may go on before its worker is killed. Default 2000; 10,000 where it ends by itself after the operation it is at. */
  readonly graceMs?: number;
}

/** Starts the worker and gives the device without waiting for it: calls wait. */
export async function openProcessDevice(options: ProcessDeviceOptions): Promise<ProcessDevice> {
  endOrphanWorkers();
  removeOrphanFiles();
  return new ProcessDevice(options);
}

interface CallOptions {
  /** What is done, for messages: `run of llm:0`. */
  readonly what: string;
  /** Epoch of the handles and sessions the call names. Absent: any worker will do. */
  readonly epoch?: number;
  readonly signal?: AbortSignal | undefined;
  /** Added to an error of the runtime, such as the shapes that were fed. */
  readonly details?: () => string;
  /** Undoes what the call has done, where its caller is gone. */
  readonly undo?: (connection: Connection, answer: never) => void;
}

interface Sent<C extends Call> { readonly connection: Connection; readonly epoch: number; readonly id: number; readonly answer: Promise<Answers[C['call']]> }

export class ProcessDevice implements Device {
  readonly name: string;
  readonly #worker: Omit<WorkerOptions, 'hostPid' | 'tag'>;
  readonly #graceMs: number;
  readonly #ledger: Ledger;
  readonly #edges = new Map<number, Edges>();
  #connection: Connection | undefined;
  #starts = 0;
  #isClosed = false;
  /** Calls that have begun and not ended: they keep the host process alive. */
  #active = 0;
  /** Calls made so far. */
  #calls = 0;
  /** What is freed and not told yet, with the number of calls that were made before and may still use it. */
  #freed: (Freed & { readonly after: number })[] = [];
  /** Settles when every earlier call has been sent: they may wait for a worker to start, and must not overtake each other. */
  #outbox: Promise<unknown> = Promise.resolve();

  constructor({ name, provider, index = 0, backend = defaultBackend(), threads = 1, memoryLimitBytes, graceMs = backend === 'native' ? 10_000 : 2000 }: ProcessDeviceOptions) {
    this.name = name;
    this.#worker = { backend, provider, index, threads, ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }) };
    this.#graceMs = graceMs;
    this.#ledger = new Ledger(name, memoryLimitBytes);
    this.#connect();
  }

  get epoch(): number { return this.#ledger.epoch; }

  async load(program: Program): Promise<Session> {
    const id = this.#ledger.nextId();
    const { inputs, outputs } = await this.#call({ what: `load of ${program.name}` }, ({ staging }): LoadCall => (
      { call: 'load', session: id, program: program.name, bytes: staging.stage(program.bytes), options: program.options ?? {} }));
    this.#edges.set(id, indexEdges(inputs, outputs));
    return this.#ledger.addSession(id, program.name);
  }

  async run(session: Session, feeds: Readonly<Record<string, Feed>>, fetch: Readonly<Record<string, Fetch>>, { signal }: RunOptions = {}): Promise<Record<string, Handle | Tensor>> {
    this.#ledger.checkRun(session, feeds, fetch);
    const what = `run of ${session.program}`;
    const { handles, tensors, fetched } = this.#prepare(session, feeds, fetch);
    const answer = await this.#call({
      what, epoch: session.epoch, signal,
      details: () => `; fed ${Object.entries(feeds).map(([name, feed]) => `${name} ${feedText(feed)}`).slice(0, 40).join(', ')}`,
      undo: forgetRun(fetched),
    }, ({ staging }): RunCall => (
      { call: 'run', session: session.id, handles, tensors: tensors.map(([index, tensor]) => [index, staging.stageTensor(tensor)]), fetch: fetched }));
    this.#ledger.runs++;
    return this.#collect(Object.keys(fetch), fetched, answer);
  }

  async write(tensor: Tensor | { readonly dtype: DType; readonly shape: Shape }): Promise<Handle> {
    const { dtype, shape } = tensor;
    if ('data' in tensor) tensorOf(dtype, shape, tensor.data);
    return this.#store(dtype, shape, ({ staging }) => ('data' in tensor ? staging.stageTensor(tensor).data : undefined));
  }

  async read(handle: Handle, rows?: number): Promise<Tensor> {
    return receiveTensor(await this.#fetchWire(handle, rows));
  }

  /** A tensor on its way to another process device: its data is not received here. */
  async send(handle: Handle, rows?: number): Promise<WireTensor> {
    return this.#fetchWire(handle, rows);
  }

  /** Takes a tensor that another process device sent. */
  async accept({ dtype, shape, data }: WireTensor): Promise<Handle> {
    try {
      return await this.#store(dtype, shape, () => data);
    } catch (error) {
      discard(data);
      throw error;
    }
  }

  async free(held: readonly Held[]): Promise<void> {
    const { handles, sessions } = this.#ledger.remove(held);
    for (const id of sessions) this.#edges.delete(id);
    if (handles.length + sessions.length === 0 || this.#isClosed) return;
    // told with the next call, or alone where none follows at once; not waited for: a busy worker would hold up its host
    this.#freed.push({ handles, sessions, after: this.#calls });
    const epoch = this.#ledger.epoch;
    setImmediate(() => {
      if (this.#freed.length > 0 && epoch === this.#ledger.epoch && !this.#isClosed) this.#call({ what: 'free', epoch }, (): FreeCall => ({ call: 'free' })).catch(() => undefined);
    });
  }

  /** What no call before the one numbered `call` still uses. */
  #takeFreed(call: number): Freed | undefined {
    const taken = this.#freed.filter(({ after }) => after < call);
    if (taken.length === 0) return undefined;
    this.#freed = this.#freed.filter(({ after }) => after >= call);
    return { handles: taken.flatMap(({ handles }) => handles), sessions: taken.flatMap(({ sessions }) => sessions) };
  }

  async stats(): Promise<DeviceStats> {
    const pid = this.#connection?.pid ?? 0;
    const memory = await processMemory(pid);
    return {
      name: this.name, provider: this.#worker.provider, backend: this.#worker.backend, epoch: this.epoch, pid, restarts: Math.max(0, this.#starts - 1), threads: this.#worker.threads,
      handles: this.#ledger.handles, sessions: this.#ledger.sessions, runs: this.#ledger.runs, ...(memory === undefined ? {} : { memory }),
    };
  }

  holds(held: Held): boolean {
    return this.#ledger.holds(held);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connection?.end();
  }

  /** The worker in use; starts one where there is none. */
  #connect(): Connection {
    if (this.#connection !== undefined) return this.#connection;
    this.#starts++;
    this.#connection = new Connection(this.#worker, () => {
      this.#connection = undefined;
      this.#edges.clear();
      this.#freed = [];
      this.#ledger.nextEpoch();
    });
    return this.#connection;
  }

  /** Sends a call behind all earlier ones, waits for its answer, and says in every error where it happened. */
  async #call<C extends Call>(options: CallOptions, build: (connection: Connection) => C): Promise<Answers[C['call']]> {
    if (this.#isClosed) throw new DeviceError(`device ${this.name}, ${options.what}: the device was closed`);
    this.#active++;
    const number = ++this.#calls;
    this.#connection?.holdHostOpen(true);
    try {
      const sending = this.#outbox.then(() => this.#send(number, options, build));
      this.#outbox = sending.catch(() => undefined);
      const { connection, epoch, id, answer } = await sending;
      return await this.#answer(options, connection, epoch, id, answer);
    } finally {
      if (--this.#active === 0) this.#connection?.holdHostOpen(false);
    }
  }

  async #send<C extends Call>(number: number, { what, epoch = this.epoch, signal }: CallOptions, build: (connection: Connection) => C): Promise<Sent<C>> {
    const where = `device ${this.name}, ${what}`;
    if (signal?.aborted) throw new AbortError(where, signal);
    if (epoch !== this.epoch) throw new DeviceLostError(this.name, epoch, `${where}: the worker that held its values was lost before it began; make them again`);
    const connection = this.#connect();
    connection.holdHostOpen(true);
    await connection.ready.catch((error: Error) => { throw new DeviceLostError(this.name, epoch, `${where}: ${error.message}`); });
    const call = named(where, () => build(connection));
    return { connection, epoch, ...connection.send(call, this.#takeFreed(number)) };
  }

  async #answer<T>({ what, signal, details, undo }: CallOptions, connection: Connection, epoch: number, id: number, answer: Promise<T>): Promise<T> {
    const where = `device ${this.name}, ${what}`;
    try {
      return await this.#orAborted(where, connection, id, answer, signal, (made) => undo?.(connection, made as never));
    } catch (error) {
      if (error instanceof AbortError) throw error;
      if (connection.loss !== undefined) throw new DeviceLostError(this.name, epoch, `${where}: ${connection.loss.reason}\nWhat the device held is gone; it restarts at next use.`);
      const message = (error as Error).message.trim();
      // the log says the exception once more, at most
      const news = connection.news().filter((line) => !line.includes(message.split('\n')[0]!));
      throw new DeviceError([`${where}: ${message}${details?.() ?? ''}`, ...news].join('\n'));
    }
  }

  /** The answer, unless the signal comes first: a waiting call is skipped, one that runs is ended or gets a grace before its worker is killed. */
  async #orAborted<T>(where: string, connection: Connection, id: number, answer: Promise<T>, signal: AbortSignal | undefined, undo: (answer: T) => void): Promise<T> {
    if (signal === undefined) return answer;
    let timer: NodeJS.Timeout | undefined;
    let onAbort!: () => void;
    const skipped = new Promise<void>((resolve) => {
      onAbort = () => {
        const isRunning = connection.isRunning(id);
        connection.cancel(id);
        if (isRunning) timer = setTimeout(() => connection.kill(`worker ${connection.pid} was killed because a cancelled run did not end within ${this.#graceMs} ms`), this.#graceMs);
        else resolve();
      };
    });
    if (signal.aborted) onAbort();
    else {
      // one listener a call that waits: not a leak, whatever their number
      setMaxListeners(0, signal);
      signal.addEventListener('abort', onAbort, { once: true });
    }
    try {
      await Promise.race([answer, skipped]);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
    if (!signal.aborted) return answer;
    // the worker may have worked it all the same
    answer.then(undo, () => undefined);
    throw new AbortError(where, signal);
  }

  #prepare(session: Session, feeds: Readonly<Record<string, Feed>>, fetch: Readonly<Record<string, Fetch>>): { handles: Uint32Array; tensors: [number, Tensor][]; fetched: Uint32Array } {
    const edges = this.#edges.get(session.id)!;
    const where = `device ${this.name}, run of ${session.program}`;
    const handles: number[] = [];
    const tensors: [number, Tensor][] = [];
    checkAllFed(edges, feeds, where);
    for (const name in feeds) {
      const feed = feeds[name]!;
      if ('handle' in feed) {
        const { handle, rows } = feed;
        const { index } = inputFor(edges, name, handle.dtype, rows === undefined ? handle.shape : rowsShape(handle.shape, rows), where);
        handles.push(index, handle.id, rows ?? allRows);
      } else tensors.push([inputFor(edges, name, feed.dtype, feed.shape, where).index, feed]);
    }
    const fetched: number[] = [];
    for (const name in fetch) {
      const { index } = outputFor(edges, name, where);
      const how = fetch[name]!;
      if (typeof how === 'object') fetched.push(index, fetchAs.into, how.into.id, how.row);
      else fetched.push(index, fetchAs[how], how === 'handle' ? this.#ledger.nextId() : 0, 0);
    }
    return { handles: Uint32Array.from(handles), tensors, fetched: Uint32Array.from(fetched) };
  }

  #collect(names: readonly string[], fetched: Uint32Array, answer: Answers['run']): Record<string, Handle | Tensor> {
    const result: Record<string, Handle | Tensor> = {};
    for (const [i, name] of names.entries()) {
      const output = answer[i] ?? null;
      if (output === null) continue;
      result[name] = output.data !== undefined ? receiveTensor(output) : this.#ledger.addHandle(fetched[i * 4 + 2]!, output.dtype, output.shape);
    }
    return result;
  }

  async #store(dtype: DType, shape: Shape, data: (connection: Connection) => WireTensor['data'] | undefined): Promise<Handle> {
    const what = `write of ${dtype} ${shapeText(shape)}`;
    this.#ledger.checkRoom(bytesOf({ dtype, shape }), what);
    const id = this.#ledger.nextId();
    await this.#call({ what }, (connection): WriteCall => {
      const payload = data(connection);
      return { call: 'write', handle: id, dtype, shape, ...(payload === undefined ? {} : { data: payload }) };
    });
    return this.#ledger.addHandle(id, dtype, shape);
  }

  #fetchWire(handle: Handle, rows?: number): Promise<WireTensor> {
    const what = `read of ${handle.dtype} ${shapeText(handle.shape)}`;
    this.#ledger.check(handle, what);
    if (rows !== undefined) named(`device ${this.name}, ${what}`, () => rowsShape(handle.shape, rows));
    return this.#call({ what, epoch: handle.epoch }, (): ReadCall => ({ call: 'read', handle: handle.id, ...(rows === undefined ? {} : { rows }) }));
  }
}

/** Removes what a run made for a caller that no longer waits. */
function forgetRun(fetched: Uint32Array): (connection: Connection, answer: Answers['run']) => void {
  return (connection, answer) => {
    for (const output of answer) if (output?.data !== undefined) discard(output.data);
    const handles = fetchedHandles(fetched);
    if (connection.loss === undefined && handles.length > 0) connection.send({ call: 'free' }, { handles, sessions: [] }).answer.catch(() => undefined);
  };
}

function fetchedHandles(fetched: Uint32Array): number[] {
  const made: number[] = [];
  for (let i = 0; i < fetched.length; i += 4) if (fetched[i + 1] === fetchAs.handle) made.push(fetched[i + 2]!);
  return made;
}

function feedText(feed: Feed): string {
  if (!('handle' in feed)) return `${feed.dtype} ${shapeText(feed.shape)}`;
  const { handle, rows } = feed;
  return `${handle.dtype} ${shapeText(rows === undefined ? handle.shape : rowsShape(handle.shape, rows))}`;
}
