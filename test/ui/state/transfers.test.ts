// What was moved between devices: gathered by way, and shown on the link that explains it, else on the node.
import { expect, test } from 'vitest';
import { emptyLayer, type Layer } from '../../../ui/state/document.ts';
import { applyEvent, noRuns, type NodeRun, type RunEvent } from '../../../ui/state/run.ts';
import { bytesText, moveText, nodeRunAt, transfersOf } from '../../../ui/state/run-view.ts';

const events: readonly object[] = [
  { kind: 'started', nodes: 3, seeds: [] },
  ...['1', '2', '7:3'].map((node) => ({ kind: 'begun', node, display: node, parent: null, real: node, type: 'T', device: node === '1' ? 'cpu:0' : 'cpu:1' })),
  { kind: 'moved', node: '2', real: '2', bytes: 1000, from: 'cpu:0', to: 'cpu:1' },
  { kind: 'moved', node: '2:a', real: '2', bytes: 500, from: 'cpu:0', to: 'cpu:1' },
  { kind: 'moved', node: '2', real: '2', bytes: 7, from: 'cpu:1', to: 'cpu:0' },
  { kind: 'moved', node: '7:3', real: '7:3', bytes: 12_000_000, from: 'cpu:0', to: 'cpu:1' },
];
const run = events.reduce<typeof noRuns>((state, event, seq) => applyEvent(state, { run: 'r', seq, at: seq, ...event } as RunEvent), noRuns).runs['r']!;

const node = (id: string, links: readonly (string | null)[]) => ({ id, type: 'T', pos: [0, 0], size: [1, 1], mode: 0, order: 0, flags: {}, properties: new Map(), outputs: [], values: {}, controls: {}, inputs: links.map((link, i) => ({ name: `in${i}`, type: 'X', link })) }) as unknown as Layer['nodes'][string];
const link = (id: string, from: string, to: string, toSlot = 0) => ({ id, from, fromSlot: 0, to, toSlot, type: 'X' });

test('moves with the same way are one, also of an expansion', () => {
  expect(run.nodes['2']).toMatchObject({ movedBytes: 1507, moves: [{ from: 'cpu:0', to: 'cpu:1', bytes: 1500 }, { from: 'cpu:1', to: 'cpu:0', bytes: 7 }] });
});

test('a move stands on the one link that explains it; else on its node', () => {
  const runs: Record<string, NodeRun> = { 1: run.nodes['1']!, 2: run.nodes['2']!, 7: nodeRunAt(run, '7')! };
  const layer = { ...emptyLayer(), nodes: { 1: node('1', []), 2: node('2', ['5', null]), 7: node('7', ['6', '8']) }, links: { 5: link('5', '1', '2'), 6: link('6', '1', '7'), 8: link('8', '1', '7', 1) } };
  const { links, nodes } = transfersOf(layer, runs);
  expect(links).toEqual({ 5: [{ from: 'cpu:0', to: 'cpu:1', bytes: 1500 }] });
  // a node on several devices at once
  const both = transfersOf(layer, { ...runs, 2: { ...runs['2']!, device: 'cpu:0+cpu:1' } });
  expect(both.links).toEqual(links);
  // two links could have carried it, so neither is said to have
  expect(nodes).toEqual({ 2: [{ from: 'cpu:1', to: 'cpu:0', bytes: 7 }], 7: [{ from: 'cpu:0', to: 'cpu:1', bytes: 12_000_000 }] });
});

test.each([[0, '0 B'], [999, '999 B'], [1000, '1 kB'], [12_345, '12 kB'], [999_600, '1 MB'], [1_540_000, '1.5 MB'], [12e6, '12 MB'], [2.34e9, '2.3 GB'], [14e9, '14 GB']])('%d bytes are written %s', (bytes, text) => expect(bytesText(bytes)).toBe(text));

test('a move is written with its way', () => expect(moveText({ bytes: 12e6, from: 'cpu:0', to: 'cpu:1' })).toBe('12 MB cpu:0→cpu:1'));
