// The behaviours a port of BAGEL must copy, point by point, on the demo model with a real worker. Numbers as in the reference's code.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openProcessDevice } from '../../engine/device/process.ts';
import type { Device, Handle } from '../../engine/device/device.ts';
import type { Image } from '../../engine/graph/node.ts';
import { decode } from '../../engine/image/decode.ts';
import { floatFromPixels, overWhite, pixels } from '../../engine/image/pixels.ts';
import { Generator } from '../../engine/tensor/random.ts';
import { float32, type Tensor } from '../../engine/tensor/tensor.ts';
import { BagelModel } from '../../nodes/bagel/bagel-model.ts';
import { contextOf, emptyContext, type Context, type Work } from '../../nodes/bagel/context.ts';
import { fitVae, fitVit, readImageVae, readImageVit, readText } from '../../nodes/bagel/encode.ts';
import { generateTokens } from '../../nodes/bagel/generate-text.ts';
import { denoiseOptions } from '../../nodes/bagel/inputs.ts';
import { interleave, thinkPrompts } from '../../nodes/bagel/nodes/contexts.ts';
import { noise } from '../../nodes/bagel/nodes/latents.ts';
import { think } from '../../nodes/bagel/nodes/texts.ts';
import { openModelFolder } from '../../nodes/bagel/weights/folder.ts';
import { testContext } from '../support/context.ts';
import { goldenPath } from '../support/golden.ts';

let device: Device;
let model: BagelModel;
let counts: Record<string, number>;
let work: Work;

beforeAll(async () => {
  device = await openProcessDevice({ name: 'cpu:0', threads: 2, provider: 'cpu' });
  model = new BagelModel(await openModelFolder('models/bagel-demo'), { expandWeights: true });
  work = { device, count: (name) => void (counts[name] = (counts[name] ?? 0) + 1) };
  counts = {};
});
afterAll(() => device.close());

const circle = async () => overWhite(await decode(goldenPath('demo/recolor-source.png')));
const image = async (): Promise<Image> => floatFromPixels([await circle()]);
const settings = { steps: 25, shift: 2, cfg_text: 4, cfg_image: 1.5, cfg_start: 0, cfg_end: 1, renorm: 'global', renorm_min: 0, taylorseer: false };

async function runInterleave(inputs: Record<string, unknown>): Promise<[Context, Context, Context, number, number]> {
  const { context } = await testContext({ device });
  return (await interleave.run({ model, task: 'draw', think: false, ...inputs }, context)) as [Context, Context, Context, number, number];
}

describe('guidance', () => {
  test('local is another name of channel', () => {
    expect(denoiseOptions({ ...settings, renorm: 'local' }).renormType).toBe('channel');
  });

  const tokens = 5;
  const random = new Generator(3);
  const v = random.randn([tokens, 64]);
  const text = random.randn([tokens, 64]);
  const picture = random.randn([tokens, 64]);
  const at = (t: Tensor, i: number) => Number(t.data[i]);
  const lengthOf = (values: readonly number[]) => Math.hypot(...values);
  const row = (f: (i: number) => number, token: number) => Array.from({ length: 64 }, (_, i) => f(token * 64 + i));
  const everything = (f: (i: number) => number) => Array.from({ length: tokens * 64 }, (_, i) => f(i));

  async function guide(type: string, branches: 'text' | 'both', renormMin: number): Promise<Tensor> {
    const feeds = { conditional: v, text, text_scale: float32([], [4]), renorm_min: float32([], [renormMin]), ...(branches === 'both' ? { image: picture, image_scale: float32([], [2]) } : {}) };
    return model.tensor(device, `guide:${type}:${branches}`, feeds, 'v');
  }
  const byText = (i: number) => at(text, i) + 4 * (at(v, i) - at(text, i));
  const byBoth = (i: number) => at(picture, i) + 2 * (byText(i) - at(picture, i));
  const clamp = (ratio: number, min: number) => Math.min(1, Math.max(min, ratio));

  test('global renorm has one ratio over all tokens, after both guidances', async () => {
    const made = await guide('global', 'both', 0);
    const ratio = clamp(lengthOf(everything((i) => at(v, i))) / (lengthOf(everything(byBoth)) + 1e-8), 0);
    everything((i) => byBoth(i) * ratio).forEach((value, i) => expect(at(made, i)).toBeCloseTo(value, 3));
  });

  test('channel renorm has a ratio a token, and renorm_min bounds it', async () => {
    const made = await guide('channel', 'text', 0.5);
    for (let token = 0; token < tokens; token++) {
      const ratio = clamp(lengthOf(row((i) => at(v, i), token)) / lengthOf(row(byText, token)), 0.5);
      expect(ratio).toBe(0.5);
      row((i) => byText(i) * ratio, token).forEach((value, i) => expect(at(made, token * 64 + i)).toBeCloseTo(value, 3));
    }
  });

  test('text_channel renorms the text guidance alone, then guides by the picture', async () => {
    const made = await guide('text_channel', 'both', 0);
    for (let token = 0; token < tokens; token++) {
      const ratio = clamp(lengthOf(row((i) => at(v, i), token)) / lengthOf(row(byText, token)), 0);
      row((i) => at(picture, i) + 2 * (byText(i) * ratio - at(picture, i)), token).forEach((value, i) => expect(at(made, token * 64 + i)).toBeCloseTo(value, 3));
    }
  });
});

