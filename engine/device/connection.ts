// One worker process and the calls that wait for it. Ends with the process; the device then makes another. Knows messages, not what they mean.
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Provider, WorkerOptions } from './backend.ts';
import { cudaLibraryPath } from './cuda.ts';
import { DeviceError } from './errors.ts';
import { forgetWorker, recordWorker } from './orphans.ts';
import type { Answers, Call, Freed, FromHost, FromWorker } from './protocol.ts';
import { Staging } from './staging.ts';

/** Why a connection ended, in words: `worker 4711 ended by SIGKILL`. */
export interface Loss {
  readonly reason: string;
}

interface Waiting {
  resolve(answer: never): void;
  reject(error: Error): void;
}

/** What keeps the event loop going; a child's output is a socket, which its type does not tell. */
interface Holding {
  ref?(): void;
  unref?(): void;
}

/** A call that a worker refused because it was cancelled before it began. */
export class Cancelled extends Error {}

const keptWords = 40;
const outOfMemory = ' (the system does that when memory runs out)';
const living = new Set<ChildProcess>();
// a host that ends by process.exit() would leave a worker running until the end of its native run
process.on('exit', () => { for (const child of living) child.kill('SIGKILL'); });

export class Connection {
  readonly staging: Staging;
  /** Settles when the worker answers its first message or has ended. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone, after every waiting call was rejected. */
  readonly ended: Promise<Loss>;
  readonly #child: ChildProcess;
  readonly #onLoss: () => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #words: string[] = [];
  #wordsSeen = 0;
  #nextId = 1;
  #loss: Loss | undefined;
  #endReason: string | undefined;
  #isEnding = false;

  /** `onLoss` is called before the waiting calls are rejected. */
  constructor(options: Omit<WorkerOptions, 'hostPid' | 'tag'>, onLoss: () => void) {
    this.#onLoss = onLoss;
    const tag = randomBytes(4).toString('hex');
    this.staging = new Staging(process.pid, tag, 'host');
    this.#child = fork(workerPath(), [JSON.stringify({ ...options, hostPid: process.pid, tag } satisfies WorkerOptions)], { serialization: 'advanced', execArgv: [], env: workerEnvironment(options.provider), stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    living.add(this.#child);
    if (this.#child.pid !== undefined) recordWorker(this.#child.pid);
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    }
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => { begin = resolve; });
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(this.#lose(`worker could not be started or reached: ${error.message}`)));
      this.#child.once('close', (code, signal) => resolve(this.#lose(`worker ${this.pid} ended ${signal === null ? `with exit code ${code}` : `by ${signal}${signal === 'SIGKILL' ? outOfMemory : ''}`}`)));
    });
    this.ready = Promise.race([begun, this.ended.then((loss) => { throw new DeviceError(loss.reason); })]);
    this.ready.catch(() => undefined);
    this.#child.on('message', (message: FromWorker) => ('ready' in message ? begin() : this.#settle(message)));
    this.holdHostOpen(false);
  }

  get pid(): number { return this.#child.pid ?? 0; }
  get loss(): Loss | undefined { return this.#loss; }

  /** Sends a call; calls are answered in the order they are sent. Rejects with the worker's message, with Cancelled, or when the worker ends. */
  send<C extends Call>(call: C, freed?: Freed): { readonly id: number; readonly answer: Promise<Answers[C['call']]> } {
    const id = this.#nextId++;
    const answer = new Promise<Answers[C['call']]>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
    });
    this.#post({ ...call, id, ...(freed === undefined ? {} : { freed }) });
    return { id, answer };
  }

  /** True if the call is the oldest without an answer, so that the worker has begun it or is about to. */
  isRunning(id: number): boolean {
    const [oldest] = this.#waiting.keys();
    return oldest === id;
  }

  /** Skips the call if the worker has not begun it; else ends its run, where the backend can. */
  cancel(id: number): void {
    this.#post({ call: 'cancel', id });
  }

  kill(reason?: string): void {
    this.#endReason ??= reason;
    this.#child.kill('SIGKILL');
  }

  /** Kills the worker and waits until it and its shared files are gone. */
  async end(): Promise<void> {
    this.holdHostOpen(true);
    this.#isEnding = true;
    this.kill('worker was closed');
    await this.ended;
  }

  /**
   * An idle worker must not keep its host alive: it ends when the channel closes. While a call waits, the process and its output are held
   * too: the channel of a killed worker closes first, and the host would end without having heard of the loss.
   */
  holdHostOpen(wanted: boolean): void {
    if (this.#isEnding) return;
    const { channel, stdout, stderr } = this.#child;
    for (const one of [this.#child, channel, stdout, stderr] as (Holding | null | undefined)[]) {
      if (wanted) one?.ref?.();
      else one?.unref?.();
    }
  }

  /** What the worker printed since the last time this was asked. ONNX Runtime prints causes that its exceptions do not carry. */
  news(): string[] {
    const news = this.#words.slice(Math.max(0, this.#words.length - this.#wordsSeen));
    this.#wordsSeen = 0;
    return news.slice(-8);
  }

  #post(message: FromHost): void {
    // a closed channel shows as the end of the process, which rejects every waiting call
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #settle(message: Exclude<FromWorker, { ready: true }>): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (waiting === undefined) return;
    if ('answer' in message) {
      this.#wordsSeen = 0;
      waiting.resolve(message.answer as never);
    } else waiting.reject(message.cancelled ? new Cancelled('cancelled') : new Error(message.error));
  }

  #hear(text: string): void {
    // ONNX Runtime colours its lines
    const lines = text.replace(/\x1b\[[\d;]*m/g, '').split('\n').filter((line) => line.trim() !== '');
    this.#words.push(...lines);
    this.#wordsSeen += lines.length;
    this.#words.splice(0, Math.max(0, this.#words.length - keptWords));
  }

  #lose(reason: string): Loss {
    if (this.#loss !== undefined) return this.#loss;
    living.delete(this.#child);
    forgetWorker(this.pid);
    const words = this.#words.slice(-8).join('\n');
    this.#loss = { reason: `${this.#endReason ?? reason}${words === '' ? '' : `; its last words:\n${words}`}` };
    this.#onLoss();
    for (const { reject } of this.#waiting.values()) reject(new Error(this.#loss.reason));
    this.#waiting.clear();
    this.staging.discardAll();
    return this.#loss;
  }

}

function workerEnvironment(provider: Provider): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, GLIBC_TUNABLES: tunables, ...rest } = process.env;
  // huge pages make fresh memory 3 times cheaper, and every output and temporary is fresh memory; ignored where there is no glibc >= 2.35
  return { ...rest, GLIBC_TUNABLES: [tunables, 'glibc.malloc.hugetlb=1'].filter(Boolean).join(':'), ...(provider === 'cuda' ? { LD_LIBRARY_PATH: cudaLibraryPath() } : {}) };
}

/** The compiled worker, from compiled code and from sources under test alike. */
function workerPath(): string {
  const here = import.meta.url;
  return fileURLToPath(new URL(here.endsWith('.ts') ? '../../dist/engine/device/worker.js' : './worker.js', here));
}
