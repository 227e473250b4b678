// The node classes of ComfyUI-BAGEL from 1.1, which make and take ComfyUI's LATENT, and ComfyUI's own VAE nodes as far as BAGEL needs them.
import { defineNode, volatile, type Builder } from '../../engine/graph/node.ts';
import { IMAGE, STRING } from '../../engine/graph/types.ts';
import { cfgTextInput, fairyPrompt, firstOf, flag, modelInput, number, pictureInput, promptInput, renormInput, renormMinInput, stepsInput, wholeNumber } from './inputs.ts';
import { drawSeed, seedFingerprint, seedFor, seedInput } from './seed.ts';
import { LATENT, VAE } from './types.ts';

const latentOutputs = [{ name: 'latent', type: LATENT }, { name: 'reasoning', type: STRING }] as const;

const thinkingInputs = {
  show_thinking: flag('Display reasoning process'),
  max_think_tokens: wholeNumber(1024, 64, 4096, 64, 'Maximum thinking tokens'),
  do_sample: flag('Enable sampling'),
  text_temperature: number(0.3, 0.1, 1, 0.1, 'Text generation temperature'),
} as const;

interface Drawing {
  readonly model: unknown;
  readonly cfg_text_scale: number;
  readonly cfg_interval: number;
  readonly timestep_shift: number;
  readonly num_timesteps: number;
  readonly cfg_renorm_min: number;
  readonly cfg_renorm_type: string;
  readonly show_thinking: boolean;
  readonly max_think_tokens: number;
  readonly do_sample: boolean;
  readonly text_temperature: number;
}

/** Interleave → (Think) → Noise → Denoise → LATENT. `reading` are inputs of Bagel.Interleave. */
function drawLatent(build: Builder, inputs: Drawing, reading: Readonly<Record<string, unknown>>, seed: bigint, cfgImage: number) {
  const { model, show_thinking: think } = inputs;
  const contexts = build.node('Bagel.Interleave', { model, task: 'draw', think, ...reading }, { id: 'read' });
  const writing = { max_tokens: inputs.max_think_tokens, sample: inputs.do_sample, temperature: inputs.text_temperature, seed };
  const thought = think ? build.node('Bagel.Think', { model, context: contexts.out(0), ...writing }, { id: 'think' }) : undefined;
  const noise = build.node('Bagel.Noise', { model, seed, width: contexts.out(3), height: contexts.out(4) }, { id: 'noise' });
  const latent = build.node('Bagel.Denoise', {
    model, noise: noise.out(0), context: thought?.out(1) ?? contexts.out(0), text_unconditional: contexts.out(1), image_unconditional: contexts.out(2),
    steps: inputs.num_timesteps, shift: inputs.timestep_shift, cfg_text: inputs.cfg_text_scale, cfg_image: cfgImage, cfg_start: inputs.cfg_interval, cfg_end: 1,
    renorm: inputs.cfg_renorm_type, renorm_min: inputs.cfg_renorm_min,
  }, { id: 'denoise' });
  const converted = build.node('Bagel.ToLatent', { model, latent: latent.out(0) }, { id: 'latent' });
  return build.finish([converted.out(0), thought?.out(0) ?? '']);
}

export const BAGELTextToImage = defineNode({
  type: 'BAGELTextToImage',
  title: 'BAGEL Text to Image (Native)',
  description: 'Draws a latent from text; VAE Decode makes the picture.',
  category: 'BAGEL/Generation',
  inputs: {
    model: modelInput, prompt: promptInput(fairyPrompt, 'Text prompt'),
    width: wholeNumber(1024, 256, 1024, 16, 'Width in pixels'), height: wholeNumber(1024, 256, 1024, 16, 'Height in pixels'),
    cfg_text_scale: cfgTextInput, cfg_interval: number(0.4, 0, 1, 0.1, 'CFG interval start value'), timestep_shift: number(3, 1, 5, 0.5, 'Timestep offset'),
    num_timesteps: stepsInput, cfg_renorm_min: renormMinInput, cfg_renorm_type: renormInput('global'), ...thinkingInputs, seed: seedInput,
  },
  outputs: latentOutputs,
  fingerprint: seedFingerprint,
  run(inputs, context) {
    const { prompt, width, height } = inputs;
    return drawLatent(context.expand(), inputs, { item1: prompt, width, height }, seedFor(inputs.seed, context), 1.5);
  },
});

