// The node classes of ComfyUI-BAGEL 1.0.7: same names, inputs, defaults and outputs, as expansions into nodes/bagel.
// Where the original returns a black picture, the node fails with its reason.
import { defineNode, volatile, type Image } from '../../engine/graph/node.ts';
import { COMBO, IMAGE, STRING } from '../../engine/graph/types.ts';
import { cfgTextInput, fairyPrompt, firstOf, flag, modelInput, number, optional, pictureInput, promptInput, renormInput, renormMinInput, stepsInput, wholeNumber } from './inputs.ts';
import { drawSeed, seedFingerprint, seedFor, seedInput } from './seed.ts';

const pictureOutputs = [{ name: 'image', type: IMAGE }, { name: 'thinking', type: STRING }] as const;
const thinkingInput = optional(flag('Display reasoning process'));
const temperatureInput = optional(number(0.3, 0, 1, 0.1, 'Text generation temperature'));

/** Tokens of thinking at most; thinking is greedy. */
const thinking = { max_tokens: 1024, sample: false } as const;

interface Options {
  readonly cfg_text_scale: number;
  readonly num_timesteps: number;
  readonly show_thinking?: boolean | undefined;
  readonly cfg_interval?: number | undefined;
  readonly timestep_shift?: number | undefined;
  readonly cfg_renorm_min?: number | undefined;
  readonly cfg_renorm_type?: string | undefined;
  readonly text_temperature?: number | undefined;
}

/** Inputs of a coarse node from this pack's, with its defaults for what is left out. */
function drawingInputs(options: Options, defaults: { start: number; renorm: string }) {
  return {
    steps: options.num_timesteps, shift: options.timestep_shift ?? 3, cfg_text: options.cfg_text_scale, cfg_start: options.cfg_interval ?? defaults.start, cfg_end: 1,
    renorm: options.cfg_renorm_type ?? defaults.renorm, renorm_min: options.cfg_renorm_min ?? 0,
    think: options.show_thinking ?? false, temperature: options.text_temperature ?? 0.3, ...thinking,
  };
}

const editDefaults = { start: 0, renorm: 'text_channel' } as const;

export const BagelTextToImage = defineNode({
  type: 'BagelTextToImage',
  title: 'BAGEL Text to Image',
  description: 'Draws a picture from text. The long side is the model\'s own default size (1024 for BAGEL-7B-MoT).',
  category: 'BAGEL/Core',
  inputs: {
    model: modelInput, prompt: promptInput(fairyPrompt, 'Text prompt'), seed: seedInput,
    image_ratio: { type: COMBO, default: '1:1', choices: ['1:1', '4:3', '3:4', '16:9', '9:16'], ui: { tooltip: 'Image aspect ratio' } },
    cfg_text_scale: cfgTextInput, num_timesteps: stepsInput,
    show_thinking: thinkingInput,
    cfg_interval: optional(number(0.4, 0, 1, 0.1, 'CFG interval start value')),
    timestep_shift: optional(number(3, 1, 5, 0.5, 'Timestep offset')),
    cfg_renorm_min: optional(renormMinInput), cfg_renorm_type: optional(renormInput('global')), text_temperature: temperatureInput,
  },
  outputs: pictureOutputs,
  fingerprint: seedFingerprint,
  run(inputs, context) {
    const { model, prompt, image_ratio: ratio } = inputs;
    const build = context.expand();
    const drawn = build.node('Bagel.TextToImage', {
      // the original gives no image scale, so the inferencer's own applies
      model, prompt, ratio, seed: seedFor(inputs.seed, context), cfg_image: 1.5, ...drawingInputs(inputs, { start: 0.4, renorm: 'global' }),
    }, { id: 'draw' });
    return build.finish([drawn.out(0), drawn.out(1)]);
  },
});

