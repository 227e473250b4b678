// ComfyUI's LATENT, which is in the autoencoder's own scale, and how a model reads one in place of a picture it would encode itself.
import { createHash } from 'node:crypto';
import type { NodeContext } from '../../engine/graph/node.ts';
import type { Pixels } from '../../engine/image/pixels.ts';
import { bytesView, float32, type Tensor } from '../../engine/tensor/tensor.ts';
import type { Autoencoding } from './autoencoder.ts';
import type { BagelModel } from './bagel-model.ts';
import { encodeLatent, fitVae, pixelDigest, tokenPixels, type Latent } from './encode.ts';
import { UserError } from './errors.ts';
import type { BagelConfig } from './model/config.ts';
import { workOf, type ComfyLatent } from './types.ts';

type VaeConfig = BagelConfig['vae'];

/** BAGEL's scale → the autoencoder's. */
export function rawFromBagel(samples: Tensor, { scale, shift }: VaeConfig): Tensor {
  return mapValues(samples, (x) => x / scale + shift);
}

/** The autoencoder's scale → BAGEL's: 0.3611 · (raw − 0.1159). */
export function bagelFromRaw(samples: Tensor, { scale, shift }: VaeConfig): Tensor {
  return mapValues(samples, (x) => scale * (x - shift));
}

function mapValues(tensor: Tensor, change: (x: number) => number): Tensor {
  return float32(tensor.shape, (tensor.data as Float32Array).map(change));
}

/** The shape [batch, channels, h, w] of a LATENT. Throws a UserError where it is no latent of this autoencoder. */
export function latentShape({ samples }: ComfyLatent, { zChannels }: VaeConfig): [number, number, number, number] {
  const { shape } = samples;
  if (shape.length !== 4 || shape[1] !== zChannels) throw new UserError(`a latent [batch, ${zChannels}, height, width] is needed, got [${shape.join(', ')}]`);
  return shape as [number, number, number, number];
}

/** A latent that is made when it is needed. */
export interface LatentSource {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Identifies what it shows. */
  readonly content: string;
  make(): Promise<Latent>;
}

/**
 * How a model reads a LATENT of `picture`: as it is where its size can be drawn. Else the picture is fitted as the reference does it and encoded
 * again by what made the latent, which is told. Throws a UserError where neither is possible.
 */
export function latentSource(model: BagelModel, given: ComfyLatent, picture: Pixels, context: NodeContext): LatentSource {
  const { vae } = model.config;
  const [batch, , h, w] = latentShape(given, vae);
  const [width, height] = [w * vae.downsample, h * vae.downsample];
  const token = tokenPixels(model);
  const limit = model.config.maxLatentSize * token;
  if (batch === 1 && width % token === 0 && height % token === 0 && Math.max(width, height) <= limit) {
    const make = async () => ({ handle: await context.device.write(bagelFromRaw(given.samples, vae)), width, height });
    return { width, height, content: `${width}x${height} ${digestOf(given.samples)}`, make };
  }
  const coder: Autoencoding | undefined = given.vae ?? (model.hasAutoencoder ? model : undefined);
  const what = batch === 1 ? `the latent is ${width}×${height} pixels` : `the latent holds ${batch} pictures`;
  if (coder === undefined) throw new UserError(`${what}, but ${model.name} reads one picture whose sides are multiples of ${token} and at most ${limit}: scale the picture before VAE Encode`);
  const fitted = fitVae(model, picture);
  context.notice(`${what}, which ${model.name} cannot read: the picture is encoded again at ${fitted.width}×${fitted.height}`);
  return { width: fitted.width, height: fitted.height, content: `${pixelDigest(fitted)} by ${coder.key}`, make: () => encodeLatent(coder, fitted, workOf(context, model)) };
}

function digestOf(samples: Tensor): string {
  return createHash('sha256').update(bytesView(samples)).digest('hex');
}