describe('contexts', () => {
  test('drawing: text-unconditional is empty, image-unconditional is the conditional one', async () => {
    const [read, text, withoutImage] = await runInterleave({ item1: 'draw the sun' });
    expect(text.length).toBe(0);
    expect(withoutImage.key).toBe(read.key);
  });

  test('editing: text-unconditional saw the picture, image-unconditional the text alone', async () => {
    const [read, text, withoutImage] = await runInterleave({ item1: await image(), item2: 'make the circle blue' });
    const seen = await readImageVit(await readImageVae(emptyContext(model), await circle(), work), await circle(), work);
    expect(text.key).toBe(seen.key);
    expect(read.key).toBe((await readText(seen, 'make the circle blue', work)).key);
    expect(withoutImage.key).toBe((await readText(emptyContext(model), 'make the circle blue', work)).key);
  });

  test('thinking: the system prompt stands first in the conditional and the image-unconditional context, not in the text-unconditional one\'s text', async () => {
    const [read, text, withoutImage] = await runInterleave({ item1: 'draw the sun', think: true });
    const system = await readText(emptyContext(model), thinkPrompts.draw, work);
    expect(text.key).toBe(system.key);
    expect(read.key).toBe((await readText(system, 'draw the sun', work)).key);
    expect(withoutImage.key).toBe(read.key);
  });

  test('a thought is read into the conditional context alone', async () => {
    const { context } = await testContext({ device });
    const [read] = await runInterleave({ item1: 'draw the sun', think: true });
    const values = { model, context: read, max_tokens: 120, sample: false, temperature: 0.3 };
    const [thought, after] = (await think.run(values, context)) as [string, Context];
    expect(thought).toMatch(/^<think> .* <\/think> /);
    expect(after.key).toBe((await readText(read, thought, work)).key);
  });

  test('understanding reads the picture with the vision tower alone', async () => {
    const [read] = await runInterleave({ task: 'understand', item1: await image(), item2: 'what color is the circle?' });
    const seen = await readImageVit(emptyContext(model), await circle(), work);
    expect(read.key).toBe((await readText(seen, 'what color is the circle?', work)).key);
  });

  test('the vision tower sees the picture as fitted for the autoencoder first', () => {
    const tall = pixels(300, 700, 3, new Uint8Array(300 * 700 * 3));
    const fitted = fitVae(model, tall);
    expect([fitted.width, fitted.height]).toEqual([112, 256]);
    expect(fitVit(model, fitted)).toMatchObject({ width: 98, height: 224 });
  });

  test('an image block takes one position, text one a token', async () => {
    const read = await readImageVit(emptyContext(model), await circle(), work);
    expect([read.length, read.rope]).toEqual([81 + 2, 1]);
    const text = await readText(read, 'a', work);
    expect([text.length, text.rope]).toEqual([83 + 3, 4]);
  });

  test('the drawing prompt is the reference\'s to the letter, trailing space included', () => {
    expect(thinkPrompts.draw).toContain('generate the image. \nThe planning process');
    expect(thinkPrompts.understand).toContain('with the answer. \nThe reasoning process');
  });

  test('the same text is read once', async () => {
    counts = {};
    const first = await readText(emptyContext(model), 'a text nobody has read', work);
    const again = await readText(emptyContext(model), 'a text nobody has read', work);
    expect([again === first, counts['prefill']]).toEqual([true, 1]);
  });

  test('two texts that grow from one context do not disturb each other', async () => {
    const root = await readText(emptyContext(model), 'a common beginning', work);
    const one = await readText(root, 'what color is it?', work);
    const other = await readText(root, 'another end', work);
    const rows = async (context: Context) => ((await device.read(context.buffers!.handles.get('k.0.0') as Handle)).data as Float32Array).slice(0, root.length * 32);
    expect(one.buffers === other.buffers).toBe(false);
    expect(await rows(one)).toEqual(await rows(other));
  });
});

