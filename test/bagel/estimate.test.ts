// The estimate before the first step: from one block's time to all passes, and that denoising tells it once, before a step is done.
import { describe, expect, test } from 'vitest';
import { estimate, estimateText, type Plans } from '../../nodes/bagel/estimate.ts';
import { configOf } from '../support/model-folder.ts';

const config = configOf({ hidden: 256, ffn: 1024, layers: 8, heads: 8, kvHeads: 2 });
const plans: Plans = { config, rows: 258, pixels: 256 * 256, branches: [100, 100], guided: 10, unguided: 5, fullShare: 1, replicas: 1, blocks: 1 };
const timed = { layers: 2, past: 100, seconds: 0.5 }; // 2 s a pass

describe('from a quarter of the layers in half a second', () => {
  test('on one device: every pass, one after another, and the autoencoder', () => {
    const { passes, secondsAPass, seconds, autoencoderSeconds } = estimate(plans, timed);
    expect({ passes, secondsAPass }).toEqual({ passes: 25, secondsAPass: 2 });
    expect(autoencoderSeconds).toBeGreaterThan(0);
    expect(seconds - autoencoderSeconds).toBeCloseTo(50);
  });

  test.each([
    ['two replicas take a branch each', { replicas: 2 }, 30],
    ['a third branch is shared', { replicas: 2, branches: [100, 100, 100] }, 40],
    ['two blocks of layers', { blocks: 2 }, 40],
    ['TaylorSeer makes half of the passes', { fullShare: 0.5 }, 25],
    ['a device more than branches gains nothing', { replicas: 3 }, 30],
  ] as const)('%s', (_title, changed, expected) => {
    const { seconds, autoencoderSeconds } = estimate({ ...plans, ...changed }, timed);
    expect(seconds - autoencoderSeconds).toBeCloseTo(expected);
  });

  test('a longer context takes longer', () => {
    expect(estimate({ ...plans, branches: [5000, 100] }, timed).secondsAPass).toBeGreaterThan(3);
  });
});

test.each([
  [{ passes: 86, secondsAPass: 8.34, autoencoderSeconds: 3, seconds: 720 }, 'about 12 min: 86 passes of 8.3 s, then the autoencoder (3.0 s)'],
  [{ passes: 9, secondsAPass: 0.25, autoencoderSeconds: 0.1, seconds: 23 }, 'about 23 s: 9 passes of 250 ms, then the autoencoder (100 ms)'],
  [{ passes: 147, secondsAPass: 300, autoencoderSeconds: 60, seconds: 44000 }, 'about 12 h: 147 passes of 5 min, then the autoencoder (60 s)'],
])('%o', (given, text) => {
  expect(estimateText(given)).toBe(text);
});
