// The everyday tasks in one node each: expansions into the fine nodes, wired as the reference's inferencer is.
import { defineNode, type Builder, type NodeContext } from '../../../engine/graph/node.ts';
import { BOOLEAN, IMAGE, INT, MASK, STRING } from '../../../engine/graph/types.ts';
import { denoiseInputs, promptInput, ratioInput, seedInput, sizeInputs, textInputs, type DenoiseValues, type TextValues } from '../inputs.ts';
import type { BagelModel } from '../bagel-model.ts';
import { BAGEL_MODEL, onWhite } from '../types.ts';

const maskInput = { type: MASK, optional: true, ui: { tooltip: 'What is masked (transparent) shows white, as the reference does; connect the mask of Load Image.' } } as const;
const thinkInput = { type: BOOLEAN, default: false, ui: { tooltip: 'Think in words first.' } } as const;
const pictureOutputs = [{ name: 'image', type: IMAGE }, { name: 'thinking', type: STRING }] as const;
const editDefaults = { cfgText: 4, cfgImage: 2, start: 0, renorm: 'text_channel' } as const;
const thinkingInputs = { think: thinkInput, ...textInputs(1024) } as const;

interface PictureValues extends DenoiseValues, TextValues {
  readonly model: BagelModel;
  readonly think: boolean;
  readonly seed: bigint;
}

/** Interleave → (Think) → Noise → Denoise → Decode. Greedy thinking does not depend on the seed, so a new seed does not think again. */
function drawPicture(build: Builder, values: PictureValues, items: readonly unknown[], size: { width?: number; height?: number; ratio?: string | undefined }) {
  const { model, think, seed } = values;
  const numbered = Object.fromEntries(items.map((item, i) => [`item${i + 1}`, item]));
  const contexts = build.node('Bagel.Interleave', { model, task: 'draw', think, ...size, ...numbered }, { id: 'read' });
  const { max_tokens, sample, temperature } = values;
  const thought = think ? build.node('Bagel.Think', { model, context: contexts.out(0), max_tokens, sample, temperature, seed: sample ? seed : 0n }, { id: 'think' }) : undefined;
  const noise = build.node('Bagel.Noise', { model, seed, width: contexts.out(3), height: contexts.out(4) }, { id: 'noise' });
  const { steps, shift, cfg_text, cfg_image, cfg_start, cfg_end, renorm, renorm_min, taylorseer } = values;
  const latent = build.node('Bagel.Denoise', {
    model, noise: noise.out(0), context: thought?.out(1) ?? contexts.out(0), text_unconditional: contexts.out(1), image_unconditional: contexts.out(2),
    steps, shift, cfg_text, cfg_image, cfg_start, cfg_end, renorm, renorm_min, taylorseer,
  }, { id: 'denoise' });
  const image = build.node('Bagel.DecodeLatent', { model, latent: latent.out(0) }, { id: 'decode' });
  return build.finish([image.out(0), thought?.out(0) ?? '']);
}

export const textToImage = defineNode({
  type: 'Bagel.TextToImage',
  title: 'BAGEL Text to Image',
  description: 'Draws a picture from text, with or without thinking first.',
  category: 'BAGEL',
  inputs: {
    model: { type: BAGEL_MODEL }, prompt: promptInput, seed: seedInput, ...sizeInputs,
    ...denoiseInputs({ cfgText: 4, cfgImage: 1.5, start: 0.4, renorm: 'global' }), ...thinkingInputs, ratio: ratioInput,
  },
  outputs: pictureOutputs,
  run: (inputs, context) => drawPicture(context.expand(), inputs, [inputs.prompt], { width: inputs.width, height: inputs.height, ratio: inputs.ratio }),
});

export const editImage = defineNode({
  type: 'Bagel.EditImage',
  title: 'BAGEL Edit Image',
  description: 'Changes a picture as the text says. The result has the size of the picture as the model takes it.',
  category: 'BAGEL',
  inputs: {
    model: { type: BAGEL_MODEL }, image: { type: IMAGE }, prompt: promptInput, seed: seedInput, ...denoiseInputs(editDefaults), ...thinkingInputs,
    width: { type: INT, default: 0n, min: 0, max: 16384, step: 16, optional: true, ui: { tooltip: '0 = as the picture.' } },
    height: { type: INT, default: 0n, min: 0, max: 16384, step: 16, optional: true, ui: { tooltip: '0 = as the picture.' } },
    mask: maskInput,
  },
  outputs: pictureOutputs,
  run: (inputs, context) => drawPicture(context.expand(), inputs, [onWhite(inputs.image, inputs.mask), inputs.prompt], sizeOf(inputs)),
});

export const multiImageEdit = defineNode({
  type: 'Bagel.MultiImageEdit',
  title: 'BAGEL Multi-Image Edit',
  description: 'Makes a picture from several pictures and a text. The result has the size of the last picture.',
  category: 'BAGEL',
  inputs: {
    model: { type: BAGEL_MODEL }, image1: { type: IMAGE }, image2: { type: IMAGE }, image3: { type: IMAGE, optional: true }, image4: { type: IMAGE, optional: true },
    prompt: promptInput, seed: seedInput, ...denoiseInputs(editDefaults), ...thinkingInputs,
    width: { type: INT, default: 0n, min: 0, max: 16384, step: 16, optional: true, ui: { tooltip: '0 = as the last picture.' } },
    height: { type: INT, default: 0n, min: 0, max: 16384, step: 16, optional: true, ui: { tooltip: '0 = as the last picture.' } },
  },
  outputs: pictureOutputs,
  run(inputs, context) {
    const pictures = [inputs.image1, inputs.image2, inputs.image3, inputs.image4].filter((image) => image !== undefined);
    return drawPicture(context.expand(), inputs, [...pictures, inputs.prompt], sizeOf(inputs));
  },
});

function sizeOf({ width, height }: { width?: number | undefined; height?: number | undefined }): { width: number; height: number } {
  return { width: width ?? 0, height: height ?? 0 };
}

export const understandImage = defineNode({
  type: 'Bagel.UnderstandImage',
  title: 'BAGEL Understand Image',
  description: 'Answers a question about a picture, with or without thinking first.',
  category: 'BAGEL',
  inputs: {
    model: { type: BAGEL_MODEL }, image: { type: IMAGE }, prompt: promptInput, think: thinkInput, ...textInputs(512), seed: { ...seedInput, optional: true }, mask: maskInput,
  },
  outputs: [{ name: 'text', type: STRING }],
  run(inputs, context: NodeContext) {
    const build = context.expand();
    const { model, image, prompt, think, max_tokens, sample, temperature, seed } = inputs;
    const read = build.node('Bagel.Interleave', { model, task: 'understand', think, item1: onWhite(image, inputs.mask), item2: prompt }, { id: 'read' });
    const answer = build.node('Bagel.GenerateText', { model, context: read.out(0), max_tokens, sample, temperature, seed: sample ? seed ?? 0n : 0n }, { id: 'answer' });
    return build.finish([answer.out(0)]);
  },
});
