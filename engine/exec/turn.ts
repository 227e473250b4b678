// Gives the event loop its turn now and then, so that a long row of quick nodes does not keep the process from hearing an interrupt.
import { setImmediate } from 'node:timers/promises';

const sliceMs = 10;

export class Turn {
  #since = performance.now();

  /** True when the event loop has waited long enough. */
  get isDue(): boolean {
    return performance.now() - this.#since > sliceMs;
  }

  /** Waits for the event loop if that is due. */
  async give(): Promise<void> {
    if (!this.isDue) return;
    await setImmediate();
    this.#since = performance.now();
  }
}
