// Time that is only reckoned: who waits for a moment is woken in the order of moments, each time everyone else has nothing left to do.
// What runs on it overlaps and waits as it would on real devices, in a fraction of the time and the same every time.

interface Waiting {
  readonly at: number;
  wake(): void;
}

export class Clock {
  #now = 0;
  /** The earliest last. */
  readonly #waiting: Waiting[] = [];
  #isArmed = false;

  /** Seconds since the start. */
  get now(): number { return this.#now; }

  /** Resolves when the clock shows `at` seconds. */
  until(at: number): Promise<void> {
    return new Promise((wake) => {
      const index = this.#waiting.findLastIndex((other) => other.at > at);
      this.#waiting.splice(index + 1, 0, { at, wake });
      this.#arm();
    });
  }

  #arm(): void {
    if (this.#isArmed || this.#waiting.length === 0) return;
    this.#isArmed = true;
    setImmediate(() => {
      this.#isArmed = false;
      const { at, wake } = this.#waiting.pop()!;
      this.#now = Math.max(this.#now, at);
      wake();
      this.#arm();
    });
  }
}
