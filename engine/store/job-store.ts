// Jobs in memory, with a disk behind them or none: one set of rules for both. What can be listed of a job always lies in memory; texts lie
// there too, but for old ones that a disk has. Knows no database.
import { StoreError } from './errors.ts';
import type { Ending, Job, JobQuery, JobState, JobTexts, NewJob, Retention, Store } from './store.ts';

/** A job as a disk keeps it beside its texts. */
export interface JobRow {
  /** Order of acceptance. */
  readonly seq: number;
  /** Order of final entries; 0 before. */
  readonly ending: number;
  readonly job: Job;
  readonly requestBytes: number;
  readonly resultBytes: number;
  readonly tempFiles: readonly string[];
}

/** What a disk is to take in one transaction. Those that are gone go first: an id may come again. */
export interface Changes {
  readonly gone: Iterable<number>;
  readonly rows: Iterable<JobRow>;
  /** Texts that it does not have yet, by seq. */
  readonly requests: ReadonlyMap<number, string>;
  readonly results: ReadonlyMap<number, string>;
  readonly settings: Settings | undefined;
}

export interface Settings {
  readonly isPaused: boolean;
  /** The largest number there has been, without sign and fraction. */
  readonly largest: bigint;
}

export interface Loaded {
  readonly rows: readonly JobRow[];
  readonly settings: Settings;
}

/** All methods throw what the disk says. */
export interface Disk {
  readonly folder: string;
  /** What was there when it was opened. Called once. */
  load(): Loaded;
  write(changes: Changes): void;
  texts(seq: number): JobTexts | undefined;
  close(): void;
}

export interface JobStoreOptions {
  readonly retention: Retention;
  readonly disk?: Disk | undefined;
  readonly log: (line: string) => void;
  /** Of texts that a disk has too. */
  readonly textCacheBytes?: number;
}

/** Recent entries are what clients ask for. */
const defaultTextCacheBytes = 32 * 2 ** 20;
const retryMs = 2000;
const pruneMs = 10 * 60_000;

interface Batch {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

export class JobStore implements Store {
  readonly #options: JobStoreOptions;
  readonly #open = new Map<string, JobRow>();
  /** In the order of their endings. */
  readonly #ended = new Map<string, JobRow>();
  /** By seq; with a disk the one used last is the last. */
  readonly #texts = new Map<number, JobTexts>();
  #textBytes = 0;
  #endedBytes = 0;
  #seq = 0;
  #ending = 0;
  #largest = -1n;
  #isPaused = false;

  readonly #changed = new Map<number, JobRow>();
  readonly #gone = new Set<number>();
  readonly #newRequests = new Map<number, string>();
  readonly #newResults = new Map<number, string>();
  #areSettingsNew = false;
  #batch: Batch | undefined;
  #timer: NodeJS.Immediate | undefined;
  #isClosed = false;
  readonly #pruning: NodeJS.Timeout;

  /** Throws what the disk throws. */
  constructor(options: JobStoreOptions) {
    this.#options = options;
    const { disk } = options;
    if (disk !== undefined) this.#load(disk);
    this.#prune();
    this.#pruning = setInterval(() => this.#prune(), pruneMs).unref();
  }

  get folder(): string | undefined {
    return this.#options.disk?.folder;
  }

  // ── writing ──

