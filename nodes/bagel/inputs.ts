// The inputs that several BAGEL nodes share, with the ranges of the reference app widened to what the model can do, and size rules.
import { BOOLEAN, COMBO, FLOAT, INT, SEED, STRING } from '../../engine/graph/types.ts';
import type { InputSpec, NodeContext } from '../../engine/graph/node.ts';
import type { BagelModel } from './bagel-model.ts';
import type { DenoiseOptions } from './denoise.ts';
import { tokenPixels } from './encode.ts';
import { UserError } from './errors.ts';
import { renormTypes, type RenormType } from './model/guidance.ts';
import type { TextOptions } from './generate-text.ts';

export const promptInput = { type: STRING, default: '', ui: { multiline: true, dynamicPrompts: true } } satisfies InputSpec<string>;

export const seedInput = {
  type: SEED, default: 0n, min: 0, max: 18446744073709551615, ui: { control_after_generate: true, tooltip: 'The picture of a seed is that of the reference (torch uses the low 32 bits).' },
} satisfies InputSpec<bigint>;

export const sizeInputs = {
  width: { type: INT, default: 1024n, min: 16, max: 16384, step: 16, ui: { tooltip: 'Pixels; rounded to a multiple of 16.' } },
  height: { type: INT, default: 1024n, min: 16, max: 16384, step: 16, ui: { tooltip: 'Pixels; rounded to a multiple of 16.' } },
} satisfies Record<string, InputSpec<number>>;

/** Shapes of a picture, across:down, that the reference app offers. */
export const ratios = ['1:1', '4:3', '3:4', '16:9', '9:16'] as const;

/** A shape in place of a size. */
export const ratioInput = {
  type: STRING, default: '', optional: true, ui: { tooltip: 'Such as 16:9: a picture of this shape whose long side is the model\'s own default size, in place of width and height.' },
} as const satisfies InputSpec<string>;

/** The size of a shape `across:down`: the long side as in `defaults`, the other rounded to whole tokens of 16 pixels. Throws a UserError on another text. */
export function sizeOfRatio(ratio: string, defaults: { readonly width: number; readonly height: number }): { width: number; height: number } {
  const match = /^([1-9]\d{0,3}):([1-9]\d{0,3})$/.exec(ratio.trim());
  if (match === null) throw new UserError(`the shape ${JSON.stringify(ratio)} is not of the form across:down, such as ${ratios.join(', ')}`);
  const [across, down] = [Number(match[1]), Number(match[2])];
  const long = Math.max(defaults.width, defaults.height);
  const short = Math.max(16, Math.round((long * Math.min(across, down)) / Math.max(across, down) / 16) * 16);
  return across >= down ? { width: long, height: short } : { width: short, height: long };
}

/** Sampling inputs with the defaults of the reference app for a task. */
export function denoiseInputs(defaults: { cfgText: number; cfgImage: number; start: number; renorm: RenormType }) {
  return {
    steps: { type: INT, default: 50n, min: 2, max: 1000, ui: { tooltip: 'Points of the schedule; one fewer denoising steps are made.' } },
    shift: { type: FLOAT, default: 3, min: 0.1, max: 20, step: 0.5, ui: { tooltip: 'Timestep shift: higher favours layout, lower detail.' } },
    cfg_text: { type: FLOAT, default: defaults.cfgText, min: 0, max: 20, step: 0.1, ui: { tooltip: 'How strongly the text guides; 1 or less turns guidance off.' } },
    cfg_image: { type: FLOAT, default: defaults.cfgImage, min: 0, max: 20, step: 0.1, ui: { tooltip: 'How strongly the input picture guides.' } },
    cfg_start: { type: FLOAT, default: defaults.start, min: 0, max: 1, step: 0.1, ui: { tooltip: 'Guidance acts while the time is above this (1 = noise).' } },
    cfg_end: { type: FLOAT, default: 1, min: 0, max: 1, step: 0.1, ui: { tooltip: 'Guidance acts while the time is at or below this.' } },
    renorm: { type: COMBO, default: defaults.renorm, choices: [...renormTypes, 'local'], ui: { tooltip: 'global suits drawing, text_channel editing; local is another name of channel.' } },
    renorm_min: { type: FLOAT, default: 0, min: 0, max: 1, step: 0.1, ui: { tooltip: 'Lower bound of the renormalisation; 1 turns it off.' } },
    taylorseer: { type: BOOLEAN, default: false, ui: { tooltip: 'Extrapolates most passes: about twice as fast at 50 steps, slightly other pictures.' } },
  } as const satisfies Record<string, InputSpec<never> | InputSpec<number> | InputSpec<string> | InputSpec<boolean>>;
}

