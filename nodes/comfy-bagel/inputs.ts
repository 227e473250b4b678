// Inputs that several classes of ComfyUI-BAGEL share, with its names, defaults and ranges.
import type { Image, InputSpec, NodeContext } from '../../engine/graph/node.ts';
import { BOOLEAN, COMBO, FLOAT, IMAGE, INT, STRING } from '../../engine/graph/types.ts';
import { BAGEL_MODEL } from './types.ts';

export const modelInput = { type: BAGEL_MODEL, ui: { tooltip: 'BAGEL model' } } as const;

/** The example prompt of the official app, which saved workflows carry too. */
export const fairyPrompt = 'A female cosplayer portraying an ethereal fairy or elf, wearing a flowing dress made of delicate fabrics in soft, mystical colors like emerald green and silver. '
  + 'She has pointed ears, a gentle, enchanting expression, and her outfit is adorned with sparkling jewels and intricate patterns. '
  + 'The background is a magical forest with glowing plants, mystical creatures, and a serene atmosphere.';

export function promptInput(text: string, tooltip: string) {
  return { type: STRING, default: text, ui: { multiline: true, tooltip } } as const satisfies InputSpec<string>;
}

export function number(initial: number, min: number, max: number, step: number, tooltip: string) {
  return { type: FLOAT, default: initial, min, max, step, ui: { tooltip } } as const satisfies InputSpec<number>;
}

export function wholeNumber(initial: number, min: number, max: number, step: number, tooltip: string) {
  return { type: INT, default: BigInt(initial), min, max, step, ui: { tooltip } } as const satisfies InputSpec<number>;
}

export function flag(tooltip: string) {
  return { type: BOOLEAN, default: false, ui: { tooltip } } as const satisfies InputSpec<boolean>;
}

export const cfgTextInput = number(4, 1, 8, 0.1, 'CFG text scaling');
export const stepsInput = wholeNumber(50, 10, 100, 5, 'Denoising steps');
export const renormMinInput = number(0, 0, 1, 0.1, 'CFG re-normalization minimum value');

/** `local` is this pack's word for renormalisation per token. */
export function renormInput(initial: 'global' | 'text_channel') {
  return { type: COMBO, default: initial, choices: ['global', 'local', 'text_channel'], ui: { tooltip: 'CFG re-normalization type' } } as const satisfies InputSpec<string>;
}

export function pictureInput(tooltip: string) {
  return { type: IMAGE, ui: { tooltip } } as const satisfies InputSpec<Image>;
}

/** The same input, which may be left out. */
export function optional<S extends { readonly type: unknown }>(spec: S): S & { readonly optional: true } {
  return { ...spec, optional: true };
}

/** This pack's nodes take one picture: of a batch the first. */
export function firstOf(image: Image, context: Pick<NodeContext, 'notice'>): Image {
  if (image.batch === 1) return image;
  context.notice(`only the first of ${image.batch} pictures is used`);
  return { ...image, batch: 1, data: image.data.subarray(0, image.data.length / image.batch) };
}