describe('sizes', () => {
  test('an edit has the size of the last picture as fitted', async () => {
    const wide = floatFromPixels([pixels(200, 120, 3, new Uint8Array(200 * 120 * 3))]);
    const [, , , width, height] = await runInterleave({ item1: await image(), item2: wide, item3: 'x' });
    const fitted = fitVae(model, pixels(200, 120, 3, new Uint8Array(200 * 120 * 3)));
    expect([width, height]).toEqual([fitted.width, fitted.height]);
  });

  test('a size that is no multiple of 16 is rounded, and said', async () => {
    const { context, notices } = await testContext({ device });
    const [latent] = (await noise.run({ model, seed: 1n, width: 130, height: 100 }, context)) as [{ width: number; height: number }];
    expect([latent.width, latent.height]).toEqual([128, 96]);
    expect(notices).toEqual(['size 130×100 was rounded to 128×96: sides are multiples of 16']);
  });

  test('a size beyond the latent grid is refused with the limit', async () => {
    const { context } = await testContext({ device });
    await expect(noise.run({ model, seed: 1n, width: 1024, height: 128 }, context)).rejects.toThrow('1024×128 is beyond what bagel-demo can draw: at most 256 pixels a side');
  });
});

describe('text', () => {
  const collect = async (context: Context, maxTokens: number, sampling?: { temperature: number }) => {
    const ids: number[] = [];
    const full = sampling === undefined ? {} : { sampling: { topK: 0, topP: 1, repetitionPenalty: 1, ...sampling } };
    for await (const id of generateTokens(context, { maxTokens, seed: 5n, ...full }, work)) ids.push(id);
    return ids;
  };

  test('the begin token counts among the tokens at most', async () => {
    const [read] = await runInterleave({ task: 'understand', item1: await image(), item2: 'describe the image' });
    const whole = await collect(read, 100);
    expect(whole.length).toBeGreaterThan(5);
    expect(await collect(read, 4)).toEqual(whole.slice(0, 3));
  });

  test('generating leaves the context as it was', async () => {
    const [read] = await runInterleave({ task: 'understand', item1: await image(), item2: 'describe the image' });
    const once = await collect(read, 100);
    expect(await collect(read, 100)).toEqual(once);
    expect(read.buffers!.used).toBe(read.length);
  });

  test('sampling repeats with its seed and is greedy as the temperature falls', async () => {
    const [read] = await runInterleave({ task: 'understand', item1: await image(), item2: 'describe the image' });
    const greedy = await collect(read, 100);
    expect(await collect(read, 100, { temperature: 0.001 })).toEqual(greedy);
    expect(await collect(read, 100, { temperature: 1 })).toEqual(await collect(read, 100, { temperature: 1 }));
  });

  test('a text longer than the model\'s positions is refused with both numbers', async () => {
    await expect(readText(emptyContext(model), 'a large red circle '.repeat(2000), work)).rejects.toThrow(/the text takes \d+ tokens after 0, but the model bagel-demo has room for 4096/);
  });

  test('a context of another model is refused', async () => {
    const other = new BagelModel(await openModelFolder(goldenPath('nano')), { expandWeights: true });
    expect(() => contextOf(other, emptyContext(model))).toThrow('the context was read by the model bagel-demo, not by nano: connect the same model to both');
  });

  test('an empty prompt is allowed', async () => {
    expect((await readText(emptyContext(model), '', work)).length).toBe(2);
  });
});
