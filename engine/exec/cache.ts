// Results that outlive their run, by content key. The cached unit is slots, what was shown, and where it ran first.
// Which entries stay is the policy's; that they keep device memory alive is told to Lifetime.
import { totalmem } from 'node:os';
import type { Handle } from '../device/device.ts';
import { bytesOf } from '../tensor/tensor.ts';
import type { Json } from '../formats/json.ts';
import type { Place } from './events.ts';
import type { Carrier, Lifetime } from './lifetime.ts';
import type { Slots } from './lists.ts';

/**
 * bytes: least recently used under a budget (default: a quarter of the memory), models apart from it, by number (default 2).
 * classic: what occurs in the current prompt. lru: at most N entries, whole prompts at a time. none: nothing.
 */
export type CachePolicy =
  | { readonly policy: 'bytes'; readonly budgetBytes?: number; readonly models?: number }
  | { readonly policy: 'classic' }
  | { readonly policy: 'lru'; readonly entries: number }
  | { readonly policy: 'none' };

export interface Entry {
  readonly key: string;
  readonly slots: Slots;
  readonly shown: Json | undefined;
  readonly meta: Place;
  readonly carriers: readonly Carrier[];
}

interface Kept extends Entry {
  readonly hostBytes: number;
  readonly handles: readonly Handle[];
  /** Keys of the user's nodes it was made or used for; kept by the classic policy alone. */
  readonly roots: Set<string> | undefined;
  /** Number of the run that used it last, and of that use. */
  run: number;
  use: number;
}

/** What a run needs of the cache. */
export type RunCache = Pick<Cache, 'get' | 'set'>;

export interface CacheStats {
  readonly entries: number;
  readonly bytes: number;
}

export class Cache {
  readonly #policy: CachePolicy;
  readonly #lifetime: Lifetime;
  readonly #entries = new Map<string, Kept>();
  /** Entries that may be models: few among many, and looked through after every run. */
  readonly #carrying = new Set<Kept>();
  /** Handles that entries hold, each counted once however many share it. */
  readonly #handles = new Map<Handle, number>();
  #bytes = 0;
  #run = 0;
  #uses = 0;

  constructor(policy: CachePolicy, lifetime: Lifetime) {
    // ComfyUI's --cache-lru 0 means classic.
    this.#policy = policy.policy === 'lru' && policy.entries === 0 ? { policy: 'classic' } : policy;
    this.#lifetime = lifetime;
  }

  /** A run begins of nodes with these keys. */
  begin(plan: readonly { readonly key: string }[]): void {
    this.#run++;
    if (this.#policy.policy !== 'classic') return;
    const keys = new Set(plan.map(({ key }) => key));
    for (const entry of this.#entries.values()) {
      for (const root of entry.roots!) if (!keys.has(root)) entry.roots!.delete(root);
      if (entry.roots!.size === 0 && !keys.has(entry.key)) this.#drop(entry);
    }
  }

  /** The entry if it is there and its handles still live; `root` is the key of the user's node that asks. */
  get(key: string, root: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.carriers.length > 0 && !this.#lifetime.isAlive(entry.carriers)) {
      this.#drop(entry);
      return undefined;
    }
    entry.roots?.add(root);
    entry.run = this.#run;
    entry.use = this.#uses++;
    return entry;
  }

