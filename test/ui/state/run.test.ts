// The fold of runs, fed with the events of a real engine as they go over the wire: in order, twice, with gaps, and all of a failure.
import { describe, expect, test } from 'vitest';
import type { RunEvent as EngineEvent } from '../../../engine/exec/events.ts';
import { defineNode } from '../../../engine/graph/node.ts';
import { INT, SEED, STRING } from '../../../engine/graph/types.ts';
import { eventJson } from '../../../engine/server/comfy/messages.ts';
import { applyEvent, applyPreview, forgetRun, hasGap, noRuns, skipGap, type RunEvent, type RunState } from '../../../ui/state/run.ts';
import { readRunEvent, readRunEventText } from '../../../ui/state/run-events.ts';
import { failedNode, nodeRunAt, runningNodes, seedOf, totalsAfter, totalsOf, type RunTotals } from '../../../ui/state/run-view.ts';
import { bench, graphOf } from '../../exec/harness.ts';

/** Counts to three and says so, inside an expansion. */
const Count = defineNode({
  type: 'Count', category: 't', inputs: { to: { type: INT }, seed: { type: SEED } }, outputs: [{ name: 'count', type: INT }],
  async run({ to }, context) {
    for (let i = 1n; i <= to; i++) {
      context.text(`${i} `);
      await context.progress(Number(i), Number(to));
    }
    return [to];
  },
});
const Outer = defineNode({
  type: 'Outer', category: 't', inputs: { to: { type: INT }, label: { type: STRING, optional: true } }, outputs: [{ name: 'count', type: INT }],
  run({ to }, context) {
    const build = context.expand();
    return build.finish([build.node('Count', { to, seed: 7n }, { id: 'inner' }).out(0)]);
  },
});

const overWire = (events: readonly EngineEvent[]): readonly RunEvent[] => events.map((event) => readRunEventText(`{"type":"bagelgraph","data":${eventJson(event)}}`)!);
const foldAll = (events: readonly RunEvent[], start: RunState = noRuns) => events.reduce(applyEvent, start);
const graph = graphOf({ 1: ['Outer', { to: 3 }], 2: ['Count', { to: ['1', 0], seed: { literal: 18_446_744_073_709_551_615n } }], 3: ['Show', { value: ['2', 0] }] });
const lab = () => bench([Count, Outer]);
const only = (state: RunState) => state.runs[state.current!]!;