  add({ id, number, clientId, workflowId, createdAt, request }: NewJob): Job {
    if (this.get(id) !== undefined) throw new StoreError(`there is a job ${JSON.stringify(id)} already`);
    const job: Job = { id, number, state: 'waiting', ...(clientId === undefined ? {} : { clientId }), ...(workflowId === undefined ? {} : { workflowId }), createdAt, kills: 0, outputs: 0 };
    const row = { seq: ++this.#seq, ending: 0, job, requestBytes: Buffer.byteLength(request), resultBytes: 0, tempFiles: [] };
    this.#count(number);
    this.#keepTexts(row, { request });
    this.#markNew(this.#newRequests, row.seq, request);
    this.#put(row);
    return job;
  }

  start(id: string, at: number): void {
    this.#update(id, (job) => ({ ...job, state: 'running', startedAt: at }));
  }

  end(id: string, { state, endedAt, result, outputs = 0, preview, failure, tempFiles = [] }: Ending): void {
    const row = this.#open.get(id);
    if (row === undefined) return;
    const request = this.#texts.get(row.seq)?.request ?? this.#read(row)?.request ?? '';
    const job: Job = { ...row.job, state, endedAt, outputs, ...(preview === undefined ? {} : { preview }), ...(failure === undefined ? {} : { failure }) };
    const ended: JobRow = { ...row, job, ending: ++this.#ending, resultBytes: result === undefined ? 0 : Buffer.byteLength(result), tempFiles };
    this.#open.delete(id);
    if (result !== undefined) {
      this.#keepTexts(ended, { request, result });
      this.#markNew(this.#newResults, ended.seq, result);
    }
    this.#endedBytes += bytesOf(ended);
    this.#put(ended);
    this.#prune(id);
  }

  requeue(id: string, wasKilled = false): void {
    this.#update(id, ({ startedAt: _, ...job }) => ({ ...job, state: 'waiting', kills: job.kills + (wasKilled ? 1 : 0) }));
  }

  renumber(id: string, number: number, request: string): void {
    const row = this.#open.get(id);
    if (row?.job.state !== 'waiting') return;
    this.#count(number);
    const next = { ...row, job: { ...row.job, number }, requestBytes: Buffer.byteLength(request) };
    this.#keepTexts(next, { request });
    this.#markNew(this.#newRequests, row.seq, request);
    this.#put(next);
  }

  delete(ids: Iterable<string>): void {
    for (const id of ids) {
      const row = this.#ended.get(id);
      if (row !== undefined) this.#drop(row);
    }
  }

  clear(): void {
    this.delete([...this.#ended.keys()]);
  }

  forget(id: string): void {
    const row = this.#open.get(id) ?? this.#ended.get(id);
    if (row !== undefined) this.#drop(row);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  set isPaused(isPaused: boolean) {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    this.#areSettingsNew = true;
    this.#touch();
  }

  committed(): Promise<void> {
    return this.#batch?.promise ?? Promise.resolve();
  }

  close(): void {
    if (this.#isClosed) return;
    clearInterval(this.#pruning);
    if (this.#batch !== undefined) this.#flush();
    this.#isClosed = true;
    clearImmediate(this.#timer);
    this.#options.disk?.close();
  }

  // ── reading ──

  get(id: string): Job | undefined {
    return (this.#open.get(id) ?? this.#ended.get(id))?.job;
  }

  texts(id: string): JobTexts | undefined {
    const row = this.#open.get(id) ?? this.#ended.get(id);
    if (row === undefined) return undefined;
    const known = this.#texts.get(row.seq);
    if (known === undefined) return this.#read(row);
    if (this.#options.disk !== undefined) {
      this.#texts.delete(row.seq);
      this.#texts.set(row.seq, known);
    }
    return known;
  }

  open(): readonly Job[] {
    return [...this.#open.values()].sort((a, b) => a.seq - b.seq).map(({ job }) => job);
  }

  *ended(): Iterable<Job> {
    for (const { job } of this.#ended.values()) yield job;
  }

  list({ states, clientId, workflowId, sortBy = 'createdAt', ascending = false, offset = 0, limit = Infinity }: JobQuery = {}): { readonly jobs: readonly Job[]; readonly total: number } {
    const now = Date.now();
    const keyOf = (job: Job) => (sortBy === 'createdAt' ? job.createdAt : durationOf(job, now));
    const found = [...this.#ended.values(), ...this.#open.values()].filter(({ job }) => (states?.has(job.state) ?? true)
      && (clientId === undefined || job.clientId === clientId) && (workflowId === undefined || job.workflowId === workflowId));
    const sign = ascending ? 1 : -1;
    found.sort((a, b) => sign * (keyOf(a.job) - keyOf(b.job) || a.seq - b.seq));
    return { jobs: found.slice(offset, offset + limit).map(({ job }) => job), total: found.length };
  }

  get nextNumber(): bigint {
    return this.#largest + 1n;
  }

  tempFiles(): ReadonlySet<string> {
    return new Set([...this.#ended.values()].flatMap(({ tempFiles }) => tempFiles));
  }

  // ── rows and texts ──

  #load(disk: Disk): void {
    const { rows, settings } = disk.load();
    this.#isPaused = settings.isPaused;
    this.#largest = settings.largest;
    for (const row of [...rows].sort((a, b) => a.ending - b.ending || a.seq - b.seq)) {
      (isFinal(row.job.state) ? this.#ended : this.#open).set(row.job.id, row);
      if (isFinal(row.job.state)) this.#endedBytes += bytesOf(row);
      this.#seq = Math.max(this.#seq, row.seq);
      this.#ending = Math.max(this.#ending, row.ending);
      this.#count(row.job.number);
    }
  }

  #count(number: number): void {
    const whole = Math.floor(Math.abs(number));
    if (Number.isSafeInteger(whole) && BigInt(whole) > this.#largest) this.#largest = BigInt(whole);
  }

  #update(id: string, change: (job: Job) => Job): void {
    const row = this.#open.get(id);
    if (row !== undefined) this.#put({ ...row, job: change(row.job) });
  }

  /** For the next transaction; without a disk there is none, and nothing may pile up for it. */
  #markNew(texts: Map<number, string>, seq: number, text: string): void {
    if (this.#options.disk !== undefined) texts.set(seq, text);
  }

  #put(row: JobRow): void {
    (isFinal(row.job.state) ? this.#ended : this.#open).set(row.job.id, row);
    if (this.#options.disk === undefined) return;
    this.#changed.set(row.seq, row);
    this.#touch();
  }

  #drop(row: JobRow): void {
    this.#open.delete(row.job.id);
    if (this.#ended.delete(row.job.id)) this.#endedBytes -= bytesOf(row);
    this.#dropTexts(row.seq);
    if (this.#options.disk === undefined) return;
    for (const kept of [this.#changed, this.#newRequests, this.#newResults]) kept.delete(row.seq);
    this.#gone.add(row.seq);
    this.#areSettingsNew = true; // what the largest number was cannot be read from the rows any more
    this.#touch();
  }

  /** Drops old entries, but never the one that has just come. */
  #prune(newest?: string): void {
    const { ageMs, bytes, jobs } = this.#options.retention;
    const oldestAllowed = Date.now() - ageMs;
    for (const [id, row] of this.#ended) {
      if (id === newest || (this.#ended.size <= jobs && this.#endedBytes <= bytes && row.job.endedAt! >= oldestAllowed)) return;
      this.#drop(row);
    }
  }

  #keepTexts({ seq }: JobRow, texts: JobTexts): void {
    this.#dropTexts(seq);
    this.#texts.set(seq, texts);
    this.#textBytes += lengthOf(texts);
  }

  #dropTexts(seq: number): void {
    const texts = this.#texts.get(seq);
    if (texts === undefined) return;
    this.#textBytes -= lengthOf(texts);
    this.#texts.delete(seq);
  }

  #read(row: JobRow): JobTexts | undefined {
    try {
      const texts = this.#options.disk?.texts(row.seq);
      if (texts !== undefined) this.#keepTexts(row, texts);
      this.#trimTexts();
      return texts;
    } catch (error) {
      this.#options.log(`job ${row.job.id} cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Only texts that the disk has may go. */
  #trimTexts(): void {
    const most = this.#options.textCacheBytes ?? defaultTextCacheBytes;
    if (this.#textBytes <= most) return;
    for (const seq of this.#texts.keys()) {
      if (this.#textBytes <= most) return;
      if (!this.#newRequests.has(seq) && !this.#newResults.has(seq)) this.#dropTexts(seq);
    }
  }

  // ── the disk ──

  /** What is changed in this turn of the event loop is written at its end. */
  #touch(): void {
    if (this.#options.disk === undefined || this.#batch !== undefined || this.#isClosed) return; // once closed, a run that was left behind changes nothing
    this.#batch = newBatch();
    this.#timer = setImmediate(() => this.#flush());
  }

  #flush(): void {
    const batch = this.#batch!;
    this.#batch = undefined;
    clearImmediate(this.#timer);
    try {
      this.#options.disk!.write({
        gone: this.#gone, rows: this.#changed.values(), requests: this.#newRequests, results: this.#newResults,
        settings: this.#areSettingsNew ? { isPaused: this.#isPaused, largest: this.#largest } : undefined,
      });
      for (const kept of [this.#gone, this.#changed, this.#newRequests, this.#newResults]) kept.clear();
      this.#areSettingsNew = false;
      this.#trimTexts();
      batch.resolve();
    } catch (error) {
      this.#options.log(`${(error as Error).message}; it is tried again`);
      batch.reject(error);
      setTimeout(() => { if (!this.#isClosed) this.#touch(); }, retryMs).unref();
    }
  }
}

function newBatch(): Batch {
  const { promise, resolve, reject } = withResolvers();
  promise.catch(() => undefined); // whoever waits for it hears of it
  return { promise, resolve, reject };
}

function withResolvers(): Batch {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}

function isFinal(state: JobState): boolean {
  return state !== 'waiting' && state !== 'running';
}

function bytesOf({ requestBytes, resultBytes }: JobRow): number {
  return requestBytes + resultBytes;
}

function lengthOf({ request, result = '' }: JobTexts): number {
  return request.length + result.length;
}

function durationOf({ startedAt, endedAt }: Job, now: number): number {
  return startedAt === undefined ? 0 : (endedAt ?? now) - startedAt;
}
