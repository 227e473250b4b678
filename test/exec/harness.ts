// Small nodes and a way to write graphs as text, so that a test of the executor is a graph and the log of its events.
import { onTestFinished } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, type RunOptions, type RunResult } from '../../engine/exec/engine.ts';
import type { CachePolicy } from '../../engine/exec/cache.ts';
import type { RunEvent } from '../../engine/exec/events.ts';
import { openFiles } from '../../engine/exec/files.ts';
import type { Devices } from '../../engine/device/device.ts';
import type { Graph, GraphNode, Input, Literal } from '../../engine/graph/graph.ts';
import { defineNode, type AnyNode, type Files } from '../../engine/graph/node.ts';
import { createRegistry } from '../../engine/graph/registry.ts';
import { ANY, INT } from '../../engine/graph/types.ts';

export type Written = Literal | readonly [node: string, output: number] | { readonly literal: Literal };

/** A graph from `{id: [type, {input: value}]}`; `['id', 0]` is a link, a number with no fraction an integer. */
export function graphOf(nodes: Readonly<Record<string, readonly [type: string, inputs?: Readonly<Record<string, unknown>>, more?: Partial<GraphNode>]>>): Graph {
  return {
    nodes: new Map(Object.entries(nodes).map(([id, [type, inputs = {}, more = {}]]) => [id, {
      id, type, inputs: new Map(Object.entries(inputs).map(([name, value]) => [name, inputOf(value)])), ...more,
    }])),
  };
}

function inputOf(value: unknown): Input {
  if (Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number') return { link: { node: value[0], output: value[1] } };
  if (typeof value === 'object' && value !== null && 'literal' in value) return value as Input;
  return { literal: typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value as Literal };
}

/** One number. */
export const Number_ = defineNode({ type: 'Number', category: 't', inputs: { value: { type: INT } }, outputs: [{ name: 'value', type: INT }], run: ({ value }) => [value] });

export const Add = defineNode({
  type: 'Add', category: 't', inputs: { a: { type: INT }, b: { type: INT } }, outputs: [{ name: 'sum', type: INT }], run: ({ a, b }) => [a + b],
});

/** Shows what it gets. */
export const Show = defineNode({
  type: 'Show', category: 't', output: true, inputs: { value: { type: ANY } }, outputs: [],
  run({ value }, context) {
    context.show(new Map([['values', [String(value)]]]));
    return [];
  },
});

export const List = defineNode({
  type: 'List', category: 't', inputs: {}, rest: { type: ANY }, outputs: [{ name: 'items', type: ANY, list: true }], wholeLists: true,
  run: (inputs) => [Object.values(inputs as Record<string, readonly unknown[]>).flat()],
});

/** Throws. */
export const Fail = defineNode({
  type: 'Fail', category: 't', inputs: { value: { type: ANY }, message: { type: ANY, optional: true } }, outputs: [{ name: 'value', type: ANY }],
  run({ message }): [unknown] {
    throw new RangeError(String(message ?? 'it failed'));
  },
});

/** Takes a while without taking a lane. */
export const Sleep = defineNode({
  type: 'Sleep', category: 't', concurrent: true, inputs: { value: { type: ANY }, ms: { type: INT } }, outputs: [{ name: 'value', type: ANY }],
  async run({ value, ms }, { signal }) {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(new Error('aborted'));
      });
    });
    return [value];
  },
});

export const basics = [Number_, Add, Show, List, Fail, Sleep];

export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'bagelgraph-exec-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function filesIn(root: string): Files {
  return openFiles({ input: join(root, 'input'), output: join(root, 'output'), temp: join(root, 'temp') });
}

export interface Bench {
  readonly engine: Engine;
  /** Runs the graph; the log of its events stands in `log` afterwards. */
  run(graph: Graph, options?: RunOptions): Promise<RunResult & { readonly log: readonly string[]; readonly events: readonly RunEvent[] }>;
}

export function bench(nodes: readonly AnyNode[], options: { devices?: Devices; cache?: CachePolicy; files?: Files } = {}): Bench {
  const engine = createEngine({ registry: createRegistry([{ name: 'test', nodes: [...basics, ...nodes] }]), devices: new Map(), files: filesIn('/nowhere'), ...options });
  return {
    engine,
    async run(graph, runOptions = {}) {
      const events: RunEvent[] = [];
      const result = await engine.run(graph, {
        ...runOptions,
        emit(event) {
          events.push(event);
          runOptions.emit?.(event);
        },
      });
      return { ...result, events, log: events.map(line) };
    },
  };
}

/** An event as a line; what differs from run to run is left out. */
export function line(event: RunEvent): string {
  switch (event.kind) {
    case 'started': return `started ${event.targets.join(' ')}`;
    case 'hits': return `hits ${event.nodes.join(' ')}`;
    case 'ended': return `ended ${event.status}`;
    case 'begun': return `begun ${event.node}`;
    case 'attempt': return `attempt ${event.attempt} ${event.node}`;
    case 'shown': return `shown ${event.node} ${text(event.ui)}`;
    case 'reused': return `reused ${event.node} ${text(event.ui)}`;
    case 'finished': return `finished ${event.node}${event.cached ? ' cached' : ''}`;
    case 'expanded': return `expanded ${event.node} ${event.nodes.join(' ')}`;
    case 'blocked': return `blocked ${event.node} call ${event.call}: ${event.message}`;
    case 'failed': return `failed ${event.node}: ${event.message}`;
    case 'progress': return `progress ${event.node} ${event.value}/${event.max}`;
    case 'text': return `text ${event.node} ${event.delta}`;
    case 'notice': return `notice ${event.node} ${event.message}`;
    case 'counted': return `counted ${event.name} ${event.by}`;
    case 'moved': return `moved ${event.bytes} ${event.from} ${event.to}`;
    case 'interrupted': return `interrupted ${event.node}`;
  }
}

function text(value: Literal): string {
  if (value instanceof Map) return `{${[...value].map(([key, item]) => `${key}: ${text(item)}`).join(', ')}}`;
  return Array.isArray(value) ? `[${value.map(text).join(', ')}]` : String(value);
}

/** What the output nodes showed, by node. */
export function shown({ outputs }: RunResult): Record<string, string> {
  return Object.fromEntries([...outputs].map(([id, { ui }]) => [id, text(ui)]));
}