export const BagelImageEdit = defineNode({
  type: 'BagelImageEdit',
  title: 'BAGEL Image Edit',
  description: 'Changes a picture as the text says.',
  category: 'BAGEL/Core',
  inputs: {
    model: modelInput, image: pictureInput('Input image'), prompt: promptInput('Edit the image according to the description', 'Editing prompt'), seed: seedInput,
    cfg_text_scale: cfgTextInput, cfg_img_scale: number(2, 1, 4, 0.1, 'CFG image scaling'), num_timesteps: stepsInput,
    show_thinking: thinkingInput,
    cfg_interval: optional(number(0, 0, 1, 0.1, 'CFG interval start value')),
    timestep_shift: optional(number(3, 1, 10, 0.5, 'Timestep offset')),
    cfg_renorm_min: optional(renormMinInput), cfg_renorm_type: optional(renormInput('text_channel')), text_temperature: temperatureInput,
  },
  outputs: pictureOutputs,
  fingerprint: seedFingerprint,
  run(inputs, context) {
    const { model, prompt, cfg_img_scale: cfg_image } = inputs;
    const build = context.expand();
    const edited = build.node('Bagel.EditImage', {
      model, image: firstOf(inputs.image, context), prompt, seed: seedFor(inputs.seed, context), cfg_image, ...drawingInputs(inputs, editDefaults),
    }, { id: 'edit' });
    return build.finish([edited.out(0), edited.out(1)]);
  },
});

export const BagelMultiImageEdit = defineNode({
  type: 'BagelMultiImageEdit',
  title: 'BAGEL Multi-Image Edit (Echo-4o only)',
  description: 'Makes a picture from several pictures and a text, in the size of the last one. Echo-4o is tuned for it.',
  category: 'BAGEL/Enhanced',
  inputs: {
    model: { ...modelInput, ui: { tooltip: 'BAGEL/Echo-4o model' } },
    ref_image_1: pictureInput('First reference image (required)'), ref_image_2: pictureInput('Second reference image (required)'),
    prompt: promptInput('Combine elements from the reference images according to the description.', 'Multi-image editing prompt'), seed: seedInput,
    cfg_text_scale: cfgTextInput, cfg_img_scale: number(2, 1, 3, 0.1, 'CFG image scaling'), num_timesteps: stepsInput,
    ref_image_3: optional(pictureInput('Third reference image (optional)')), ref_image_4: optional(pictureInput('Fourth reference image (optional)')),
    show_thinking: thinkingInput,
    cfg_interval: optional(number(0, 0, 1, 0.1, 'CFG interval start value')),
    timestep_shift: optional(number(3, 1, 5, 0.5, 'Timestep offset')),
    cfg_renorm_min: optional(renormMinInput), cfg_renorm_type: optional(renormInput('text_channel')), text_temperature: temperatureInput,
  },
  outputs: pictureOutputs,
  fingerprint: seedFingerprint,
  run(inputs, context) {
    const { model, prompt, cfg_img_scale: cfg_image } = inputs;
    const pictures = [inputs.ref_image_1, inputs.ref_image_2, inputs.ref_image_3, inputs.ref_image_4].filter((image): image is Image => image !== undefined);
    const numbered = Object.fromEntries(pictures.map((image, i) => [`image${i + 1}`, firstOf(image, context)]));
    const build = context.expand();
    const edited = build.node('Bagel.MultiImageEdit', {
      model, ...numbered, prompt, seed: seedFor(inputs.seed, context), cfg_image, ...drawingInputs(inputs, editDefaults),
    }, { id: 'edit' });
    return build.finish([edited.out(0), edited.out(1)]);
  },
});

export const BagelImageUnderstanding = defineNode({
  type: 'BagelImageUnderstanding',
  title: 'BAGEL Image Understanding',
  description: 'Answers a question about a picture.',
  category: 'BAGEL/Core',
  inputs: {
    model: modelInput, image: pictureInput('Input image'), prompt: promptInput('What do you see in this image?', 'Question text'),
    show_thinking: thinkingInput, do_sample: optional(flag('Enable sampling')),
    text_temperature: optional(number(0.3, 0, 1, 0.05, 'Text generation temperature')),
    max_new_tokens: optional(wholeNumber(512, 64, 4096, 64, 'Maximum new tokens')),
  },
  outputs: [{ name: 'text', type: STRING }],
  // it has no seed: sampled answers differ each time
  fingerprint: ({ do_sample: isSampled }) => (isSampled === true ? volatile : null),
  run(inputs, context) {
    const { model, prompt, show_thinking: think = false, do_sample: sample = false, text_temperature: temperature = 0.3, max_new_tokens: max_tokens = 512 } = inputs;
    const build = context.expand();
    const answer = build.node('Bagel.UnderstandImage', {
      model, image: firstOf(inputs.image, context), prompt, think, sample, temperature, max_tokens, ...(sample ? { seed: drawSeed() } : {}),
    }, { id: 'answer' });
    return build.finish([answer.out(0)]);
  },
});
