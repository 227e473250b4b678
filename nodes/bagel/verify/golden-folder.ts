// Recomputes every tensor of a golden folder with our engine, each stage fed from the golden tensors of the stage before it,
// and once end to end from the source picture. The form of the folder is told in test/golden/README.md.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Device, Handle } from '../../../engine/device/device.ts';
import { decode } from '../../../engine/image/decode.ts';
import { overWhite, pixels, type Pixels } from '../../../engine/image/pixels.ts';
import { openSafetensors } from '../../../engine/tensor/safetensors.ts';
import { int64, tensor, type Tensor } from '../../../engine/tensor/tensor.ts';
import { BagelModel } from '../bagel-model.ts';
import { contextHandles, emptyContext, type Context, type Work } from '../context.ts';
import { denoise, type Contexts, type DenoiseOptions } from '../denoise.ts';
import { decodeLatent, encodeMoments, fitVae, fitVit, gridOf, packLatent, pictureTensor, readImageVae, readImageVit, readLatent, readTokens, readVitRows, tablePositions, unpackLatent } from '../encode.ts';
import { generateTokens } from '../generate-text.ts';
import { rowsName } from '../model/parts.ts';
import type { RenormType } from '../model/guidance.ts';
import { openModelFolder } from '../weights/folder.ts';
import { compare, tolerances, type Tolerance, type Verdict } from './compare.ts';

interface Case {
  readonly height: number;
  readonly width: number;
  readonly num_timesteps: number;
  readonly timestep_shift: number;
  readonly cfg_text_scale: number;
  readonly cfg_img_scale: number;
  readonly cfg_interval: readonly [number, number];
  readonly cfg_renorm_min: number;
  readonly cfg_renorm_type: RenormType;
  readonly enable_taylorseer?: boolean;
}

/** Loads the model in `folder` and gives a verdict a key of expected.safetensors, as they are computed. */
export async function* verifyFolder(folder: string, device: Device, signal: AbortSignal): AsyncGenerator<Verdict> {
  const model = new BagelModel(await openModelFolder(folder, { strict: false }), { expandWeights: true });
  const file = await openSafetensors(path.join(folder, 'expected.safetensors'));
  const cases = JSON.parse(await readFile(path.join(folder, 'cases.json'), 'utf8')) as Record<string, Case>;
  const run = new GoldenRun(model, folder, (key) => file.read(key), new Set(file.entries.keys()), { device, signal, count: () => {} });
  yield* run.pictures();
  yield* run.autoencoder();
  yield* run.vision();
  yield* run.contexts();
  for (const [name, options] of Object.entries(cases)) if (name !== 'contexts') yield* run.denoising(name, options);
  for (const key of run.left()) yield { key, tolerance: 'exact', error: Infinity, limit: 0, passed: false, reason: 'nothing here computes it' };
}

class GoldenRun {
  readonly #model: BagelModel;
  readonly #folder: string;
  readonly #golden: (key: string) => Promise<Tensor>;
  readonly #left: Set<string>;
  readonly #work: Work;
  #made: { text: Context; vaeVit: Context; edit: Context } | undefined;

  constructor(model: BagelModel, folder: string, golden: (key: string) => Promise<Tensor>, keys: Set<string>, work: Work) {
    this.#model = model;
    this.#folder = folder;
    this.#golden = golden;
    this.#left = keys;
    this.#work = work;
  }

