// Correctness of any graph (correctBuild of Build Systems à la Carte): what a run shows equals plain recursive evaluation, cold and cached;
// and long chains and wide fans.
import { describe, expect, it } from 'vitest';
import type { Graph, Link } from '../../engine/graph/graph.ts';
import { defineNode } from '../../engine/graph/node.ts';
import { INT } from '../../engine/graph/types.ts';
import { bench, graphOf, shown } from './harness.ts';

/** a·3 + b, now as a value, now as an expansion; b is asked for only when a is odd. */
const Mix = defineNode({
  type: 'Mix', category: 't', inputs: { a: { type: INT }, b: { type: INT, lazy: true } }, outputs: [{ name: 'v', type: INT }, { name: 'twice', type: INT }],
  needs: ({ a, b }) => (a! % 2 !== 0 && b === undefined ? ['b'] : []),
  run({ a, b }, context) {
    const value = mix(a, b);
    if (value % 3 !== 0) return [value, (2 * value) % modulus];
    const build = context.expand();
    const inner = build.node('Add', { a: build.node('Number', { value }).out(0), b: 0 });
    return build.finish([inner.out(0), (2 * value) % modulus]);
  },
});
const modulus = 1009;
const mix = (a: number, b: number): number => (a % 2 !== 0 ? (3 * a + b) % modulus : (3 * a + 1) % modulus);

/** mulberry32: the graphs are the same in every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function randomGraph(seed: number, size: number): Graph {
  const draw = random(seed);
  const pick = (below: number) => Math.floor(draw() * below);
  const nodes: Record<string, readonly [string, Record<string, unknown>]> = {};
  for (let i = 0; i < size; i++) {
    const link = (): unknown => {
      const node = pick(i);
      return [`n${node}`, nodes[`n${node}`]![0] === 'Mix' ? pick(2) : 0];
    };
    const input = () => (draw() < 0.2 ? pick(5) : link());
    nodes[`n${i}`] = i === 0 || draw() < 0.15 ? ['Number', { value: pick(5) }] : [draw() < 0.6 ? 'Mix' : 'Add', { a: input(), b: input() }];
  }
  for (let i = 0; i < 4; i++) nodes[`out${i}`] = ['Show', { value: [`n${pick(size)}`, 0] }];
  // written in any order
  return graphOf(Object.fromEntries(Object.entries(nodes).sort(() => draw() - 0.5)));
}

/** What the graph means, without an executor. */
function evaluate(graph: Graph, { node: id, output }: Link): number {
  const node = graph.nodes.get(id)!;
  const value = (name: string): number => {
    const input = node.inputs.get(name)!;
    return 'link' in input ? evaluate(graph, input.link) : Number(input.literal);
  };
  if (node.type === 'Number') return value('value');
  if (node.type === 'Add') return value('a') + value('b');
  const a = value('a');
  const v = mix(a, a % 2 !== 0 ? value('b') : 0);
  return output === 0 ? v : (2 * v) % modulus;
}

function meaning(graph: Graph): Record<string, string> {
  return Object.fromEntries([...graph.nodes].flatMap(([id, { type, inputs }]) => {
    const input = inputs.get('value');
    return type === 'Show' && input !== undefined && 'link' in input ? [[id, `{values: [${evaluate(graph, input.link)}]}`]] : [];
  }));
}

describe('any graph', () => {
  const policies = [{ policy: 'bytes' }, { policy: 'bytes', budgetBytes: 4000 }, { policy: 'classic' }, { policy: 'lru', entries: 20 }, { policy: 'none' }] as const;
  for (const cache of policies) {
    it(`means what plain evaluation says: ${Object.values(cache).join(' ')}`, async () => {
      const { run } = bench([Mix], { cache });
      for (let seed = 1; seed <= 30; seed++) {
        const graph = randomGraph(seed % 20, 14);
        const result = await run(graph);
        expect(result.failure).toBeUndefined();
        expect(shown(result), `seed ${seed}`).toEqual(meaning(graph));
      }
    });
  }
});

describe('large graphs', () => {
  const size = 20_000;
  const chain = (length: number, start: number) => graphOf(Object.fromEntries([
    ['n0', ['Number', { value: start }]],
    ...Array.from({ length: length - 2 }, (_, i) => [`n${i + 1}`, ['Add', { a: [`n${i}`, 0], b: 1 }]]),
    ['out', ['Show', { value: [`n${length - 2}`, 0] }]],
  ]));
  const fan = (width: number, start: number) => graphOf(Object.fromEntries([
    ['root', ['Number', { value: start }]],
    ...Array.from({ length: width - 3 }, (_, i) => [`n${i}`, ['Add', { a: ['root', 0], b: i }]]),
    ['all', ['List', Object.fromEntries(Array.from({ length: width - 3 }, (_, i) => [`i${i}`, [`n${i}`, 0]]))]],
    ['out', ['Count', { value: ['all', 0] }]],
  ]));
  const Count = defineNode({
    type: 'Count', category: 't', output: true, wholeLists: true, inputs: { value: { type: INT } }, outputs: [],
    run({ value }, context) {
      context.show(new Map([['values', [String((value as unknown as number[]).length)]]]));
      return [];
    },
  });

  // A cost that grows with the square of the nodes would run into the test's time limit; what a node costs is measured by npm run bench.
  for (const [name, make, answer] of [['chain', chain, `{values: [${size}]}`], ['fan', fan, `{values: [${size - 3}]}`]] as const) {
    it(`a ${name} of 20,000 nodes runs, and again from the cache`, async () => {
      const { engine } = bench([Count]);
      const start = name === 'chain' ? 2 : 0;
      for (const isCached of [false, true]) {
        const result = await engine.run(make(size, start));
        expect(Object.values(shown(result))[0]).toBe(answer);
        expect(result.timings.every(({ cached }) => cached === isCached)).toBe(true);
      }
    });
  }

  it('can be cancelled in the middle of a long chain', async () => {
    const controller = new AbortController();
    const { status, timings } = await bench([]).run(chain(size, 0), {
      signal: controller.signal,
      emit: (event) => void (event.kind === 'started' && setTimeout(() => controller.abort(), 20)),
    });
    expect(status).toBe('interrupted');
    expect(timings.length).toBeLessThan(size);
  });
});
