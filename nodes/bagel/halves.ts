// The experts of a language model are loaded when they are needed: reading and writing text takes the understanding one alone, about half the weights.
// Once something is drawn, whole pieces are loaded in place of the halves; from then on they serve everything. Knows no parts.
import type { Device, Session } from '../../engine/device/device.ts';

export class Halves {
  #onlyReads: boolean;
  #passes = 0;
  readonly #sessions = new Map<string, { readonly session: Session; readonly device: Device }>();

  /** `onlyReads`: nothing is known that will draw. */
  constructor(onlyReads: boolean) {
    this.#onlyReads = onlyReads;
  }

  /** A pass begins. True: it runs on the halves, and calls `leave` when done. */
  async enter(draws: boolean): Promise<boolean> {
    if (draws) this.#onlyReads = false;
    if (this.#onlyReads) {
      this.#passes++;
      return true;
    }
    await this.#dropUnused();
    return false;
  }

  /** A half that was loaded, and a device that can free it: another one may be the first to draw. */
  keep(session: Session, device: Device): void {
    this.#sessions.set(`${session.device} ${session.epoch} ${session.id}`, { session, device });
  }

  async leave(): Promise<void> {
    this.#passes--;
    await this.#dropUnused();
  }

  async #dropUnused(): Promise<void> {
    if (this.#onlyReads || this.#passes > 0 || this.#sessions.size === 0) return;
    const halves = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(halves.map(({ session, device }) => device.free([session])));
  }
}
