// Nodes of the autoencoder on its own, over ComfyUI's LATENT.
import { defineNode, type Image } from '../../../engine/graph/node.ts';
import { IMAGE } from '../../../engine/graph/types.ts';
import type { Pixels } from '../../../engine/image/pixels.ts';
import { float32, sizeOf } from '../../../engine/tensor/tensor.ts';
import { bagelFromRaw, latentShape, rawFromBagel } from '../comfy-latent.ts';
import { decodeLatent, encodeLatent } from '../encode.ts';
import { UserError } from '../errors.ts';
import { LATENT, VAE, picturesOf, workOf } from '../types.ts';

const vaeInput = { type: VAE } as const;

export const encodeVae = defineNode({
  type: 'Bagel.EncodeVAE',
  title: 'FLUX VAE Encode',
  description: 'Turns pictures into latents at the posterior mean. Sides that are no multiples of 8 are cropped, as ComfyUI does.',
  category: 'BAGEL/latent',
  inputs: { pixels: { type: IMAGE }, vae: vaeInput },
  outputs: [{ name: 'latent', type: LATENT }],
  async run({ pixels, vae }, context) {
    const { downsample, zChannels } = vae.config.vae;
    const pictures = picturesOf(pixels).map((picture) => cropTo(picture, downsample));
    const { width, height } = pictures[0]!;
    const shape = [1, zChannels, height / downsample, width / downsample];
    const samples = new Float32Array(pictures.length * sizeOf(shape));
    const work = workOf(context);
    for (const [i, picture] of pictures.entries()) {
      const latent = await encodeLatent(vae, picture, work);
      const encoded = rawFromBagel(await work.device.read(latent.handle), vae.config.vae);
      await work.device.free([latent.handle]);
      samples.set(encoded.data as Float32Array, i * sizeOf(shape));
      await context.progress(i + 1, pictures.length);
    }
    return [{ samples: float32([pictures.length, ...shape.slice(1)], samples), vae }];
  },
});

export const decodeVae = defineNode({
  type: 'Bagel.DecodeVAE',
  title: 'FLUX VAE Decode',
  description: 'Turns latents into pictures.',
  category: 'BAGEL/latent',
  inputs: { samples: { type: LATENT }, vae: vaeInput },
  outputs: [{ name: 'image', type: IMAGE }],
  async run({ samples: latent, vae }, context) {
    const { downsample } = vae.config.vae;
    const [batch, channels, h, w] = latentShape(latent, vae.config.vae);
    const size = { width: w * downsample, height: h * downsample };
    const image: Image = { ...size, batch, channels: 3, data: new Float32Array(batch * size.width * size.height * 3) };
    const values = bagelFromRaw(latent.samples, vae.config.vae).data as Float32Array;
    const one = channels * h * w;
    const work = workOf(context);
    for (let i = 0; i < batch; i++) {
      const handle = await work.device.write(float32([1, channels, h, w], values.slice(i * one, (i + 1) * one)));
      const decoded = await decodeLatent(vae, { handle, ...size }, work);
      await work.device.free([handle]);
      image.data.set(decoded.data as Float32Array, i * (image.data.length / batch));
      await context.progress(i + 1, batch);
    }
    return [image];
  },
});

/** The middle of the picture, each side the next smaller multiple of `unit`. Throws where nothing would be left. */
function cropTo(picture: Pixels, unit: number): Pixels {
  const width = picture.width - (picture.width % unit);
  const height = picture.height - (picture.height % unit);
  if (width === 0 || height === 0) throw new UserError(`a picture of ${picture.width}×${picture.height} pixels is too small: ${unit} a side are needed`);
  if (width === picture.width && height === picture.height) return picture;
  const { channels } = picture;
  const [x, y] = [Math.floor((picture.width % unit) / 2), Math.floor((picture.height % unit) / 2)];
  const data = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row++) {
    const start = ((y + row) * picture.width + x) * channels;
    data.set(picture.data.subarray(start, start + width * channels), row * width * channels);
  }
  return { width, height, channels, data };
}