export const BAGELImageEdit = defineNode({
  type: 'BAGELImageEdit',
  title: 'BAGEL Image Edit (Native)',
  description: 'Changes a picture as the text says. Takes the picture and its latent from VAE Encode, and gives a latent of the same size.',
  category: 'BAGEL/Editing',
  inputs: {
    model: modelInput, image: pictureInput('Input image'), vae_latent: { type: LATENT, ui: { tooltip: 'The same picture from VAE Encode' } },
    prompt: promptInput('Edit the image according to the description', 'Editing prompt'),
    cfg_text_scale: cfgTextInput, cfg_img_scale: number(2, 1, 4, 0.1, 'CFG image scaling'),
    cfg_interval: number(0, 0, 1, 0.1, 'CFG interval start value'), timestep_shift: number(3, 1, 10, 0.5, 'Timestep offset'),
    num_timesteps: stepsInput, cfg_renorm_min: renormMinInput, cfg_renorm_type: renormInput('text_channel'), ...thinkingInputs, seed: seedInput,
  },
  outputs: latentOutputs,
  fingerprint: seedFingerprint,
  run(inputs, context) {
    const { prompt, vae_latent: latent, cfg_img_scale: cfgImage } = inputs;
    return drawLatent(context.expand(), inputs, { item1: firstOf(inputs.image, context), item2: prompt, latent }, seedFor(inputs.seed, context), cfgImage);
  },
});

export const BAGELImageUnderstanding = defineNode({
  type: 'BAGELImageUnderstanding',
  title: 'BAGEL Image Understanding (Native)',
  description: 'Answers a question about a picture, and shows the answer.',
  category: 'BAGEL/Understanding',
  inputs: {
    model: modelInput, image: pictureInput('Input image'), prompt: promptInput('What do you see in this image?', 'Question text'),
    show_thinking: flag('Display reasoning process'), do_sample: flag('Enable sampling'),
    text_temperature: number(0.3, 0, 1, 0.05, 'Text generation temperature'), max_new_tokens: wholeNumber(512, 64, 4096, 64, 'Maximum new tokens'),
  },
  outputs: [{ name: 'text', type: STRING }],
  output: true,
  // it has no seed: sampled answers differ each time
  fingerprint: ({ do_sample: isSampled }) => (isSampled === true ? volatile : null),
  run(inputs, context) {
    const { model, prompt, show_thinking: think, do_sample: sample, text_temperature: temperature, max_new_tokens: max_tokens } = inputs;
    const build = context.expand();
    const answer = build.node('Bagel.UnderstandImage', {
      model, image: firstOf(inputs.image, context), prompt, think, sample, temperature, max_tokens, ...(sample ? { seed: drawSeed() } : {}),
    }, { id: 'answer' });
    build.node('ShowText|pysssss', { text: answer.out(0) }, { id: 'show', display: context.node });
    return build.finish([answer.out(0)]);
  },
});

export const VAEEncode = defineNode({
  type: 'VAEEncode',
  title: 'VAE Encode',
  description: 'Turns pictures into latents.',
  category: 'latent',
  inputs: { pixels: { type: IMAGE }, vae: { type: VAE } },
  outputs: [{ name: 'LATENT', type: LATENT }],
  run({ pixels, vae }, context) {
    const build = context.expand();
    return build.finish([build.node('Bagel.EncodeVAE', { pixels, vae }, { id: 'encode' }).out(0)]);
  },
});

export const VAEDecode = defineNode({
  type: 'VAEDecode',
  title: 'VAE Decode',
  description: 'Decodes latent images back into pixel space images.',
  category: 'latent',
  inputs: {
    samples: { type: LATENT, ui: { tooltip: 'The latent to be decoded.' } },
    vae: { type: VAE, ui: { tooltip: 'The VAE model used for decoding the latent.' } },
  },
  outputs: [{ name: 'IMAGE', type: IMAGE, tooltip: 'The decoded image.' }],
  run({ samples, vae }, context) {
    const build = context.expand();
    return build.finish([build.node('Bagel.DecodeVAE', { samples, vae }, { id: 'decode' }).out(0)]);
  },
});
