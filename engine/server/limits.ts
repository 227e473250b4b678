// Limits of what one client, or all of them, may ask at once: rates by token buckets, counts, bytes. Knows no HTTP.

export interface Rate {
  /** What may come at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** More clients than these are forgotten, the one that asked longest ago first: its bucket is full again by then. */
const mostBuckets = 10_000;

/** A bucket for each client, full at first. */
export class Buckets {
  readonly #rate: Rate;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /** `now` gives milliseconds. */
  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
  }

  /** Takes one from the client's bucket. False when it is empty. */
  take(client: string): boolean {
    const bucket = this.#bucket(client);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  /** Whole seconds until the client may take one; 0 = now. */
  waitSeconds(client: string): number {
    const { tokens } = this.#bucket(client);
    return tokens >= 1 ? 0 : Math.max(1, Math.ceil((1 - tokens) / this.#rate.perSecond));
  }

  #bucket(client: string): { tokens: number; at: number } {
    const now = this.#now();
    const { burst, perSecond } = this.#rate;
    const known = this.#buckets.get(client) ?? { tokens: burst, at: now };
    this.#buckets.delete(client);
    known.tokens = Math.min(burst, known.tokens + ((now - known.at) / 1000) * perSecond);
    known.at = now;
    this.#buckets.set(client, known);
    if (this.#buckets.size > mostBuckets) this.#buckets.delete(this.#buckets.keys().next().value!);
    return known;
  }
}

/** Bytes that all may hold at once. */
export class ByteBudget {
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False, and nothing taken, when that would be too many. One alone is always let in. */
  take(bytes: number): boolean {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#limit) return false;
    this.#bytes += bytes;
    return true;
  }

  free(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Lets so many work at once; the others wait in line. */
export class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
