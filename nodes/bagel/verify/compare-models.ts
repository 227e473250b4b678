// How far one model is from another that should be the same in another format: both draw the same picture from the same noise, and both write the next words.
import type { Device } from '../../../engine/device/device.ts';
import { Generator } from '../../../engine/tensor/random.ts';
import { BagelModel } from '../bagel-model.ts';
import { contextHandles, emptyContext, type Work } from '../context.ts';
import { denoise } from '../denoise.ts';
import { decodeLatent, gridOf, readText, unpackLatent } from '../encode.ts';
import { generateTokens } from '../generate-text.ts';
import { packedSize } from '../model/parts.ts';
import type { ModelFolder } from '../weights/folder.ts';

export interface Drawing {
  readonly prompt: string;
  readonly seed: bigint;
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  /** Words that are written on from the prompt, greedily. */
  readonly tokens: number;
}

/** What a model made of a drawing. */
export interface Made {
  /** Cached keys of the prompt, of the last layer. */
  readonly keys: Float32Array;
  /** Velocity of the first step. */
  readonly velocity: Float32Array;
  /** 0…1 */
  readonly picture: Float32Array;
  readonly tokens: readonly number[];
}

/** Draws with a model that is opened and closed for it. */
export async function make(folder: ModelFolder, drawing: Drawing, device: Device, signal: AbortSignal): Promise<Made> {
  const model = new BagelModel(folder, { expandWeights: true });
  const work: Work = { device, signal, count: () => undefined };
  const context = await readText(emptyContext(model), drawing.prompt, work);
  const keys = await device.read(contextHandles(context).at(-1)!, context.length);
  const [down, across] = gridOf(model, drawing);
  const noise = await unpackLatent(model, new Generator(drawing.seed).randn([down * across, packedSize(model.config)]), drawing, work);
  const { textToImage: defaults } = model.config.defaults;
  const steps = denoise(model, { conditional: context, text: emptyContext(model), image: context }, noise, {
    timesteps: drawing.steps, timestepShift: defaults.shift, cfgText: defaults.cfgText, cfgImage: defaults.cfgImage, cfgInterval: defaults.cfgInterval,
    renormType: defaults.renorm, renormMin: defaults.renormMin, taylorSeer: false,
  }, work);
  let velocity: Float32Array | undefined;
  let next = await steps.next();
  for (; next.done !== true; next = await steps.next()) velocity ??= (await device.read(next.value.velocity)).data as Float32Array;
  const picture = (await decodeLatent(model, next.value, work)).data as Float32Array;
  const tokens: number[] = [];
  for await (const id of generateTokens(context, { maxTokens: drawing.tokens, seed: 0n }, work)) tokens.push(id);
  await device.free([noise.handle, next.value.handle, ...contextHandles(context), ...model.held()]);
  return { keys: keys.data as Float32Array, velocity: velocity!, picture, tokens };
}

/** Distances of a model from another. */
export interface Distance {
  /** Root of Σ Δ² over Σ x²: cached keys of the prompt, velocity of the first step. */
  readonly keys: number;
  readonly velocity: number;
  /** Mean |Δ| of the pictures' values, of 255. */
  readonly picture: number;
  /** Peak signal to noise in dB; Infinity for equal pictures. */
  readonly psnr: number;
  /** Share of values that are off by more than 8 of 255. */
  readonly far: number;
  /** Words that are the same from the first on, of those the first model wrote. */
  readonly sameTokens: number;
  readonly tokens: number;
}

export function distance(from: Made, to: Made): Distance {
  const same = from.tokens.findIndex((id, i) => id !== to.tokens[i]);
  let [sum, squares, far] = [0, 0, 0];
  from.picture.forEach((value, i) => {
    const off = Math.abs(to.picture[i]! - value);
    sum += off;
    squares += off * off;
    if (off * 255 > 8) far++;
  });
  const count = from.picture.length;
  return {
    keys: relative(from.keys, to.keys), velocity: relative(from.velocity, to.velocity),
    picture: (255 * sum) / count, psnr: -10 * Math.log10(squares / count), far: far / count,
    sameTokens: same < 0 ? from.tokens.length : same, tokens: from.tokens.length,
  };
}

function relative(from: Float32Array, to: Float32Array): number {
  let [differences, squares] = [0, 0];
  from.forEach((value, i) => {
    differences += (to[i]! - value) ** 2;
    squares += value ** 2;
  });
  return Math.sqrt(differences / squares);
}