describe('a run that succeeds', () => {
  test('ends with every node told', async () => {
    const events = overWire((await lab().run(graph)).events);
    const run = only(foldAll(events));
    expect(run.status).toBe('success');
    expect(Object.fromEntries(Object.entries(run.nodes).map(([id, { status, text }]) => [id, [status, text]]))).toEqual({ 1: ['finished', '1 2 3 '], 2: ['finished', '1 2 3 '], 3: ['finished', undefined] });
    expect(run.nodes['1']!.progress).toMatchObject({ value: 3, max: 3, source: expect.stringContaining('inner') as string });
    expect(seedOf(run, '2', 'seed')).toBe(18_446_744_073_709_551_615n);
    expect(totalsOf(run, run.at)).toMatchObject({ done: 3, total: 3, fraction: 1 });
    expect(run.nodes['3']!.ui).toEqual(new Map([['values', ['3']]]));
  });

  test('a node weighs what it takes: steps of the long one move the total, ends of short ones hardly do', () => {
    const stamp = (seq: number, at: number) => ({ run: 'r', seq, at });
    const place = (id: string) => ({ node: id, display: id, parent: null, real: id });
    let state = foldAll([
      { ...stamp(0, 0), kind: 'started', nodes: 4, targets: ['4'], seeds: [] },
      { ...stamp(1, 0), ...place('1'), kind: 'begun', type: 'Load', title: 'Load', device: 'cpu:0' },
      { ...stamp(2, 50), ...place('1'), kind: 'finished', ms: 50, cached: false, device: 'cpu:0' },
      { ...stamp(3, 50), ...place('2'), kind: 'begun', type: 'Denoise', title: 'Denoise', device: 'cpu:0' },
      { ...stamp(4, 50), ...place('2'), kind: 'progress', value: 0, max: 24 },
    ]);
    // the parts of the model are being loaded: that is no step
    expect(totalsOf(only(state), 5050, state).fraction).toBeLessThan(0.05);
    state = [
      { ...stamp(5, 1050), ...place('2'), kind: 'progress', value: 1, max: 24 } as const,
      { ...stamp(6, 2050), ...place('2'), kind: 'progress', value: 2, max: 24 } as const,
    ].reduce(applyEvent, state);
    // 2 of 24 s are done, and two nodes wait that nobody knows
    expect(totalsOf(only(state), 2050, state).fraction).toBeCloseTo(2.05 / 26.05, 2);
    state = applyEvent(state, { ...stamp(7, 23_050), ...place('2'), kind: 'progress', value: 23, max: 24 });
    expect(totalsOf(only(state), 23_050, state).fraction).toBeCloseTo(23.05 / 26.05, 2);
  });

  test('a node worked where its expansion worked; the host is told of only where nothing else is', () => {
    const stamp = (seq: number) => ({ run: 'r', seq, at: seq });
    const outer = { node: '1', display: '1', parent: null, real: '1' };
    const inner = { node: '1.draw', display: '1', parent: '1', real: '1' };
    const last = { node: '1.save', display: '1', parent: '1', real: '1' };
    const state = foldAll([
      { ...stamp(0), kind: 'started', nodes: 1, targets: ['1'], seeds: [] },
      { ...stamp(1), ...outer, kind: 'begun', type: 'Draw', title: 'Draw', device: 'cpu:0' },
      { ...stamp(2), ...inner, kind: 'begun', type: 'Denoise', title: 'Denoise', device: 'cpu:0+cpu:1' },
      { ...stamp(3), ...inner, kind: 'finished', ms: 1, cached: false, device: 'cpu:0+cpu:1' },
      { ...stamp(4), ...last, kind: 'begun', type: 'Save', title: 'Save', device: 'host' },
      { ...stamp(5), ...last, kind: 'finished', ms: 1, cached: false, device: 'host' },
      { ...stamp(6), ...outer, kind: 'finished', ms: 1, cached: false, device: 'cpu:0' },
    ]);
    expect(only(state).nodes['1']!.device).toBe('cpu:0+cpu:1');
    const onHost = foldAll([
      { ...stamp(0), kind: 'started', nodes: 1, targets: ['1'], seeds: [] },
      { ...stamp(1), ...outer, kind: 'begun', type: 'Save', title: 'Save', device: 'host' },
      { ...stamp(2), ...outer, kind: 'finished', ms: 1, cached: false, device: 'host' },
    ]);
    expect(only(onHost).nodes['1']!.device).toBe('host');
  });

  test('the total only grows, and nodes run while they run', async () => {
    const events = overWire((await lab().run(graph)).events);
    let state = noRuns;
    let last: RunTotals | undefined;
    const seen = new Set<string>();
    for (const event of events) {
      state = applyEvent(state, event);
      const next = totalsAfter(last, only(state), event.at, state);
      expect(next.fraction).toBeGreaterThanOrEqual(last?.fraction ?? 0);
      last = next;
      for (const id of runningNodes(only(state))) seen.add(id);
    }
    expect([...seen]).toEqual(['1', '2', '3']);
    expect(last?.fraction).toBe(1);
  });

  test('a second run shows what came from the cache, and the first one tells how long it takes', async () => {
    const { run } = lab();
    const first = foldAll(overWire((await run(graph)).events));
    expect(first.typicalMs['Count']).toBeGreaterThanOrEqual(0);
    const state = foldAll(overWire((await run(graph)).events), first);
    expect(Object.values(only(state).nodes).map(({ status }) => status)).toEqual(['cached', 'cached', 'cached']);
    expect(state.order.length).toBe(2);
    expect(Object.keys(forgetRun(state, state.current!).runs)).toEqual([state.order[0]]);
  });
});

