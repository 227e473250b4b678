// What the engine itself costs a node, from a run's first event to its last: nodes that compute nothing, side by side and in one long chain.
import { createEngine, type Engine } from '../../engine/exec/engine.ts';
import { openFiles } from '../../engine/exec/files.ts';
import type { RunEvent } from '../../engine/exec/events.ts';
import type { Graph, Input } from '../../engine/graph/graph.ts';
import { defineNode } from '../../engine/graph/node.ts';
import { createRegistry } from '../../engine/graph/registry.ts';
import { ANY, INT } from '../../engine/graph/types.ts';
import { median } from './measure.ts';
import type { Row } from './table.ts';

const rounds = 7;

const Start = defineNode({ type: 'Start', category: 'bench', inputs: { value: { type: INT } }, outputs: [{ name: 'value', type: INT }], run: ({ value }) => [value] });
const Add = defineNode({ type: 'Add', category: 'bench', inputs: { a: { type: INT }, b: { type: INT } }, outputs: [{ name: 'sum', type: INT }], run: ({ a, b }) => [a + b] });
const End = defineNode({ type: 'End', category: 'bench', output: true, wholeLists: true, inputs: {}, rest: { type: ANY }, outputs: [], run: () => [] });

type Written = Readonly<Record<string, readonly [node: string, output: number] | number>>;

function graphOf(nodes: Readonly<Record<string, readonly [type: string, inputs: Written]>>): Graph {
  const inputOf = (value: Written[string]): Input => (typeof value === 'number' ? { literal: BigInt(value) } : { link: { node: value[0], output: value[1] } });
  return { nodes: new Map(Object.entries(nodes).map(([id, [type, inputs]]) => [id, { id, type, inputs: new Map(Object.entries(inputs).map(([name, value]) => [name, inputOf(value)])) }])) };
}

/** `size` nodes, each fed by the one before. */
function chain(size: number, start: number): Graph {
  const middle = Array.from({ length: size - 2 }, (_, i) => [`n${i + 1}`, ['Add', { a: [`n${i}`, 0], b: 1 }]] as const);
  return graphOf({ n0: ['Start', { value: start }], ...Object.fromEntries(middle), end: ['End', { value: [`n${size - 2}`, 0] }] });
}

/** `size` nodes, nearly all between one source and one output. */
function fan(size: number, start: number): Graph {
  const middle = Array.from({ length: size - 2 }, (_, i) => [`n${i}`, ['Add', { a: ['start', 0], b: i }]] as const);
  return graphOf({ start: ['Start', { value: start }], ...Object.fromEntries(middle), end: ['End', Object.fromEntries(middle.map(([id]) => [id, [id, 0]]))] });
}

interface Times { readonly cold: number; readonly cached: number }

/** Microseconds a node, medians. */
async function measure(make: (size: number, start: number) => Graph, size: number): Promise<Times> {
  const engine = createEngine({ registry: createRegistry([{ name: 'bench', nodes: [Start, Add, End] }]), devices: new Map(), files: openFiles({ input: '.', output: '.', temp: '.', models: [] }) });
  const times = { cold: [] as number[], cached: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    for (const kind of ['cold', 'cached'] as const) {
      const ms = await spanOf(engine, make(size, round));
      if (round > 0) times[kind].push((ms * 1000) / size);
    }
  }
  return { cold: median(times.cold), cached: median(times.cached) };
}

/** Milliseconds from the first event to the last. */
async function spanOf(engine: Engine, graph: Graph): Promise<number> {
  let first: RunEvent | undefined;
  let last: RunEvent | undefined;
  await engine.run(graph, { emit: (event) => {
    first ??= event;
    last = event;
  } });
  return last!.at - first!.at;
}

export async function benchNodes(): Promise<Row[]> {
  const small = await measure(fan, 1000);
  const large = await measure(fan, 20_000);
  const deep = await measure(chain, 1000);
  const row = (name: string, value: number, unit: string, goal: string, note = ''): Row => ({ name, value, unit, goal, note });
  return (['cold', 'cached'] as const).flatMap((kind) => [
    row(`a node, ${kind}`, small[kind], 'µs', kind === 'cold' ? '≤ 40' : '≤ 8', '1,000 nodes side by side'),
    row(`a node of 20,000 over one of 1,000, ${kind}`, large[kind] / small[kind], '×', '≤ 1.5', `${large[kind].toFixed(1)} µs`),
    row(`a node of a chain of 1,000 over one side by side, ${kind}`, deep[kind] / small[kind], '×', '≤ 1.5', `${deep[kind].toFixed(1)} µs`),
  ]);
}
