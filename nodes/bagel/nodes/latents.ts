// Nodes between noise and picture.
import { defineNode } from '../../../engine/graph/node.ts';
import { IMAGE } from '../../../engine/graph/types.ts';
import { Generator } from '../../../engine/tensor/random.ts';
import { bagelFromRaw, latentShape, rawFromBagel } from '../comfy-latent.ts';
import { contextOf } from '../context.ts';
import { denoise as denoiseSteps } from '../denoise.ts';
import { decodeLatent as decode, encodeLatent as encode, fitVae, gridOf, unpackLatent } from '../encode.ts';
import { estimateText, type Estimate } from '../estimate.ts';
import { UserError } from '../errors.ts';
import { denoiseInputs, denoiseOptions, drawableSize, seedInput, sizeInputs } from '../inputs.ts';
import { packedSize } from '../model/parts.ts';
import { previewOf } from '../preview.ts';
import { BAGEL_CONTEXT, BAGEL_LATENT, BAGEL_MODEL, LATENT, imageOf, picturesOf, workOf } from '../types.ts';

/** Shorter ones are over before the estimate is read. */
const toldFromSeconds = 20;

const model = { type: BAGEL_MODEL } as const;

export const noise = defineNode({
  type: 'Bagel.Noise',
  title: 'BAGEL Noise',
  description: 'The noise a picture starts from: the first draw of torch\'s CPU generator after the seed.',
  category: 'BAGEL/latent',
  inputs: { model, seed: seedInput, ...sizeInputs },
  outputs: [{ name: 'latent', type: BAGEL_LATENT }],
  async run(inputs, context) {
    const size = drawableSize(inputs.model, inputs.width, inputs.height, context);
    const [down, across] = gridOf(inputs.model, size);
    const drawn = new Generator(inputs.seed).randn([down * across, packedSize(inputs.model.config)]);
    return [await unpackLatent(inputs.model, drawn, size, workOf(context, inputs.model))];
  },
});

export const denoise = defineNode({
  type: 'Bagel.Denoise',
  title: 'BAGEL Denoise',
  description: 'Follows the flow from noise to a picture\'s latent, guided by contexts.',
  category: 'BAGEL/latent',
  inputs: {
    model,
    noise: { type: BAGEL_LATENT },
    context: { type: BAGEL_CONTEXT },
    text_unconditional: { type: BAGEL_CONTEXT, optional: true, ui: { tooltip: 'What guidance moves away from; nothing = an empty context. A negative prompt goes here.' } },
    image_unconditional: { type: BAGEL_CONTEXT, optional: true, ui: { tooltip: 'The context without pictures; nothing = the context itself.' } },
    ...denoiseInputs({ cfgText: 4, cfgImage: 1.5, start: 0.4, renorm: 'global' }),
  },
  outputs: [{ name: 'latent', type: BAGEL_LATENT }],
  async run(inputs, context) {
    const options = denoiseOptions(inputs);
    const contexts = {
      conditional: contextOf(inputs.model, inputs.context),
      text: contextOf(inputs.model, inputs.text_unconditional),
      image: contextOf(inputs.model, inputs.image_unconditional ?? inputs.context),
    };
    const expect = (expected: Estimate) => { if (expected.seconds >= toldFromSeconds) context.notice(estimateText(expected)); };
    const work = { ...workOf(context, inputs.model), expect };
    const steps = denoiseSteps(inputs.model, contexts, inputs.noise, options, work);
    await context.progress(0, options.timesteps - 1);
    for (;;) {
      const next = await steps.next();
      if (next.done === true) return [next.value];
      const { step, steps: total } = next.value;
      try {
        await context.progress(step, total, () => previewOf(inputs.model, next.value, inputs.noise, work));
      } catch (error) {
        await steps.return(undefined as never);
        throw error;
      }
    }
  },
});

export const decodeLatent = defineNode({
  type: 'Bagel.DecodeLatent',
  title: 'BAGEL Decode Latent',
  description: 'Turns a latent into a picture.',
  category: 'BAGEL/latent',
  inputs: { model, latent: { type: BAGEL_LATENT } },
  outputs: [{ name: 'image', type: IMAGE }],
  run: async (inputs, context) => [imageOf(await decode(inputs.model, inputs.latent, workOf(context, inputs.model)))],
});

export const encodeLatent = defineNode({
  type: 'Bagel.EncodeLatent',
  title: 'BAGEL Encode Latent',
  description: 'Turns a picture into a latent, at the posterior mean. The picture is fitted to the model\'s sizes.',
  category: 'BAGEL/latent',
  inputs: { model, image: { type: IMAGE } },
  outputs: [{ name: 'latent', type: BAGEL_LATENT }],
  async run(inputs, context) {
    const [picture] = picturesOf(inputs.image);
    if (inputs.image.batch > 1) context.notice(`only the first of ${inputs.image.batch} pictures is encoded`);
    return [await encode(inputs.model, fitVae(inputs.model, picture!), workOf(context, inputs.model))];
  },
});

export const toComfyLatent = defineNode({
  type: 'Bagel.ToLatent',
  title: 'BAGEL to LATENT',
  description: 'Converts to ComfyUI\'s LATENT, which is in the autoencoder\'s own scale.',
  category: 'BAGEL/latent',
  inputs: { model, latent: { type: BAGEL_LATENT } },
  outputs: [{ name: 'latent', type: LATENT }],
  async run(inputs, context) {
    const samples = await workOf(context, inputs.model).device.read(inputs.latent.handle);
    return [{ samples: rawFromBagel(samples, inputs.model.config.vae) }];
  },
});

export const fromComfyLatent = defineNode({
  type: 'Bagel.FromLatent',
  title: 'LATENT to BAGEL',
  description: 'Converts from ComfyUI\'s LATENT: 0.3611 · (raw − 0.1159).',
  category: 'BAGEL/latent',
  inputs: { model, latent: { type: LATENT } },
  outputs: [{ name: 'latent', type: BAGEL_LATENT }],
  async run(inputs, context) {
    const { vae } = inputs.model.config;
    const [batch, , height, width] = latentShape(inputs.latent, vae);
    if (batch !== 1) throw new UserError(`a latent of one picture is needed, got ${batch}`);
    const handle = await context.device.write(bagelFromRaw(inputs.latent.samples, vae));
    return [{ handle, width: width * vae.downsample, height: height * vae.downsample }];
  },
});
