// Cuts the autoencoder into parts by name, for a whole model and for an autoencoder alone: encoder:N, posterior, decoder:N, image.
// A part's inputs and outputs are listed here and nowhere else.
import type { Expr, Part } from '../../../engine/onnx/expr.ts';
import type { Ops } from '../../../engine/onnx/ops.ts';
import { input, trace, type WeightSource } from '../../../engine/onnx/trace.ts';
import type { BagelConfig } from './config.ts';
import { decoderStages, encoderStages, type Stage } from './vae.ts';
import { normalizePixels } from './vit.ts';

/** Work one run should not exceed: about two seconds on two CPU cores. */
export const runFlops = 280e9;

export interface Span {
  readonly first: number;
  readonly end: number;
}

/** Which stages run together. */
export interface AutoencoderCuts {
  readonly encoder: readonly Span[];
  readonly decoder: readonly Span[];
}

/** What the parts are made from. */
export interface WantedAutoencoder {
  readonly name: string;
  readonly rest: readonly string[];
  readonly config: Pick<BagelConfig, 'vae'>;
  /** Weights of the autoencoder by its checkpoint's keys. */
  readonly weights: { readonly vae: WeightSource };
  readonly cuts: AutoencoderCuts;
}

/** Joins neighbours while their work stays below the limit. */
export function cut(work: readonly number[]): Span[] {
  const spans: Span[] = [];
  let first = 0;
  let sum = 0;
  work.forEach((flops, i) => {
    if (i > first && sum + flops > runFlops) {
      spans.push({ first, end: i });
      first = i;
      sum = 0;
    }
    sum += flops;
  });
  return [...spans, { first, end: work.length }];
}

/** `side`: of the largest picture that is planned for, in pixels. */
export function planAutoencoderCuts(vae: BagelConfig['vae'], side: number): AutoencoderCuts {
  const stages = (list: readonly Stage[]) => cut(list.map((stage) => stage.flops * side ** 2));
  return { encoder: stages(encoderStages(vae)), decoder: stages(decoderStages(vae)) };
}

/** Traces the part called `name`; throws on an unknown one. */
export function buildAutoencoderPart(name: string, wanted: Omit<WantedAutoencoder, 'name' | 'rest'>): Part {
  const [kind, ...rest] = name.split(':') as [string, ...string[]];
  const build = autoencoderParts[kind];
  if (build === undefined) throw new Error(`an autoencoder has no part called ${name}`);
  return build({ name, rest, ...wanted });
}

export const autoencoderParts: Readonly<Record<string, (wanted: WantedAutoencoder) => Part>> = {
  /** The first piece takes picture uint8 [height, width, 3] and also gives it normalised; the last gives the moments y [1, 2 · z, h, w]. */
  encoder: ({ name, rest, config, weights, cuts }) => {
    const stages = encoderStages(config.vae);
    const { first, end } = cuts.encoder[Number(rest[0])]!;
    const x = first === 0 ? input('picture', 'uint8', ['height', 'width', 3]) : input('x', 'float32', [1, stages[first]!.inputs, 'height', 'width']);
    return trace(name, [x], weights.vae, (op): Record<string, Expr> => {
      if (first > 0) return { y: runStages(op, stages, first, end, x) };
      const normal = op.transpose(op.unsqueeze(normalizePixels(op, x), 0), [0, 3, 1, 2]); // [1, 3, height, width]
      return { y: runStages(op, stages, first, end, normal), normal };
    });
  },
  /** moments [1, 2 · z, h, w], noise [1, z, h, w] → mean, logvar, latent [1, z, h, w] in BAGEL's scale: scale · (mean + exp(logvar / 2) · noise − shift) */
  posterior: ({ name, config }) => {
    const { zChannels, scale, shift } = config.vae;
    const moments = input('moments', 'float32', [1, 2 * zChannels, 'h', 'w']);
    const noise = input('noise', 'float32', [1, zChannels, 'h', 'w']);
    return trace(name, [moments, noise], nothing, (op) => {
      const [mean, logvar] = op.split(moments, [zChannels, zChannels], 1) as [Expr, Expr];
      const sample = op.add(mean, op.mul(op.exp(op.mul(logvar, 0.5)), noise));
      return { mean: op.identity(mean), logvar: op.identity(logvar), latent: op.mul(op.sub(sample, shift), scale) };
    });
  },
  /** The first piece takes the latent x [1, z, h, w] in BAGEL's scale, the last gives y [1, 3, height, width] in −1…1. */
  decoder: ({ name, rest, config, weights, cuts }) => {
    const stages = decoderStages(config.vae);
    const { first, end } = cuts.decoder[Number(rest[0])]!;
    const x = input('x', 'float32', [1, stages[first]!.inputs, 'height', 'width']);
    return trace(name, [x], weights.vae, (op) => {
      const start = first === 0 ? op.add(op.div(x, config.vae.scale), config.vae.shift) : x;
      return { y: runStages(op, stages, first, end, start) };
    });
  },
  /** x [1, 3, height, width] in −1…1 → image [height, width, 3] in 0…1 */
  image: ({ name }) => {
    const x = input('x', 'float32', [1, 3, 'height', 'width']);
    return trace(name, [x], nothing, (op) => ({ image: op.transpose(op.squeeze(op.clamp(op.add(op.mul(x, 0.5), 0.5), 0, 1), 0), [1, 2, 0]) }));
  },
};

/** Which layers or stages the part of this name has, where that depends on the cuts. */
export function cutText(cuts: Readonly<Record<string, readonly Span[]>>, partName: string): string {
  const [kind, index] = partName.split(':') as [string, string?];
  const span = cuts[kind]?.[Number(index)];
  return span === undefined ? '' : `${span.first}-${span.end}`;
}

/** Parts that work on the picture itself, in stages of many sizes. */
export function isStages(partName: string): boolean {
  return /^(en|de)coder:/.test(partName);
}

export const nothing: WeightSource = { get: () => undefined };

function runStages(op: Ops, stages: readonly Stage[], first: number, end: number, start: Expr): Expr {
  return stages.slice(first, end).reduce((x, stage) => stage.run(op, x), start);
}
