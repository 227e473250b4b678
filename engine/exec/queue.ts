// One run at a time, in the order they were asked for. Knows nothing of what runs.

export class Queue {
  #last: Promise<unknown> = Promise.resolve();
  #length = 0;

  /** Running and waiting. */
  get length(): number {
    return this.#length;
  }

  /** Runs `work` when all before it have ended, however they ended. */
  async add<T>(work: () => Promise<T>): Promise<T> {
    this.#length++;
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    try {
      return await done;
    } finally {
      this.#length--;
    }
  }
}