export interface DenoiseValues {
  readonly steps: number;
  readonly shift: number;
  readonly cfg_text: number;
  readonly cfg_image: number;
  readonly cfg_start: number;
  readonly cfg_end: number;
  readonly renorm: string;
  readonly renorm_min: number;
  readonly taylorseer: boolean;
}

/** Checks what ranges alone cannot: one step makes no picture, an empty interval is a mistake. */
export function denoiseOptions(values: DenoiseValues): DenoiseOptions {
  if (values.steps < 2) throw new UserError(`steps is ${values.steps}: the schedule needs at least 2 points, which make one denoising step`);
  if (values.cfg_start > values.cfg_end) throw new UserError(`cfg_start ${values.cfg_start} is above cfg_end ${values.cfg_end}: guidance would never act; swap them`);
  return {
    timesteps: values.steps, timestepShift: values.shift, cfgText: values.cfg_text, cfgImage: values.cfg_image, cfgInterval: [values.cfg_start, values.cfg_end],
    renormType: (values.renorm === 'local' ? 'channel' : values.renorm) as RenormType, renormMin: values.renorm_min, taylorSeer: values.taylorseer,
  };
}

/** Inputs of text generation. `maxTokens` counts the begin token, as the reference does. */
export function textInputs(maxTokens: number) {
  return {
    max_tokens: { type: INT, default: BigInt(maxTokens), min: 2, max: 32768, ui: { tooltip: 'Tokens at most.' } },
    sample: { type: BOOLEAN, default: false, ui: { tooltip: 'Off: the most likely token each time.' } },
    temperature: { type: FLOAT, default: 0.3, min: 0, max: 5, step: 0.05, ui: { tooltip: 'Only when sampling; 0 is greedy.' } },
  } as const satisfies Record<string, InputSpec<number> | InputSpec<boolean>>;
}

export interface TextValues {
  readonly max_tokens: number;
  readonly sample: boolean;
  readonly temperature: number;
  readonly top_k?: number | undefined;
  readonly top_p?: number | undefined;
  readonly repetition_penalty?: number | undefined;
}

export function textOptions(values: TextValues, seed: bigint): TextOptions {
  const isSampled = values.sample && values.temperature > 0;
  const sampling = { temperature: values.temperature, topK: values.top_k ?? 0, topP: values.top_p ?? 1, repetitionPenalty: values.repetition_penalty ?? 1 };
  return { maxTokens: values.max_tokens, seed, ...(isSampled ? { sampling } : {}) };
}

/** A size in pixels the model can draw: rounded to whole tokens (with a notice), refused beyond its grid. */
export function drawableSize(model: BagelModel, width: number, height: number, context: Pick<NodeContext, 'notice'>): { width: number; height: number } {
  const token = tokenPixels(model);
  const limit = model.config.maxLatentSize * token;
  const round = (side: number) => Math.max(token, Math.round(side / token) * token);
  const size = { width: round(width), height: round(height) };
  if (size.width > limit || size.height > limit) {
    throw new UserError(`${width}×${height} is beyond what ${model.name} can draw: at most ${limit} pixels a side`);
  }
  if (size.width !== width || size.height !== height) context.notice(`size ${width}×${height} was rounded to ${size.width}×${size.height}: sides are multiples of ${token}`);
  return size;
}
