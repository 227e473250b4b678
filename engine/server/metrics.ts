// Counters, gauges and histograms in Prometheus' text format (version 0.0.4). Own code, for the library of that name brings tracing along.
// Knows nothing of what is counted.

export type Labels = Readonly<Record<string, string>>;

/** A label that clients could choose freely must not fill the memory: further values count as `other`. */
const mostSeries = 2000;

abstract class Family<V> {
  readonly #values = new Map<string, V>();

  protected value(labels: Labels): V {
    const written = keyOf(labels);
    const key = this.#values.size < mostSeries || this.#values.has(written) ? written : keyOf(Object.fromEntries(Object.keys(labels).map((name) => [name, 'other'])));
    let value = this.#values.get(key);
    if (value === undefined) this.#values.set(key, (value = this.first()));
    return value;
  }

  protected abstract first(): V;

  protected get values(): Iterable<readonly [key: string, value: V]> {
    return this.#values;
  }

  abstract lines(name: string): Iterable<string>;
}

export class Counter extends Family<{ count: number }> {
  protected first(): { count: number } {
    return { count: 0 };
  }

  add(labels: Labels = {}, by = 1): void {
    this.value(labels).count += by;
  }

  * lines(name: string): Iterable<string> {
    for (const [key, { count }] of this.values) yield `${name}${braced(key)} ${count}`;
  }
}

export class Histogram extends Family<{ readonly counts: number[]; sum: number; count: number }> {
  readonly #bounds: readonly number[];

  /** `bounds` are the upper ends of the buckets, rising. */
  constructor(bounds: readonly number[]) {
    super();
    this.#bounds = bounds;
  }

  protected first(): { readonly counts: number[]; sum: number; count: number } {
    return { counts: this.#bounds.map(() => 0), sum: 0, count: 0 };
  }

  observe(labels: Labels, measured: number): void {
    const value = this.value(labels);
    value.sum += measured;
    value.count++;
    const bucket = this.#bounds.findIndex((bound) => measured <= bound);
    if (bucket >= 0) value.counts[bucket]!++;
  }

  * lines(name: string): Iterable<string> {
    for (const [key, { counts, sum, count }] of this.values) {
      let below = 0;
      for (const [i, bound] of this.#bounds.entries()) yield `${name}_bucket${braced(key, `le="${bound}"`)} ${(below += counts[i]!)}`;
      yield `${name}_bucket${braced(key, 'le="+Inf"')} ${count}`;
      yield `${name}_sum${braced(key)} ${sum}`;
      yield `${name}_count${braced(key)} ${count}`;
    }
  }
}

/** A value that is asked for when someone looks. */
export type Sample = readonly [labels: Labels, value: number];
type Reader = () => Iterable<Sample> | Promise<Iterable<Sample>>;

interface Entry {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly lines: () => Iterable<string> | Promise<Iterable<string>>;
}

export class Metrics {
  readonly #entries: Entry[] = [];

  counter(name: string, help: string): Counter {
    const counter = new Counter();
    this.#entries.push({ name, type: 'counter', help, lines: () => counter.lines(name) });
    return counter;
  }

  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const histogram = new Histogram(bounds);
    this.#entries.push({ name, type: 'histogram', help, lines: () => histogram.lines(name) });
    return histogram;
  }

  /** What others count already. */
  read(name: string, type: 'counter' | 'gauge', help: string, samples: Reader): void {
    this.#entries.push({ name, type, help, lines: async () => [...(await samples())].map(([labels, value]) => `${name}${braced(keyOf(labels))} ${value}`) });
  }

  /** All of them, as Prometheus reads them. */
  async text(): Promise<string> {
    const blocks = await Promise.all(this.#entries.map(async ({ name, type, help, lines }) => {
      const written = [...(await lines())];
      return written.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${written.join('\n')}\n`;
    }));
    return blocks.join('');
  }
}

function keyOf(labels: Labels): string {
  return Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`).join(',');
}

function braced(...parts: readonly string[]): string {
  const labels = parts.filter((part) => part !== '').join(',');
  return labels === '' ? '' : `{${labels}}`;
}
