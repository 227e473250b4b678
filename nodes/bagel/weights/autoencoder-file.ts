// Opens an autoencoder file on its own: headers and shapes, never the weights.
import path from 'node:path';
import type { WeightRef } from '../../../engine/onnx/expr.ts';
import { UserError } from '../errors.ts';
import { autoencoderShapes } from '../model/checkpoint.ts';
import { readVaeConfig, type BagelConfig } from '../model/config.ts';
import { plainWeights } from './detect.ts';
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
  const weights = await openWeights([file]);
  const vae = readVaeConfig((key) => weights.tensors.get(key)?.shape, file);
  const warnings = checkWeights(weights.name, weights.tensors, autoencoderShapes(vae), {});
  const refs = plainWeights(weights, ([format]) => new UserError(`${file} holds its weights as ${format}: take the autoencoder in float32 or bfloat16 (ae.safetensors of the model)`));
  return { name: path.basename(file, '.safetensors'), refs, vae, contentKey: weights.opened[0]!.contentKey, warnings };
}
