// How long values keep device memory. Values are counted by those who hold them (the run, the cache); when the last lets go,
// what the value holds then is freed, unless another living value holds it too. A value's `held` may grow while it lives (a model loads sessions).
import type { Devices, Held } from '../device/device.ts';
import type { OutputSpecs } from '../graph/node.ts';
import type { Slots } from './lists.ts';

type HeldOf = (value: unknown) => readonly Held[];

/** A value that keeps device memory alive. */
export type Carrier = object;

const none: readonly Carrier[] = [];
const containerDepth = 3;
const containerItems = 1000;

export class Lifetime {
  readonly #devices: Devices;
  /** How to ask a value that some output declared to be of a type with `held`, wherever it turns up later. */
  readonly #heldOf = new WeakMap<Carrier, HeldOf>();
  readonly #holders = new Map<Carrier, number>();
  #dying = new Set<Carrier>();
  #knowsCarriers = false;
  #users = 0;

  constructor(devices: Devices) {
    this.#devices = devices;
  }

  get hasDying(): boolean {
    return this.#dying.size > 0;
  }

  /** A node runs, of whichever run. */
  beginUse(): void {
    this.#users++;
  }

  endUse(): void {
    this.#users--;
  }

  get isInUse(): boolean {
    return this.#users > 0;
  }

  /** The values in `slots` that keep device memory alive: by the declared type, by what is known of the value, or inside lists and plain objects. */
  carriers(slots: Slots, outputs: OutputSpecs): readonly Carrier[] {
    let found: Set<Carrier> | undefined;
    for (let i = 0; i < slots.length; i++) {
      const type = outputs[i]?.type;
      for (const value of slots[i]!) {
        if (typeof value !== 'object' || value === null) continue;
        if (type?.held !== undefined) this.#learn(value, (carrier) => type.held!(carrier));
        if (this.#knowsCarriers) this.#collect(value, containerDepth, (found ??= new Set()));
      }
    }
    return found === undefined || found.size === 0 ? none : [...found];
  }

  /** Like `carriers`, of one value and the type of the input or output it goes to. */
  carriersOf(value: unknown, type: OutputSpecs[number]['type'] | undefined): readonly Carrier[] {
    if (typeof value !== 'object' || value === null) return none;
    if (type?.held !== undefined) this.#learn(value, (carrier) => type.held!(carrier));
    if (!this.#knowsCarriers) return none;
    const found = new Set<Carrier>();
    this.#collect(value, containerDepth, found);
    return [...found];
  }

  /** What the carriers hold now. */
  held(carriers: readonly Carrier[]): readonly Held[] {
    return carriers.length === 0 ? [] : carriers.flatMap((carrier) => this.#heldOf.get(carrier)!(carrier));
  }

  /** False when a handle of the carriers was lost with its worker or freed. A lost session is no loss: it is loaded again. */
  isAlive(carriers: readonly Carrier[]): boolean {
    return this.held(carriers).every((held) => held.kind === 'session' || this.#devices.get(held.device)?.holds(held) === true);
  }

  retain(carriers: readonly Carrier[]): void {
    for (const carrier of carriers) {
      this.#holders.set(carrier, (this.#holders.get(carrier) ?? 0) + 1);
      this.#dying.delete(carrier);
    }
  }

  release(carriers: readonly Carrier[]): void {
    for (const carrier of carriers) {
      const holders = this.#holders.get(carrier)! - 1;
      if (holders > 0) {
        this.#holders.set(carrier, holders);
      } else {
        this.#holders.delete(carrier);
        this.#dying.add(carrier);
      }
    }
  }

  /** Frees what released values held; while a node runs nothing, for it may use what it found without being given it. */
  async flush(): Promise<void> {
    if (this.isInUse) return;
    const dying = [...this.#dying];
    this.#dying = new Set();
    const rest = this.held(dying);
    if (rest.length === 0) return;
    const living = new Set<number>();
    const deviceIndex = new Map([...this.#devices.keys()].map((name, i) => [name, i]));
    // One number for each handle and session: ids are given out by device, so the device's place is mixed in.
    const identity = ({ device, id, kind, epoch }: Held) => ((epoch * 64 + (deviceIndex.get(device) ?? 63)) * 2 + (kind === 'session' ? 1 : 0)) * 2 ** 32 + id;
    for (const carrier of this.#holders.keys()) for (const held of this.#heldOf.get(carrier)!(carrier)) living.add(identity(held));
    const byDevice = new Map<string, Map<number, Held>>();
    for (const held of rest) {
      const key = identity(held);
      if (living.has(key)) continue;
      let ofDevice = byDevice.get(held.device);
      if (ofDevice === undefined) byDevice.set(held.device, (ofDevice = new Map()));
      ofDevice.set(key, held);
    }
    await Promise.all([...byDevice].map(([name, held]) => this.#devices.get(name)?.free([...held.values()])));
  }

  #learn(value: Carrier, held: HeldOf): void {
    if (!this.#heldOf.has(value)) this.#heldOf.set(value, held);
    this.#knowsCarriers = true;
  }

  #collect(value: unknown, depth: number, found: Set<Carrier>): void {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
    if (this.#heldOf.has(value)) {
      found.add(value);
    } else if (depth > 0) {
      const items = Array.isArray(value) ? value : value instanceof Map ? [...value.values()] : isPlain(value) ? Object.values(value) : [];
      if (items.length <= containerItems) for (const item of items) this.#collect(item, depth - 1, found);
    }
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
