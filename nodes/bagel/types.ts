// BAGEL's link types and how values of the shared types become what the model code takes.
import type { Work, Context } from './context.ts';
import { contextHandles } from './context.ts';
import type { Image, NodeContext, Type } from '../../engine/graph/node.ts';
import type { Mask } from '../../engine/graph/types.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import type { Pixels } from '../../engine/image/pixels.ts';
import { floatFromPixels, overWhite, pixelsFromFloat, withMask } from '../../engine/image/pixels.ts';
import type { Autoencoding } from './autoencoder.ts';
import type { BagelModel } from './bagel-model.ts';
import { onOneDevice, placedWork } from './placement.ts';
import type { Latent } from './encode.ts';

export const BAGEL_MODEL: Type<BagelModel> = { name: 'BAGEL_MODEL', held: (model) => model.held() };
export const BAGEL_CONTEXT: Type<Context> = { name: 'BAGEL_CONTEXT', held: (context) => contextHandles(context) };
export const BAGEL_LATENT: Type<Latent> = { name: 'BAGEL_LATENT', held: (latent) => [latent.handle] };
/** The autoencoder on its own. */
export const VAE: Type<Autoencoding> = { name: 'VAE', held: (vae) => vae.held() };
export interface ComfyLatent {
  /** [batch, channels, height / 8, width / 8] float32 in the autoencoder's own scale. */
  readonly samples: Tensor;
  /** What made it from a picture. */
  readonly vae?: Autoencoding;
}
/** ComfyUI's latent. */
export const LATENT: Type<ComfyLatent> = { name: 'LATENT' };

/** What model code needs of a node's context: its device, and the others where the model's placement says so. */
export function workOf(context: NodeContext, model?: BagelModel): Work {
  const work = { device: context.device, signal: context.signal, count: (name: string) => context.count(name) };
  return placedWork(work, model?.placement ?? onOneDevice, model?.cuts ?? { llm: [] }, context.devices);
}

/** The pictures of a batch as 8-bit RGB; what is transparent shows white. */
export function picturesOf(image: Image): Pixels[] {
  return Array.from({ length: image.batch }, (_, i) => overWhite(pixelsFromFloat(image, i)));
}

/** A picture with what its mask covers shown white. Load Image gives a small empty mask where a file has no alpha: that changes nothing. */
export function onWhite(image: Image, mask: Mask | undefined): Image {
  if (mask === undefined || mask.data.every((value) => value === 0)) return image;
  const batch = Array.from({ length: image.batch }, (_, i) => overWhite(withMask(pixelsFromFloat(image, i), mask, Math.min(i, mask.batch - 1))));
  return floatFromPixels(batch);
}

/** A decoded picture [height, width, 3] as an IMAGE. */
export function imageOf(decoded: Tensor): Image {
  const [height, width, channels] = decoded.shape as [number, number, number];
  return { width, height, batch: 1, channels, data: decoded.data as Float32Array };
}
