// Nodes that read: text and pictures into contexts, one by one or interleaved.
import { defineNode, type Image } from '../../../engine/graph/node.ts';
import type { Pixels } from '../../../engine/image/pixels.ts';
import { BOOLEAN, COMBO, IMAGE, INT } from '../../../engine/graph/types.ts';
import { latentSource } from '../comfy-latent.ts';
import { contextOf, emptyContext, type Context } from '../context.ts';
import { fitVae, readImageVae, readImageVit, readLatent, readText } from '../encode.ts';
import { UserError } from '../errors.ts';
import { drawableSize, promptInput, ratioInput, sizeOfRatio } from '../inputs.ts';
import { BAGEL_CONTEXT, BAGEL_MODEL, LATENT, picturesOf, workOf } from '../types.ts';

/** System prompts of the reference, to the letter (inferencer.py). */
export const thinkPrompts = {
  draw: 'You should first think about the planning process in the mind and then generate the image. \nThe planning process is enclosed within <think> </think> tags, i.e. <think> planning process here </think> image here',
  understand: 'You should first think about the reasoning process in the mind and then provide the user with the answer. \nThe reasoning process is enclosed within <think> </think> tags, i.e. <think> reasoning process here </think> answer here',
} as const;

const contextInput = { type: BAGEL_CONTEXT, optional: true, ui: { tooltip: 'What was read before; nothing = from the start.' } } as const;
const model = { type: BAGEL_MODEL } as const;
const contextOutput = [{ name: 'context', type: BAGEL_CONTEXT }] as const;

export const encodeText = defineNode({
  type: 'Bagel.EncodeText',
  title: 'BAGEL Encode Text',
  description: 'Reads text into a context.',
  category: 'BAGEL/context',
  inputs: { model, text: promptInput, context: contextInput },
  outputs: contextOutput,
  run: async (inputs, context) => [await readText(contextOf(inputs.model, inputs.context), inputs.text, workOf(context, inputs.model))],
});

export const encodeImageVit = defineNode({
  type: 'Bagel.EncodeImageViT',
  title: 'BAGEL Encode Image (ViT)',
  description: 'Reads what a picture shows into a context. All pictures of a batch are read, one after another.',
  category: 'BAGEL/context',
  inputs: { model, image: { type: IMAGE }, context: contextInput },
  outputs: contextOutput,
  async run(inputs, context) {
    let read = contextOf(inputs.model, inputs.context);
    for (const picture of picturesOf(inputs.image)) read = await readImageVit(read, picture, workOf(context, inputs.model));
    return [read];
  },
});

export const encodeImageVae = defineNode({
  type: 'Bagel.EncodeImageVAE',
  title: 'BAGEL Encode Image (VAE)',
  description: 'Reads how a picture looks into a context, for editing. All pictures of a batch are read, one after another.',
  category: 'BAGEL/context',
  inputs: { model, image: { type: IMAGE }, context: contextInput },
  outputs: contextOutput,
  async run(inputs, context) {
    let read = contextOf(inputs.model, inputs.context);
    for (const picture of picturesOf(inputs.image)) read = await readImageVae(read, picture, workOf(context, inputs.model));
    return [read];
  },
});

/** Items that can be interleaved. */
export const itemNames = ['item1', 'item2', 'item3', 'item4', 'item5', 'item6', 'item7', 'item8'] as const;
const item = { type: { name: 'IMAGE,STRING', oneOf: ['IMAGE', 'STRING'] } as { name: string; oneOf: string[]; value?: Image | string }, optional: true } as const;

export const interleave = defineNode({
  type: 'Bagel.Interleave',
  title: 'BAGEL Interleave',
  description: 'Reads pictures and texts in order and gives the three contexts that guidance needs, as the reference builds them.',
  category: 'BAGEL/context',
  inputs: {
    model,
    task: { type: COMBO, default: 'draw', choices: ['draw', 'understand'], ui: { tooltip: 'draw reads pictures with VAE and ViT, understand with ViT alone.' } },
    think: { type: BOOLEAN, default: false, ui: { tooltip: 'Puts the system prompt for thinking first.' } },
    width: { type: INT, default: 0n, min: 0, max: 16384, step: 16, optional: true, ui: { tooltip: 'Of the picture to draw; 0 = the last picture read, else the model\'s default.' } },
    height: { type: INT, default: 0n, min: 0, max: 16384, step: 16, optional: true },
    item1: item, item2: item, item3: item, item4: item, item5: item, item6: item, item7: item, item8: item,
    ratio: ratioInput,
    latent: { type: LATENT, optional: true, ui: { tooltip: 'How the last picture looks, from VAE Encode, in place of what the model\'s own autoencoder makes of it.' } },
  },
  outputs: [
    { name: 'context', type: BAGEL_CONTEXT }, { name: 'text_unconditional', type: BAGEL_CONTEXT }, { name: 'image_unconditional', type: BAGEL_CONTEXT },
    { name: 'width', type: INT }, { name: 'height', type: INT },
  ],
  async run(inputs, context) {
    const work = workOf(context, inputs.model);
    const { model, think, ratio } = inputs;
    const items = itemNames.flatMap((name) => piecesOf(inputs[name]));
    if (items.length === 0) throw new UserError('nothing to interleave: connect a picture or a text to item1');
    const isDrawing = inputs.task === 'draw';
    const lastPicture = items.findLast((value) => typeof value !== 'string');
    let read: Context = emptyContext(model);
    let image = read;
    let text = read;
    let last: { width: number; height: number } | undefined;
    if (think) {
      const prompt = thinkPrompts[isDrawing ? 'draw' : 'understand'];
      read = await readText(read, prompt, work);
      image = isDrawing ? await readText(image, prompt, work) : image;
    }
    for (const value of items) {
      if (typeof value === 'string') {
        text = read;
        read = await readText(read, value, work);
        image = isDrawing ? await readText(image, value, work) : image;
        continue;
      }
      last = fitVae(model, value);
      if (isDrawing && value === lastPicture && inputs.latent !== undefined) {
        const source = latentSource(model, inputs.latent, value, context);
        last = source;
        read = await readLatent(read, source.content, source.make, work);
      } else if (isDrawing) {
        read = await readImageVae(read, value, work);
      }
      read = await readImageVit(read, value, work);
      text = read;
    }
    const defaults = model.config.defaults.textToImage;
    const shaped = ratio === undefined || ratio === '' ? undefined : sizeOfRatio(ratio, defaults);
    const wanted = shaped ?? { width: inputs.width || last?.width || defaults.width, height: inputs.height || last?.height || defaults.height };
    const size = isDrawing ? drawableSize(model, wanted.width, wanted.height, context) : wanted;
    return [read, text, image, size.width, size.height];
  },
});

/** A text, or the pictures of a batch. */
function piecesOf(item: Image | string | undefined): (Pixels | string)[] {
  return item === undefined ? [] : typeof item === 'string' ? [item] : picturesOf(item);
}
