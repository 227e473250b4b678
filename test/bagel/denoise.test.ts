import { describe, expect, test } from 'vitest';
import { countPasses, isGuided, schedule, type DenoiseOptions } from '../../nodes/bagel/denoise.ts';

const app: DenoiseOptions = { timesteps: 50, timestepShift: 3, cfgText: 4, cfgImage: 1.5, cfgInterval: [0.4, 1], renormType: 'global', renormMin: 0, taylorSeer: false };
const context = (key: string) => ({ key });

describe('schedule', () => {
  test('N points make N − 1 steps, from 1 to 0, shifted', () => {
    const times = schedule(50, 3);
    expect(times).toHaveLength(50);
    expect(times[0]).toBe(1);
    expect(times[49]).toBe(0);
    expect(times[25]).toBeCloseTo((3 * (24 / 49)) / (1 + 2 * (24 / 49)), 6);
  });

  test('without a shift it is a straight line', () => {
    expect([...schedule(5, 1)]).toEqual([1, 0.75, 0.5, 0.25, 0]);
  });
});

describe('guidance interval', () => {
  test('start is excluded, end included, on the shifted time', () => {
    const options = { ...app, cfgInterval: [0.25, 0.75] as const };
    expect([1, 0.75, 0.5, 0.25].map((t) => isGuided(t, options))).toEqual([false, true, true, false]);
  });

  test('a text scale of 1 turns all guidance off', () => {
    expect(isGuided(1, { ...app, cfgText: 1 })).toBe(false);
  });

  test('41 of 49 steps of the app are guided', () => {
    expect([...schedule(50, 3).slice(0, -1)].filter((t) => isGuided(t, app))).toHaveLength(41);
  });
});

describe('passes', () => {
  test('the app\'s text to image takes 90 where the reference makes 131', () => {
    expect(countPasses({ conditional: context('text'), text: context('empty'), image: context('text') }, app)).toBe(90);
  });

  test('an image context of its own takes 131', () => {
    expect(countPasses({ conditional: context('text'), text: context('empty'), image: context('other') }, app)).toBe(131);
  });

  test('without an image scale there are two branches', () => {
    expect(countPasses({ conditional: context('text'), text: context('empty'), image: context('other') }, { ...app, cfgImage: 1 })).toBe(90);
  });
});
