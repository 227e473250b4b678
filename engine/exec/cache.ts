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
  /** Keys of the user's nodes it was made or used for. */
  readonly roots: Set<string>;
  /** Number of the run that used it last. */
  run: number;
}

export interface CacheStats {
  readonly entries: number;
  readonly bytes: number;
}

export class Cache {
  readonly #policy: CachePolicy;
  readonly #lifetime: Lifetime;
  /** In the order of last use. */
  readonly #entries = new Map<string, Kept>();
  /** Handles that entries hold, each counted once however many share it. */
  readonly #handles = new Map<Handle, number>();
  #bytes = 0;
  #run = 0;

  constructor(policy: CachePolicy, lifetime: Lifetime) {
    // ComfyUI's --cache-lru 0 means classic.
    this.#policy = policy.policy === 'lru' && policy.entries === 0 ? { policy: 'classic' } : policy;
    this.#lifetime = lifetime;
  }

  /** A run begins whose nodes have these keys. */
  begin(keys: ReadonlySet<string>): void {
    this.#run++;
    if (this.#policy.policy !== 'classic') return;
    for (const entry of this.#entries.values()) {
      for (const root of entry.roots) if (!keys.has(root)) entry.roots.delete(root);
      if (entry.roots.size === 0 && !keys.has(entry.key)) this.#drop(entry);
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
    entry.roots.add(root);
    entry.run = this.#run;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  set(entry: Entry, root: string): void {
    if (this.#policy.policy === 'none') return;
    const before = this.#entries.get(entry.key);
    if (before !== undefined) this.#drop(before);
    const handles = this.#lifetime.held(entry.carriers).filter((held) => held.kind === 'handle');
    const kept: Kept = { ...entry, handles, hostBytes: hostBytes(entry.slots), roots: new Set([root]), run: this.#run };
    this.#lifetime.retain(entry.carriers);
    this.#entries.set(entry.key, kept);
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

  /** Oldest first until the budget holds; models do not count. */
  #trimBytes(budgetBytes: number): void {
    if (this.#bytes <= budgetBytes) return;
    for (const entry of this.#entries.values()) {
      if (this.#bytes <= budgetBytes) return;
      // What may hold device memory but holds none yet is a model that has loaded nothing so far.
      if (!this.#isModel(entry) && (entry.carriers.length === 0 || entry.handles.length > 0)) this.#drop(entry);
    }
  }

  /** Whether a value is a model shows only once it has loaded a session, so this is asked late. */
  #trimModels(limit: number): void {
    const models = [...this.#entries.values()].filter((entry) => this.#isModel(entry));
    for (const entry of models.slice(0, Math.max(0, models.length - limit))) this.#drop(entry);
  }

  /** Whole generations go, oldest first; what the last run used stays, however much it is. */
  #trimEntries(limit: number): void {
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= limit || entry.run === this.#run) return;
      this.#drop(entry);
    }
  }

  #isModel(entry: Entry): boolean {
    return entry.carriers.length > 0 && this.#lifetime.held(entry.carriers).some(({ kind }) => kind === 'session');
  }
}

const defaultBudgetBytes = totalmem() / 4;

/** What an entry costs however small its values are, so that numbers alone cannot fill the memory. */
const entryBytes = 512;

/** Bytes of arrays and texts in host memory, near enough for a budget. */
function hostBytes(slots: Slots): number {
  let bytes = entryBytes;
  let left = 10_000;
  const add = (value: unknown, depth: number): void => {
    if (typeof value === 'string') bytes += 2 * value.length;
    if (typeof value !== 'object' || value === null || left-- <= 0) return;
    if (ArrayBuffer.isView(value)) bytes += value.byteLength;
    else if (depth > 0) for (const item of value instanceof Map ? value.values() : Object.values(value)) add(item, depth - 1);
  };
  for (const slot of slots) for (const value of slot) add(value, 4);
  return bytes;
}