  /** This cache for a run that takes nothing from earlier ones but models. What it makes replaces what was there. */
  fresh(): RunCache {
    const made = new Set<string>();
    const mayTake = (key: string) => made.has(key) || (this.#entries.has(key) && this.#isModel(this.#entries.get(key)!));
    return {
      get: (key, root) => (mayTake(key) ? this.get(key, root) : undefined),
      set: (entry, root) => {
        made.add(entry.key);
        this.set(entry, root);
      },
    };
  }

  /** The entry as it is; looking does not count as use. */
  peek(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  set({ key, slots, shown, meta, carriers }: Entry, root: string): void {
    const { policy } = this.#policy;
    if (policy === 'none') return;
    const before = this.#entries.get(key);
    if (before !== undefined) this.#drop(before);
    const handles = carriers.length === 0 ? noHandles : this.#lifetime.held(carriers).filter((held) => held.kind === 'handle');
    const kept: Kept = {
      key, slots, shown, meta, carriers, handles, hostBytes: hostBytes(slots), roots: policy === 'classic' ? new Set([root]) : undefined, run: this.#run, use: this.#uses++,
    };
    this.#lifetime.retain(carriers);
    this.#entries.set(key, kept);
    if (carriers.length > 0) this.#carrying.add(kept);
    this.#bytes += kept.hostBytes;
    for (const handle of handles) {
      const count = this.#handles.get(handle) ?? 0;
      if (count === 0) this.#bytes += bytesOf(handle);
      this.#handles.set(handle, count + 1);
    }
    if (this.#policy.policy === 'bytes') this.#trimBytes(this.#policy.budgetBytes ?? defaultBudgetBytes);
  }

  /** The run is over. */
  end(): void {
    if (this.#policy.policy === 'bytes') this.#trimModels(this.#policy.models ?? 2);
    else if (this.#policy.policy === 'lru') this.#trimEntries(this.#policy.entries);
  }

  /** Drops models, other values, or (default) both. */
  clear({ models = true, values = true }: { readonly models?: boolean; readonly values?: boolean } = {}): void {
    for (const entry of this.#entries.values()) if (this.#isModel(entry) ? models : values) this.#drop(entry);
  }

  stats(): CacheStats {
    return { entries: this.#entries.size, bytes: this.#bytes };
  }

  #drop(entry: Kept): void {
    this.#entries.delete(entry.key);
    this.#carrying.delete(entry);
    this.#bytes -= entry.hostBytes;
    for (const handle of entry.handles) {
      const count = this.#handles.get(handle)! - 1;
      if (count > 0) {
        this.#handles.set(handle, count);
      } else {
        this.#handles.delete(handle);
        this.#bytes -= bytesOf(handle);
      }
    }
    this.#lifetime.release(entry.carriers);
  }

  /** Longest unused first until a tenth of the budget is free, so that this is seldom; models do not count. */
  #trimBytes(budgetBytes: number): void {
    if (this.#bytes <= budgetBytes) return;
    for (const entry of this.#byUse()) {
      // What may hold device memory but holds none yet is a model that has loaded nothing so far.
      if (!this.#isModel(entry) && (entry.carriers.length === 0 || entry.handles.length > 0)) this.#drop(entry);
      if (this.#bytes <= 0.9 * budgetBytes) return;
    }
  }

  /**
   * Whether a value is a model shows only once it has loaded a session, so this is asked late. A model that several entries hold
   * (of a node and of those it expanded into) counts once, and goes from all of them.
   */
  #trimModels(limit: number): void {
    if (this.#carrying.size <= limit) return;
    const byModel = new Map<Carrier, Kept[]>();
    for (const entry of [...this.#carrying].filter((one) => this.#isModel(one)).sort((a, b) => b.use - a.use)) {
      const model = entry.carriers[0]!;
      byModel.set(model, [...(byModel.get(model) ?? []), entry]);
    }
    for (const entry of [...byModel.values()].slice(limit).flat()) this.#drop(entry);
  }

  /** Whole generations go, oldest first; what the last run used stays, however much it is. */
  #trimEntries(limit: number): void {
    if (this.#entries.size <= limit) return;
    for (const entry of this.#byUse()) {
      if (this.#entries.size <= limit || entry.run === this.#run) return;
      this.#drop(entry);
    }
  }

  /** Longest unused first. */
  #byUse(): Kept[] {
    return [...this.#entries.values()].sort((a, b) => a.use - b.use);
  }

  #isModel(entry: Entry): boolean {
    return entry.carriers.length > 0 && this.#lifetime.held(entry.carriers).some(({ kind }) => kind === 'session');
  }
}

const noHandles: readonly Handle[] = [];
const defaultBudgetBytes = totalmem() / 4;

/** What an entry costs however small its values are, so that numbers alone cannot fill the memory. */
const entryBytes = 512;

/** Bytes of arrays and texts in host memory, near enough for a budget. */
function hostBytes(slots: Slots): number {
  let bytes = entryBytes;
  for (const slot of slots) {
    for (const value of slot) {
      if (typeof value === 'string') bytes += 2 * value.length;
      else if (typeof value === 'object' && value !== null) bytes += objectBytes(value);
    }
  }
  return bytes;
}

function objectBytes(root: object): number {
  let bytes = 0;
  let left = 10_000;
  const add = (value: unknown, depth: number): void => {
    if (typeof value === 'string') bytes += 2 * value.length;
    if (typeof value !== 'object' || value === null || left-- <= 0) return;
    if (ArrayBuffer.isView(value)) bytes += value.byteLength;
    else if (depth > 0) for (const item of value instanceof Map ? value.values() : Object.values(value)) add(item, depth - 1);
  };
  add(root, 4);
  return bytes;
}
