// Reads text and pictures into contexts. Source: inferencer.py (update_context_text, update_context_image), bagel.py (prepare_prompts, prepare_vit_images, prepare_vae_images).
import { createHash } from 'node:crypto';
import type { Feed, Handle } from '../../engine/device/device.ts';
import type { Pixels } from '../../engine/image/pixels.ts';
import { fitSize } from '../../engine/image/fit-size.ts';
import { resizeBicubic } from '../../engine/image/resize.ts';
import { float32, int64, sizeOf, tensor, type Tensor } from '../../engine/tensor/tensor.ts';
import type { Autoencoding } from './autoencoder.ts';
import type { BagelModel } from './bagel-model.ts';
import { extend, type Context, type Work } from './context.ts';
import { UserError } from './errors.ts';

/** Appends text between a begin and an end token. Throws when it does not fit the model's positions. */
export async function readText(context: Context, text: string, work: Work): Promise<Context> {
  const tokenizer = await context.model.tokenizer();
  return readTokens(context, tokenizer.encode(text), work);
}

/** Appends token ids between a begin and an end token. */
export async function readTokens(context: Context, ids: readonly number[], work: Work): Promise<Context> {
  const { model } = context;
  const { bos, eos } = model.config.specialTokens;
  const all = [bos, ...ids, eos];
  checkPositions(context, all.length, 'the text');
  return extend(context, `text ${all.join(' ')}`, work, async () => {
    const und = await embed(model, all, undefined, work);
    return { und: { handle: und }, undRows: all.length, causal: true, free: () => work.device.free([und]) };
  });
}

/** Throws when `rows` more positions would pass the model's limit. */
export function checkPositions(context: Context, rows: number, what: string): void {
  const limit = context.model.config.llm.maxPositions;
  if (context.rope + rows > limit) {
    throw new UserError(`${what} takes ${rows} tokens after ${context.rope}, but the model ${context.model.name} has room for ${limit}: shorten it`);
  }
}

/** Rows of the language model for token ids, with picture rows behind them. */
export async function embed(model: BagelModel, ids: readonly number[], rows: Handle | undefined, work: Work): Promise<Handle> {
  const images: Feed = rows === undefined ? float32([0, model.config.llm.hidden], new Float32Array(0)) : { handle: rows };
  return model.handle(work.device, 'embed', { ids: int64([ids.length], ids), rows: images }, 'und', work.signal);
}

/** Both markers of an image block, as understanding rows. */
export async function embedMarkers(model: BagelModel, work: Work, rows?: Handle): Promise<Handle> {
  const { startOfImage, endOfImage } = model.config.specialTokens;
  return embed(model, [startOfImage, endOfImage], rows, work);
}

/** The picture as the autoencoder takes it: what the reference does to every input picture first, also for understanding. */
export function fitVae(model: BagelModel, picture: Pixels): Pixels {
  return resizeBicubic(picture, fitSize(picture.width, picture.height, model.config.vaeImage));
}

/** The picture as the vision tower takes it, from a picture that was fitted to the autoencoder. */
export function fitVit(model: BagelModel, fitted: Pixels): Pixels {
  return resizeBicubic(fitted, fitSize(fitted.width, fitted.height, model.config.vitImage));
}

/** Row-major positions in a square table of `side` a side. */
export function tablePositions(down: number, across: number, side: number): Tensor {
  return int64([down * across], Array.from({ length: down * across }, (_, i) => Math.floor(i / across) * side + (i % across)));
}

/** Appends what the vision tower sees. `picture` is RGB of any size. */
export async function readImageVit(context: Context, picture: Pixels, work: Work): Promise<Context> {
  const fitted = fitVit(context.model, fitVae(context.model, picture));
  return readVitRows(context, pixelDigest(fitted), () => runVit(context.model, fitted, work), work);
}

/** Appends rows of the vision tower between image markers; `content` says what they show. */
export async function readVitRows(context: Context, content: string, make: () => Promise<{ rows: Handle; tokens: number }>, work: Work): Promise<Context> {
  return extend(context, `vit ${content}`, work, async () => {
    const { rows, tokens } = await make();
    const und = await embedMarkers(context.model, work, rows);
    await work.device.free([rows]);
    return { und: { handle: und }, undRows: tokens + 2, causal: false, free: () => work.device.free([und]) };
  });
}

/** Runs the vision tower and connector over a fitted picture: rows [tokens, hidden] on the device. */
export async function runVit(model: BagelModel, fitted: Pixels, work: Work): Promise<{ rows: Handle; tokens: number }> {
  const { patch } = model.config.vit;
  const down = fitted.height / patch;
  const across = fitted.width / patch;
  const grid = int64([2], [down, across]);
  const positions = tablePositions(down, across, model.config.vitMaxPatchesPerSide);
  let x = await model.handle(work.device, 'patches', { picture: pictureTensor(fitted), grid }, 'patches', work.signal);
  for (const index of model.cuts.vit.keys()) {
    const isFirst = index === 0;
    const isLast = index === model.cuts.vit.length - 1;
    const feeds: Record<string, Feed> = { [isFirst ? 'patches' : 'x']: { handle: x }, ...(isFirst || isLast ? { positions } : {}) };
    const next = await model.handle(work.device, `vit:${index}`, feeds, isLast ? 'rows' : 'y', work.signal);
    await work.device.free([x]);
    x = next;
  }
  return { rows: x, tokens: down * across };
}