describe('events that come twice or too early', () => {
  test('any replay in any pieces gives the same state', async () => {
    const events = overWire((await lab().run(graph)).events);
    const whole = foldAll(events);
    for (const cut of [1, 4, 9, events.length - 1]) {
      expect(foldAll([...events.slice(0, cut), ...events.slice(0, cut + 2), ...events])).toEqual(whole);
      // the socket was down: later events came before the replay
      const withGap = foldAll([...events.slice(0, cut - 1), ...events.slice(cut)]);
      expect(hasGap(only(withGap))).toBe(true);
      expect(only(withGap).nextSeq).toBe(cut - 1);
      expect(foldAll(events, withGap)).toEqual(whole);
      expect(foldAll([...events].reverse())).toEqual(whole);
    }
  });

  test('without a replay the run goes on after the gap', async () => {
    const events = overWire((await lab().run(graph)).events);
    const state = foldAll(events.slice(3));
    expect(only(state).status).toBe('running');
    const skipped = skipGap(state, state.current!);
    expect(only(skipped).status).toBe('success');
    expect(hasGap(only(skipped))).toBe(false);
    expect(foldAll(events, skipped)).toEqual(skipped);
  });
});

test('a run that a stop of the server broke off begins anew', async () => {
  const events = overWire((await lab().run(graph)).events);
  const broken = foldAll(events.slice(0, -2));
  const later = events.map((event) => ({ ...event, at: event.at + 60_000 }));
  expect(foldAll(later, broken).runs[broken.current!]).toEqual(only(foldAll(later)));
  expect(foldAll(events.slice(0, 3), broken)).toEqual(broken);
});

test('a failure is at its node, with what it got; others are stopped', async () => {
  const events = overWire((await lab().run(graphOf({ 1: ['Number', { value: 1 }], 2: ['Fail', { value: ['1', 0], message: 'no more flour' }], 3: ['Show', { value: ['2', 0] }] }))).events);
  const run = only(foldAll(events));
  expect(run.status).toBe('error');
  expect(failedNode(run)).toBe('2');
  expect(run.nodes['2']!.error).toMatchObject({ reason: 'no more flour', inputs: { message: expect.stringContaining('no more flour') as string } });
  expect(run.nodes['3']).toBeUndefined();
  expect(runningNodes(run)).toEqual([]);
});

test('an instance of a subgraph is all that is inside', async () => {
  const events = overWire((await lab().run(graphOf({ '4:1': ['Number', { value: 1 }], '4:2': ['Fail', { value: ['4:1', 0] }], 5: ['Show', { value: ['4:2', 0] }] }))).events);
  expect(nodeRunAt(only(foldAll(events)), '4')).toMatchObject({ status: 'failed', error: { reason: 'it failed' } });
  expect(nodeRunAt(only(foldAll(events)), '9')).toBeUndefined();
});

test('the time left follows from the pace, and from earlier runs', () => {
  const stamp = (seq: number, at: number) => ({ run: 'r', seq, at });
  const place = { node: '1', display: '1', parent: null, real: '1' };
  const state = foldAll([
    { ...stamp(0, 0), kind: 'started', nodes: 2, targets: ['2'], seeds: [] },
    { ...stamp(1, 100), ...place, kind: 'begun', type: 'Denoise', title: 'Denoise', device: 'cpu:0' },
    { ...stamp(2, 1000), ...place, kind: 'progress', value: 1, max: 11 },
    { ...stamp(3, 3000), ...place, kind: 'progress', value: 3, max: 11 },
  ], { ...noRuns, typicalMs: { Save: 500 } });
  expect(totalsOf(only(state), 3500, state, [{ id: '1', type: 'Denoise' }, { id: '2', type: 'Save' }])).toMatchObject({ done: 0, total: 2, leftMs: 8000 - 500 + 500 });
  const shown = applyPreview(state, 'r', '1', { key: 'a', at: 1 });
  expect(only(shown).nodes['1']!.preview).toEqual({ key: 'a', at: 1 });
});

test.each([['{}'], ['[]'], ['{"run":"a","seq":0}'], ['{"run":"a","seq":0,"at":1,"kind":"begun"}'], ['{"run":"a","seq":0,"at":1,"kind":"dance"}'], ['{"run":1,"seq":0,"at":1,"kind":"ended"}']])('%s is no event', (text) => {
  expect(readRunEventText(text)).toBeUndefined();
  expect(readRunEvent(null)).toBeUndefined();
});
