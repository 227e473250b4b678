// Opens an autoencoder file on its own: headers and shapes, never the weights.
import path from 'node:path';
import type { WeightRef } from '../../../engine/onnx/expr.ts';
import { autoencoderShapes } from '../model/checkpoint.ts';
import { readVaeConfig, type BagelConfig } from '../model/config.ts';
import { checkWeights, openWeights } from './folder.ts';

export interface AutoencoderFile {
  /** File name without its ending. */
  readonly name: string;
  /** Where each weight is, by key. */
  readonly refs: ReadonlyMap<string, WeightRef>;
  readonly vae: BagelConfig['vae'];
  /** Identifies the content without reading the weights. */
  readonly contentKey: string;
  /** What is odd but does not hinder, one sentence each. */
  readonly warnings: readonly string[];
}

/** Throws a UserError where the file is damaged or holds something else. */
export async function openAutoencoder(file: string): Promise<AutoencoderFile> {
  const { refs, name, opened } = await openWeights([file]);
  const vae = readVaeConfig((key) => refs.get(key)?.shape, file);
  return { name: path.basename(file, '.safetensors'), refs, vae, contentKey: opened[0]!.contentKey, warnings: checkWeights(name, refs, autoencoderShapes(vae), {}) };
}
