// Runs in the order they were asked for, so many at a time; work that must be alone waits for those before it and holds up those behind it.
// Knows nothing of what runs.

interface Waiting {
  readonly isAlone: boolean;
  start(): void;
}

export class Queue {
  readonly #capacity: number;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #runsAlone = false;

  constructor(capacity = 1) {
    this.#capacity = capacity;
  }

  /** Running and waiting. */
  get length(): number {
    return this.#running + this.#waiting.length;
  }

  /** Runs `work` when its turn comes, whatever becomes of the others. */
  add<T>(work: () => Promise<T>): Promise<T> {
    return this.#enter(work, false);
  }

  /** Runs `work` while nothing else does. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#enter(work, true);
  }

  async #enter<T>(work: () => Promise<T>, isAlone: boolean): Promise<T> {
    await new Promise<void>((start) => {
      this.#waiting.push({ isAlone, start });
      this.#next();
    });
    try {
      return await work();
    } finally {
      this.#running--;
      this.#runsAlone = false;
      this.#next();
    }
  }

  #next(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#runsAlone || this.#running >= (first.isAlone ? 1 : this.#capacity)) return;
      this.#waiting.shift();
      this.#running++;
      this.#runsAlone = first.isAlone;
      first.start();
    }
  }
}
