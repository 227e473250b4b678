// How much memory the pieces of a model take once loaded, told from the headers of its files alone: what a placement is chosen by.
// Knows checkpoint keys and how weights are stored; no devices.
import { refsOf, type StoredWeight } from '../../engine/onnx/ops.ts';
import { storedShape } from '../../engine/onnx/trace.ts';
import { sizeOf } from '../../engine/tensor/tensor.ts';
import type { BagelConfig } from './model/config.ts';
import { autoencoderPeakBytes, isKernel, scaleCopies } from './model/forecast.ts';
import type { ModelFolder } from './weights/folder.ts';

/** Bytes that the system cannot take back: weights that stay pages of their file count 0. */
export interface ModelBytes {
  /** Of each layer, both experts. */
  readonly layers: readonly number[];
  /** Embeddings of tokens and latents, before the first layer. */
  readonly first: number;
  /** What reads the last layer. */
  readonly last: number;
  readonly vision: number;
  readonly autoencoder: number;
  /** Contexts of a picture and what is at work in the largest part, for a picture of the model's usual size. */
  readonly work: number;
}

const layerOf = /^language_model\.model\.layers\.(\d+)\./;
const isVision = /^(vit_model|connector|vit_pos_embed)\b/;
const isLast = /^(language_model\.lm_head|language_model\.model\.norm|llm2vae)\b/;

/**
 * What becomes of weights that are not quantised. expanded: 16-bit ones become float32 at load; mapped: they stay in their file and are cast
 * in every run; copied: into the device's own memory, as they are.
 */
export type Keeping = 'expanded' | 'mapped' | 'copied';

export function modelBytes(folder: ModelFolder, keeping: Keeping): ModelBytes {
  const layers = Array.from({ length: folder.config.llm.layers }, () => 0);
  const others = { first: 0, last: 0, vision: 0 };
  for (const [key, weight] of folder.llm) {
    // rows of the table of tokens are looked up in the file
    const isTable = key === 'language_model.model.embed_tokens.weight' && !folder.config.llm.tied && keeping !== 'copied';
    const bytes = isTable ? 0 : residentBytes(weight, keeping, folder.isMapped ?? false);
    const layer = layerOf.exec(key)?.[1];
    if (layer !== undefined) layers[Number(layer)]! += bytes;
    else others[isVision.test(key) ? 'vision' : isLast.test(key) ? 'last' : 'first'] += bytes;
  }
  const autoencoder = [...folder.vae.values()].reduce((sum, weight) => sum + residentBytes(weight, keeping, folder.isMapped ?? false), 0);
  return { layers, ...others, autoencoder, work: workBytes(folder.config) };
}

/** All of a model on one device. */
export function wholeBytes({ layers, first, last, vision, autoencoder }: ModelBytes): number {
  return layers.reduce((sum, bytes) => sum + bytes, first + last + vision + autoencoder);
}

function residentBytes(weight: StoredWeight, keeping: Keeping, isMapped: boolean): number {
  const stored = refsOf(weight).reduce((sum, { bytes }) => sum + bytes, 0);
  if (keeping === 'copied') return stored;
  if ('bits' in weight) return stored + (scaleCopies - 1) * weight.scales.bytes; // packed when loaded
  if ('scales' in weight) return stored;
  if (weight.dtype === 'float32') return isMapped && !isKernel(weight.shape) ? 0 : stored;
  return keeping === 'expanded' ? sizeOf(storedShape(weight)) * 4 : 0;
}

/** Three contexts of one picture each, one pass over its rows, and one stage of the autoencoder. */
function workBytes({ llm, vae, maxLatentSize, latentPatchSize }: BagelConfig): number {
  const rows = Math.min(maxLatentSize, 64) ** 2 + 2;
  const contexts = 3 * (rows + 512) * llm.layers * llm.kvHeads * llm.headDim * 2 * 4;
  const pass = rows * (4 * llm.hidden + 3 * llm.ffn) * 4 + Math.min(256 * 2 ** 20, rows * 2 * rows * llm.heads * 4);
  const side = Math.min(maxLatentSize, 64) * latentPatchSize * vae.downsample;
  return contexts + Math.max(pass, autoencoderPeakBytes(vae, side ** 2));
}
