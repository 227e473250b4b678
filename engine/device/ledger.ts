// The host's account of what a device holds: it gives out ids, refuses handles that are freed, lost or of another device, and counts bytes.
// Needs no worker, so it can be asked while the worker is busy.
import { bytesOf, type Shape } from '../tensor/tensor.ts';
import type { DType } from '../tensor/dtype.ts';
import type { Feed, Fetch, Handle, Held, Session } from './device.ts';
import { bytesText, DeviceError, shapeText } from './errors.ts';
import { rowsShape } from './store.ts';

export class Ledger {
  readonly #device: string;
  readonly #limitBytes: number;
  readonly #handles = new Map<number, number>();
  readonly #sessions = new Map<number, string>();
  #bytes = 0;
  #nextId = 1;
  #epoch = 0;
  runs = 0;

  constructor(device: string, memoryLimitBytes = Infinity) {
    this.#device = device;
    this.#limitBytes = memoryLimitBytes;
  }

  get epoch(): number { return this.#epoch; }
  get handles(): { count: number; bytes: number } { return { count: this.#handles.size, bytes: this.#bytes }; }
  get sessions(): number { return this.#sessions.size; }

  nextId(): number {
    return this.#nextId++;
  }

  addHandle(id: number, dtype: DType, shape: Shape): Handle {
    const bytes = bytesOf({ dtype, shape });
    this.#handles.set(id, bytes);
    this.#bytes += bytes;
    return { kind: 'handle', id, device: this.#device, epoch: this.#epoch, dtype, shape };
  }

  addSession(id: number, program: string): Session {
    this.#sessions.set(id, program);
    return { kind: 'session', id, device: this.#device, epoch: this.#epoch, program };
  }

  /** Ids of those that are held; they count as freed from now on. */
  remove(held: readonly Held[]): { handles: number[]; sessions: number[] } {
    const handles: number[] = [];
    const sessions: number[] = [];
    for (const one of held) {
      if (!this.holds(one)) continue;
      if (one.kind === 'session') {
        this.#sessions.delete(one.id);
        sessions.push(one.id);
      } else {
        this.#bytes -= this.#handles.get(one.id)!;
        this.#handles.delete(one.id);
        handles.push(one.id);
      }
    }
    return { handles, sessions };
  }

  /** All that was held is gone with its worker. */
  nextEpoch(): void {
    this.#epoch++;
    this.#handles.clear();
    this.#sessions.clear();
    this.#bytes = 0;
  }

  holds(held: Held): boolean {
    return held.device === this.#device && held.epoch === this.#epoch && (held.kind === 'session' ? this.#sessions : this.#handles).has(held.id);
  }

  /** Throws unless the handle or session can be used; `what` says where it was given. */
  check(held: Held, what: string): void {
    if (this.holds(held)) return;
    const name = held.kind === 'session' ? `session ${held.program}` : `handle ${held.dtype} ${shapeText(held.shape)}`;
    const where = `device ${this.#device}, ${what}: ${name}`;
    if (held.device !== this.#device) throw new DeviceError(`${where} lives on ${held.device}; move it here first`);
    if (held.epoch !== this.#epoch) throw new DeviceError(`${where} was lost with worker ${held.epoch} of this device (now ${this.#epoch}); make it again`);
    throw new DeviceError(`${where} was freed before`);
  }

  /** Throws when `bytes` more would exceed the limit. */
  checkRoom(bytes: number, what: string): void {
    if (this.#bytes + bytes <= this.#limitBytes) return;
    throw new DeviceError(`device ${this.#device}, ${what}: ${bytesText(bytes)} asked, but ${bytesText(this.#bytes)} of ${bytesText(this.#limitBytes)} are in use; free values or raise the device's memory limit`);
  }

  checkRun(session: Session, feeds: Readonly<Record<string, Feed>>, fetch: Readonly<Record<string, Fetch>>): void {
    this.check(session, 'run');
    const at = `run of ${session.program}`;
    for (const name in feeds) {
      const feed = feeds[name]!;
      if (!('handle' in feed)) continue;
      this.check(feed.handle, `${at}, input ${name}`);
      if (feed.rows !== undefined) named(`device ${this.#device}, ${at}, input ${name}`, () => rowsShape(feed.handle.shape, feed.rows!));
    }
    let outputs = 0;
    for (const name in fetch) {
      const how = fetch[name]!;
      outputs++;
      if (typeof how !== 'object') continue;
      this.check(how.into, `${at}, output ${name}`);
      if (!Number.isInteger(how.row) || how.row < 0) throw new DeviceError(`device ${this.#device}, ${at}, output ${name}: ${how.row} is no row`);
    }
    if (outputs === 0) throw new DeviceError(`device ${this.#device}, ${at}: no output is fetched, so it would do nothing`);
    this.checkRoom(0, at);
  }
}

/** Runs `check` and puts `where` before the message of its error. */
export function named<T>(where: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new DeviceError(`${where}: ${(error as Error).message}`, { cause: error });
  }
}
