// How long denoising will take, told after the first block of layers has run once: that block's time for all layers, branches and steps, and the autoencoder.
// Works for whatever machine, precision and memory there is, because it knows none of them.
import { decoderStages } from './model/vae.ts';
import type { BagelConfig } from './model/config.ts';

/** What will be computed. */
export interface Plans {
  readonly config: Pick<BagelConfig, 'llm' | 'vae'>;
  /** Rows of a pass: tokens of the picture and two markers. */
  readonly rows: number;
  /** Pixels of the picture. */
  readonly pixels: number;
  /** Rows that each branch looks back on; the first is the conditional one. */
  readonly branches: readonly number[];
  /** Steps in which all branches run, and in which the first alone does. */
  readonly guided: number;
  readonly unguided: number;
  /** Of the passes, those that are made in full. */
  readonly fullShare: number;
  /** Devices among which the branches are shared, or through which they follow one another. */
  readonly replicas: number;
  readonly blocks: number;
}

/** A block of layers that has run. */
export interface Timed {
  readonly layers: number;
  /** Rows it looked back on. */
  readonly past: number;
  readonly seconds: number;
}

export interface Estimate {
  readonly passes: number;
  readonly secondsAPass: number;
  readonly autoencoderSeconds: number;
  readonly seconds: number;
}

export function estimate(plans: Plans, timed: Timed): Estimate {
  const { config, rows, branches, guided, unguided, fullShare, replicas, blocks } = plans;
  const secondsAnOperation = timed.seconds / (timed.layers * layerFlops(config.llm, rows, timed.past));
  const passSeconds = branches.map((past) => config.llm.layers * layerFlops(config.llm, rows, past) * secondsAnOperation);
  const all = passSeconds.reduce((sum, one) => sum + one, 0);
  const longest = Math.max(...passSeconds);
  // a step waits for the longest branch; through blocks the others follow it
  const step = replicas > 1 ? Math.max(longest, all / replicas) : blocks > 1 ? (all + longest * (blocks - 1)) / blocks : all;
  const full = (steps: number) => steps * fullShare;
  const autoencoderSeconds = decoderStages(config.vae).reduce((sum, { flops }) => sum + flops, 0) * plans.pixels * secondsAnOperation;
  return {
    passes: Math.round(full(guided) * branches.length + full(unguided)),
    secondsAPass: passSeconds[0]!, autoencoderSeconds,
    seconds: full(guided) * step + full(unguided) * passSeconds[0]! + autoencoderSeconds,
  };
}

/** As `about 12 min: 86 passes of 8.3 s, then the autoencoder (3.0 s)`. */
export function estimateText({ passes, secondsAPass, autoencoderSeconds, seconds }: Estimate): string {
  return `about ${timeText(seconds)}: ${passes} passes of ${timeText(secondsAPass)}, then the autoencoder (${timeText(autoencoderSeconds)})`;
}

function timeText(seconds: number): string {
  return seconds < 1 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : seconds < 100 ? `${seconds.toPrecision(2)} s` : seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toPrecision(2)} h`;
}

/** One layer of one expert over `rows` rows that look back on `past`. */
function layerFlops({ hidden, ffn, heads, kvHeads, headDim }: BagelConfig['llm'], rows: number, past: number): number {
  return 2 * rows * (hidden * headDim * 2 * (heads + kvHeads) + 3 * hidden * ffn) + 4 * rows * (past + rows) * heads * headDim;
}
