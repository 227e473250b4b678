// What `auto` chooses from sizes and budgets alone: the fastest placement that fits, or a refusal with the numbers.
import { describe, expect, test } from 'vitest';
import { choosePlacement, type Choice, type Wish } from '../../nodes/bagel/choose-placement.ts';
import type { ModelBytes } from '../../nodes/bagel/model-bytes.ts';
import { blockOf } from '../../nodes/bagel/placement.ts';

const GB = 1e9;
/** 28 layers of 0.4 GB, 14 GB in all; a quarter where 16-bit weights stay in their file. */
const model = (scale = 1): ModelBytes => ({ layers: Array.from({ length: 28 }, () => 0.4 * GB * scale), first: GB * scale, last: 0.5 * GB * scale, vision: GB * scale, autoencoder: 0.3 * GB * scale, work: 2 * GB });

function choose(budgets: Readonly<Record<string, number>>, wish: Partial<Wish> = {}, bytesOf: (expand: boolean) => ModelBytes = () => model()): Choice {
  const rooms = Object.entries(budgets).map(([name, gigabytes]) => ({ name, budgetBytes: gigabytes * GB }));
  return choosePlacement('m', { strategy: 'auto', rooms, ...wish }, bytesOf);
}

describe('auto', () => {
  test('one device that is large enough: one device, nothing else said', () => {
    expect(choose({ 'cpu:0': 24 })).toMatchObject({ placement: { strategy: 'one device', devices: [] }, expandWeights: true });
    expect(choose({ 'cpu:0': Infinity }).placement).toEqual({ strategy: 'one device', devices: [] });
  });

  test('two that each hold it: a model on each', () => {
    const { placement, description } = choose({ 'cpu:0': 24, 'cpu:1': 24 });
    expect(placement).toEqual({ strategy: 'parallel branches', devices: ['cpu:0', 'cpu:1'] });
    expect(description).toBe('a whole model on each device, which share the branches of guidance (weights: cpu:0 14.0 GB of 24.0 GB, cpu:1 14.0 GB of 24.0 GB)');
  });

  test('two of three that hold it: those two', () => {
    expect(choose({ 'cpu:0': 4, 'cpu:1': 24, 'cpu:2': 24 }).placement).toEqual({ strategy: 'parallel branches', devices: ['cpu:1', 'cpu:2'] });
  });

  test('the node is elsewhere: all of it goes to the one device that may be used', () => {
    expect(choose({ 'cuda:0': 24 }, { home: 'cpu:0' }).placement).toEqual({ strategy: 'split layers', devices: ['cuda:0'], vision: 'cuda:0', autoencoder: 'cuda:0' });
  });

  test('two that hold it together: layers split evenly', () => {
    expect(choose({ 'cpu:0': 12, 'cpu:1': 12 }).placement).toEqual({ strategy: 'split layers', devices: ['cpu:0', 'cpu:1'] });
  });

  test('two of different sizes: layers as there is room, and no device above its budget', () => {
    const { placement, weights } = choose({ 'cpu:0': 8, 'cpu:1': 14 });
    expect(placement).toMatchObject({ strategy: 'split layers', devices: ['cpu:0', 'cpu:1'], shares: [9, 19] });
    expect(weights.get('cpu:0')! + 2 * GB).toBeLessThanOrEqual(8 * GB);
    expect(weights.get('cpu:1')! + 2 * GB).toBeLessThanOrEqual(14 * GB);
    expect([...weights.values()].reduce((a, b) => a + b)).toBeCloseTo(14 * GB, -3);
  });

  test('room for the weights but not for a usual picture: it runs all the same', () => {
    expect(choose({ 'cpu:0': 15 }).placement).toEqual({ strategy: 'one device', devices: [] });
  });

  test('too small for float32: 16-bit weights stay in their file', () => {
    const { expandWeights, description } = choose({ 'cpu:0': 6 }, {}, (expand) => model(expand ? 1 : 0));
    expect(expandWeights).toBe(false);
    expect(description).toContain('16-bit weights stay in their file');
  });

  test('too small for anything: the numbers, and what would fit', () => {
    expect(() => choose({ 'cpu:0': 6, 'cpu:1': 5 })).toThrow('the model m does not fit: its weights need 14.0 GB, but cpu:0 may use 6.0 GB, cpu:1 may use 5.0 GB. What would fit: devices with 14.0 GB together (--devices, --memory NAME=GB); an import to int8 or int4');
  });
});

describe('what the user asked for is kept', () => {
  test('and refused where it does not fit', () => {
    expect(() => choose({ 'cpu:0': 24, 'cpu:1': 10 }, { strategy: 'parallel branches' })).toThrow(/need 14\.0 GB on each device, but .*What would fit: placement "auto"/);
    expect(() => choose({ 'cpu:0': 10 }, { strategy: 'one device' })).toThrow(/need 14\.0 GB, but cpu:0 may use 10\.0 GB/);
  });
  test('vision and autoencoder elsewhere make room', () => {
    const { placement, weights } = choose({ 'cpu:0': 15, 'cpu:1': 4 }, { vision: 'cpu:1', autoencoder: 'cpu:1' });
    expect(weights.get('cpu:1')).toBeGreaterThanOrEqual(1.3 * GB);
    expect(placement).toMatchObject({ vision: 'cpu:1', autoencoder: 'cpu:1' });
  });
});

test('pieces belong to the block that most of their layers are in', () => {
  const cuts = { llm: Array.from({ length: 28 }, (_, i) => ({ first: i, end: i + 1 })) };
  const blocks = cuts.llm.map((_, i) => blockOf(cuts, i, [9, 19]));
  expect(blocks.filter((block) => block === 0)).toHaveLength(9);
  expect(cuts.llm.map((_, i) => blockOf(cuts, i, [1, 1])).filter((block) => block === 0)).toHaveLength(14);
});