/** A latent in BAGEL's scale, [1, zChannels, height / 8, width / 8] on a device; sizes in pixels. */
export interface Latent {
  readonly handle: Handle;
  readonly width: number;
  readonly height: number;
}

/** Appends a picture as the autoencoder sees it. `noise` [1, zChannels, h, w] moves it off the posterior mean. */
export async function readImageVae(context: Context, picture: Pixels, work: Work, noise?: Tensor): Promise<Context> {
  const { model } = context;
  // Upstream fits twice: once before both encoders, once in the transform of this one.
  const fitted = fitVae(model, fitVae(model, picture));
  const content = `${pixelDigest(fitted)} ${noise === undefined ? 'mean' : digestBytes(noise)}`;
  return readLatent(context, content, () => encodeLatent(model, fitted, work, noise), work);
}

/** Appends a latent as generation rows at timestep 0 between image markers; `content` says what it shows. */
export async function readLatent(context: Context, content: string, make: () => Promise<Latent>, work: Work): Promise<Context> {
  const { model } = context;
  return extend(context, `vae ${content}`, work, async () => {
    const latent = await make();
    const { gen, tokens } = await latentRows(model, latent, 0, work);
    await work.device.free([latent.handle]);
    const und = await embedMarkers(model, work);
    return { und: { handle: und }, undRows: 2, gen: { handle: gen }, genRows: tokens, causal: false, free: () => work.device.free([und, gen]) };
  });
}

/** Runs the encoder over a picture whose sides are multiples of what a latent value stands for (8). */
export async function encodeLatent(model: Autoencoding, fitted: Pixels, work: Work, noise?: Tensor): Promise<Latent> {
  const moments = await encodeMoments(model, fitted, work);
  const shape = [1, model.config.vae.zChannels, ...latentSides(model, fitted)];
  const zero = noise ?? float32(shape, new Float32Array(sizeOf(shape)));
  const handle = await model.handle(work.device, 'posterior', { moments: { handle: moments }, noise: zero }, 'latent', work.signal);
  await work.device.free([moments]);
  return { handle, width: fitted.width, height: fitted.height };
}

/** Mean and log-variance [1, 2 · zChannels, h, w] of a fitted picture, on the device. */
export async function encodeMoments(model: Autoencoding, fitted: Pixels, work: Work): Promise<Handle> {
  let x: Handle | undefined;
  for (const index of model.cuts.encoder.keys()) {
    const feeds: Record<string, Feed> = x === undefined ? { picture: pictureTensor(fitted) } : { x: { handle: x } };
    const next: Handle = await model.handle(work.device, `encoder:${index}`, feeds, 'y', work.signal);
    if (x !== undefined) await work.device.free([x]);
    x = next;
  }
  return x!;
}

/** Generation rows [tokens, hidden] of a latent at timestep `t`. */
async function latentRows(model: BagelModel, latent: Latent, t: number, work: Work): Promise<{ gen: Handle; tokens: number }> {
  const [down, across] = gridOf(model, latent);
  const packed = await packLatent(model, latent, work);
  const gen = await model.handle(work.device, 'latent', { x: { handle: packed }, t: float32([1], [t]), positions: tablePositions(down, across, model.config.maxLatentSize) }, 'gen', work.signal);
  await work.device.free([packed]);
  return { gen, tokens: down * across };
}

/** [1, z, h, w] → [tokens, packed] on the device. */
export async function packLatent(model: BagelModel, latent: Latent, work: Work): Promise<Handle> {
  return model.handle(work.device, 'pack', { latent: { handle: latent.handle }, grid: int64([2], gridOf(model, latent)) }, 'packed', work.signal);
}

/** [tokens, packed] → a latent of a size. */
export async function unpackLatent(model: BagelModel, packed: Feed, size: { width: number; height: number }, work: Work): Promise<Latent> {
  const handle = await model.handle(work.device, 'unpack', { packed, grid: int64([2], gridOf(model, size)) }, 'latent', work.signal);
  return { handle, ...size };
}

/** Runs the decoder: float32 [height, width, 3] in 0…1 on the host. */
export async function decodeLatent(model: Autoencoding, latent: Latent, work: Work): Promise<Tensor> {
  let x = latent.handle;
  for (const index of model.cuts.decoder.keys()) {
    const next = await model.handle(work.device, `decoder:${index}`, { x: { handle: x } }, 'y', work.signal);
    if (x !== latent.handle) await work.device.free([x]);
    x = next;
  }
  const image = await model.tensor(work.device, 'image', { x: { handle: x } }, 'image', work.signal);
  await work.device.free([x]);
  return image;
}

/** Pixels a side that one token stands for. */
export function tokenPixels(model: BagelModel): number {
  return model.config.latentPatchSize * model.config.vae.downsample;
}

/** Tokens down and across. */
export function gridOf(model: BagelModel, { width, height }: { width: number; height: number }): [number, number] {
  return [height / tokenPixels(model), width / tokenPixels(model)];
}

function latentSides(model: Pick<Autoencoding, 'config'>, { width, height }: { width: number; height: number }): [number, number] {
  return [height / model.config.vae.downsample, width / model.config.vae.downsample];
}

export function pictureTensor(picture: Pixels): Tensor {
  return tensor('uint8', [picture.height, picture.width, picture.channels], picture.data);
}

/** Identifies a picture by its size and pixels. */
export function pixelDigest(picture: Pixels): string {
  return `${picture.width}x${picture.height} ${digestBytes({ data: picture.data })}`;
}

function digestBytes({ data }: { data: Tensor['data'] }): string {
  return createHash('sha256').update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)).digest('hex');
}