  /** Keys that no stage has looked at. */
  left(): string[] {
    return [...this.#left].sort();
  }

  async *pictures(): AsyncGenerator<Verdict> {
    if (!this.#left.has('src_rgb')) return;
    const source = overWhite(await decode(path.join(this.#folder, 'source.png')));
    yield await this.#check('src_rgb', pictureTensor(source), 'exact');
    const fitted = fitVae(this.#model, await this.#picture('src_rgb'));
    yield await this.#check('vae_resized_rgb', pictureTensor(fitted), 'exact');
    yield await this.#check('vit_resized_rgb', pictureTensor(fitVit(this.#model, await this.#picture('vae_resized_rgb'))), 'exact');
  }

  async *autoencoder(): AsyncGenerator<Verdict> {
    const { device, signal } = this.#work;
    if (this.#left.has('vae_enc.mean')) {
      // The reference's transform fits once more, which changes nothing unless bounds are unusual.
      const picture = fitVae(this.#model, await this.#picture('vae_resized_rgb'));
      yield await this.#check('vae_enc.input', await this.#model.tensor(device, 'encoder:0', { picture: pictureTensor(picture) }, 'normal', signal), 'part');
      const moments = await encodeMoments(this.#model, picture, this.#work);
      const noise = await this.#given('vae_enc.noise');
      const outputs = await this.#model.run(device, 'posterior', { moments: { handle: moments }, noise }, { mean: 'tensor', logvar: 'tensor', latent: 'tensor' }, signal);
      for (const name of ['mean', 'logvar', 'latent']) yield await this.#check(`vae_enc.${name}`, outputs[name] as Tensor, 'part');
    }
    if (!this.#left.has('vae_dec.image')) return;
    let x = await device.write(await this.#given('vae_dec.latent'));
    for (const index of this.#model.cuts.decoder.keys()) x = await this.#model.handle(device, `decoder:${index}`, { x: { handle: x } }, 'y', signal);
    yield await this.#check('vae_dec.image', await device.read(x), 'part');
  }

  async *vision(): AsyncGenerator<Verdict> {
    if (!this.#left.has('vit.features')) return;
    const { device, signal } = this.#work;
    const { patch } = this.#model.config.vit;
    const picture = await this.#picture('vit_resized_rgb');
    const [down, across] = [picture.height / patch, picture.width / patch];
    yield await this.#check('vit.patches', await this.#model.tensor(device, 'patches', { picture: pictureTensor(picture), grid: int64([2], [down, across]) }, 'patches', signal), 'part');
    yield await this.#check('vit.position_ids', tablePositions(down, across, this.#model.config.vitMaxPatchesPerSide), 'exact');
    const positions = await this.#golden('vit.position_ids');
    let x: Handle = await device.write(await this.#golden('vit.patches'));
    const last = this.#model.cuts.vit.length - 1;
    for (let index = 0; index < last; index++) {
      x = await this.#model.handle(device, `vit:${index}`, { [index === 0 ? 'patches' : 'x']: { handle: x }, ...(index === 0 ? { positions } : {}) }, 'y', signal);
    }
    const outputs = await this.#model.run(device, `vit:${last}`, { [last === 0 ? 'patches' : 'x']: { handle: x }, positions }, { features: 'tensor', rows: 'tensor' }, signal);
    yield await this.#check('vit.features', outputs['features'] as Tensor, 'part');
    yield await this.#check('vit.tokens', outputs['rows'] as Tensor, 'part');
  }

  async *contexts(): AsyncGenerator<Verdict> {
    const ids = Array.from((await this.#given('text_ids')).data, Number);
    const empty = emptyContext(this.#model);
    const vitTokens = (await this.#golden('vit.tokens')).shape[0]!;
    const readVit = (context: Context) => readVitRows(context, 'golden', async () => ({ rows: await this.#work.device.write(await this.#golden('vit.tokens')), tokens: vitTokens }), this.#work);
    const picture = fitVae(this.#model, await this.#picture('vae_resized_rgb'));
    const readVae = (context: Context) => readLatent(context, 'golden', async () => ({ handle: await this.#work.device.write(await this.#golden('vae_enc.latent')), width: picture.width, height: picture.height }), this.#work);
    const [down, across] = gridOf(this.#model, picture);
    const vit = { image: vitTokens };
    const vae = { image: down * across };
    const text = { text: ids.length + 2 };
    const afterText = await readTokens(empty, ids, this.#work);
    yield* this.#context('ctx_text', afterText, [text]);
    const vaeVit = await readVit(await readVae(empty));
    yield* this.#context('ctx_vae_vit', vaeVit, [vae, vit]);
    const edit = await readTokens(vaeVit, ids, this.#work);
    yield* this.#context('ctx_edit', edit, [vae, vit, text]);
    const und = await readTokens(await readVit(empty), ids, this.#work);
    yield* this.#context('ctx_und', und, [vit, text]);
    this.#made = { text: afterText, vaeVit, edit };
    if (this.#left.has('und.greedy_ids')) {
      const expected = await this.#golden('und.greedy_ids');
      const made = [this.#model.config.specialTokens.bos];
      for await (const id of generateTokens(und, { maxTokens: expected.data.length, seed: 0n }, this.#work)) made.push(id);
      yield await this.#check('und.greedy_ids', int64([made.length], made), 'exact');
    }
  }

  async *denoising(name: string, options: Case): AsyncGenerator<Verdict> {
    const contexts = this.#contextsOf(name);
    const size = { width: options.width, height: options.height };
    const noise = await unpackLatent(this.#model, await this.#given(`${name}.noise`), size, this.#work);
    const settings = denoiseOptions(options);
    let first: Tensor | undefined;
    let last: Tensor | undefined;
    const steps = denoise(this.#model, contexts, noise, settings, this.#work);
    for (let next = await steps.next(); ; next = await steps.next()) {
      if (next.done !== true) {
        last = await this.#work.device.read(next.value.velocity);
        first ??= last;
        continue;
      }
      const packed = await packLatent(this.#model, next.value, this.#work);
      if (first !== undefined) yield await this.#check(`${name}.v_first`, first, 'part');
      if (last !== undefined) yield await this.#check(`${name}.v_last`, last, 'trajectory');
      yield await this.#check(`${name}.latent`, await this.#work.device.read(packed), 'trajectory');
      break;
    }
    const latent = await unpackLatent(this.#model, await this.#golden(`${name}.latent`), size, this.#work);
    yield await this.#check(`${name}.rgb`, await this.#decode(latent), 'picture');
    if (name.startsWith('edit')) yield await this.#endToEnd(name, noise, settings);
  }

  /** From source.png through every stage of ours to the picture; only the random numbers are the golden ones. */
  async #endToEnd(name: string, noise: { handle: Handle; width: number; height: number }, settings: DenoiseOptions): Promise<Verdict> {
    const source = overWhite(await decode(path.join(this.#folder, 'source.png')));
    const ids = Array.from((await this.#golden('text_ids')).data, Number);
    const empty = emptyContext(this.#model);
    const seen = await readImageVit(await readImageVae(empty, source, this.#work, await this.#golden('vae_enc.noise')), source, this.#work);
    const contexts = { conditional: await readTokens(seen, ids, this.#work), text: seen, image: await readTokens(empty, ids, this.#work) };
    const steps = denoise(this.#model, contexts, noise, settings, this.#work);
    let next = await steps.next();
    while (next.done !== true) next = await steps.next();
    const verdict = compare(`${name}.rgb from source.png`, await this.#golden(`${name}.rgb`), await this.#decode(next.value), 'picture');
    return verdict;
  }

  /** 8-bit as the reference: truncated, not rounded. */
  async #decode(latent: { handle: Handle; width: number; height: number }): Promise<Tensor> {
    const image = await decodeLatent(this.#model, latent, this.#work);
    return tensor('uint8', image.shape, Uint8Array.from(image.data as Float32Array, (x) => Math.fround(x * 255)));
  }

  #contextsOf(name: string): Contexts {
    const { text, vaeVit, edit } = this.#made!;
    return name.startsWith('edit') ? { conditional: edit, text: vaeVit, image: text } : { conditional: text, text: emptyContext(this.#model), image: text };
  }

  /** Compares first and last layer's rows (golden order: begin marker, tokens, end marker) and the length and next position. */
  async *#context(name: string, context: Context, blocks: readonly { image?: number; text?: number }[]): AsyncGenerator<Verdict> {
    const { layers, kvHeads, headDim } = this.#model.config.llm;
    const order = goldenOrder(blocks);
    for (const layer of new Set([0, layers - 1])) {
      for (const kind of ['k', 'v'] as const) {
        const heads = await Promise.all(Array.from({ length: kvHeads }, (_, head) => this.#work.device.read(this.#rows(context, kind, layer, head))));
        const rows = new Float32Array(order.length * kvHeads * headDim); // [tokens, kvHeads, headDim]
        order.forEach((row, i) => heads.forEach((head, h) => rows.set((head.data as Float32Array).subarray(row * headDim, (row + 1) * headDim), (i * kvHeads + h) * headDim)));
        yield await this.#check(`${name}.${kind}${layer}`, tensor('float32', [order.length, kvHeads, headDim], rows), 'part');
      }
    }
    yield await this.#check(`${name}.len_rope`, int64([2], [context.length, context.rope]), 'exact');
  }

  #rows(context: Context, kind: 'k' | 'v', layer: number, head: number): Handle {
    return context.buffers?.handles.get(rowsName(kind, layer, head)) ?? contextHandles(context)[0]!;
  }

  async #picture(key: string): Promise<Pixels> {
    const { shape, data } = await this.#golden(key);
    return pixels(shape[1]!, shape[0]!, 3, data as Uint8Array);
  }

  /** A golden tensor that is an input and cannot be computed. */
  async #given(key: string): Promise<Tensor> {
    this.#left.delete(key);
    return this.#golden(key);
  }

  async #check(key: string, given: Tensor, tolerance: Tolerance): Promise<Verdict> {
    if (!this.#left.delete(key)) return { key, tolerance, error: Infinity, limit: tolerances[tolerance], passed: false, reason: 'it is not in expected.safetensors' };
    return compare(key, await this.#golden(key), given, tolerance);
  }
}

function denoiseOptions(options: Case): DenoiseOptions {
  return {
    timesteps: options.num_timesteps, timestepShift: options.timestep_shift, cfgText: options.cfg_text_scale, cfgImage: options.cfg_img_scale,
    cfgInterval: options.cfg_interval, renormType: options.cfg_renorm_type, renormMin: options.cfg_renorm_min, taylorSeer: options.enable_taylorseer ?? false,
  };
}

/** Our row for each golden row: inside an image block we keep both markers first. */
function goldenOrder(blocks: readonly { image?: number; text?: number }[]): number[] {
  const order: number[] = [];
  let start = 0;
  for (const { image, text } of blocks) {
    if (image === undefined) for (let i = 0; i < text!; i++) order.push(start + i);
    else order.push(start, ...Array.from({ length: image }, (_, i) => start + 2 + i), start + 1);
    start += image === undefined ? text! : image + 2;
  }
  return order;
}
