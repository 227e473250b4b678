// The trace of a run: slices of one lane never overlap, expansions span what they made.
import { describe, expect, it } from 'vitest';
import { defineNode } from '../../engine/graph/node.ts';
import { INT } from '../../engine/graph/types.ts';
import { createTrace } from '../../engine/exec/trace.ts';
import { bench, graphOf } from './harness.ts';

interface Slice { name: string; ph: string; ts: number; dur?: number; tid: number; id?: string; args?: Record<string, unknown> }

const Twice = defineNode({
  type: 'Twice', category: 't', inputs: { n: { type: INT } }, outputs: [{ name: 'n', type: INT }],
  run({ n }, context) {
    context.count('pass');
    const build = context.expand();
    return build.finish([build.node('Add', { a: build.node('Sleep', { value: n, ms: 10 }).out(0), b: build.node('Sleep', { value: n, ms: 11 }).out(0) }).out(0)]);
  },
});

describe('trace', () => {
  it('has a lane each, slices, expansions and counters', async () => {
    const trace = createTrace();
    const { run } = bench([Twice]);
    const graph = graphOf({ 1: ['Number', { value: 4 }], 2: ['Twice', { n: ['1', 0] }], 3: ['Show', { value: ['2', 0] }] });
    await run(graph, { emit: trace.event });
    const { traceEvents } = JSON.parse(trace.json()) as { traceEvents: Slice[] };
    const lanes = new Map(traceEvents.filter(({ ph }) => ph === 'M').map(({ tid, args }) => [tid, args?.['name']]));
    expect([...lanes.values()].sort()).toEqual(['concurrent 1', 'concurrent 2', 'host']);
    const slices = traceEvents.filter(({ ph }) => ph === 'X');
    expect(slices.map(({ name, tid }) => `${name} on ${lanes.get(tid)}`).sort()).toEqual([
      'Add (2.0.3) on host', 'Number (1) on host', 'Show (3) on host', 'Sleep (2.0.1) on concurrent 2', 'Sleep (2.0.2) on concurrent 1', 'Twice (2) on host',
    ].sort());
    for (const a of slices) for (const b of slices) if (a !== b && a.tid === b.tid) expect(a.ts + a.dur! <= b.ts || b.ts + b.dur! <= a.ts).toBe(true);
    const [begin, end] = ['b', 'e'].map((ph) => traceEvents.find((event) => event.ph === ph && event.id === '2')!);
    for (const { name, ts, dur } of slices.filter(({ name }) => name.includes('2.0.'))) expect(ts >= begin!.ts && ts + dur! <= end!.ts, name).toBe(true);
    expect(traceEvents.find(({ ph }) => ph === 'C')?.args).toEqual({ pass: 1 });
  });

  it('closes what a failed run left open', async () => {
    const trace = createTrace();
    await bench([]).run(graphOf({ 1: ['Sleep', { value: 1, ms: 10_000 }], 2: ['Fail', { value: 1 }], 3: ['List', { a: ['1', 0], b: ['2', 0] }], 4: ['Show', { value: ['3', 0] }] }), { emit: trace.event });
    const { traceEvents } = JSON.parse(trace.json()) as { traceEvents: Slice[] };
    expect(traceEvents.filter(({ ph }) => ph === 'X').map(({ name, args }) => [name, args])).toEqual([
      ['Fail (2)', { node: '2', failed: 'it failed' }], ['Sleep (1)', { node: '1', ended: 'error' }],
    ]);
  });
});
