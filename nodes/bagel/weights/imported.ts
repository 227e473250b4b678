// Opens a folder that `bagelgraph import` wrote: a manifest, weights laid out for mapping, the tokenizer. Reads headers and JSON, never the weights.
// It holds no packed weights of ONNX Runtime: version 1.30 reads those of 8-bit MatMulNBits back as NaN in graphs of several layers (seen; single products are right).
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { WeightRef } from '../../../engine/onnx/expr.ts';
import type { StoredWeight } from '../../../engine/onnx/ops.ts';
import { storedShape } from '../../../engine/onnx/trace.ts';
import { readJsonFile } from '../json-file.ts';
import { autoencoderShapes, checkpointShapes, type Shapes } from '../model/checkpoint.ts';
import type { BagelConfig } from '../model/config.ts';
import { damagedImport, newerImport } from './errors.ts';
import { tokenizerIn } from './find-files.ts';
import { hashContent, openFile, type ModelFolder } from './folder.ts';
import { isGap, type Precision } from './layout.ts';

export const manifestName = 'bagelgraph.json';
export const weightsName = 'weights.safetensors';
export const autoencoderName = 'ae.safetensors';
export const manifestVersion = 1;

export interface HashedFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** How far a group of weights is from the source. */
export interface GroupError {
  readonly group: string;
  /** Such as `4 bits, blocks of 128`. */
  readonly stored: string;
  readonly weights: number;
  readonly bytes: number;
  /** Root of Σ(stored − source)² / Σ source². */
  readonly relative: number;
  readonly largest: number;
  /** The weight with the greatest relative error, and that error. */
  readonly worst: { readonly key: string; readonly relative: number };
}

export interface Manifest {
  readonly bagelgraph: number;
  readonly name: string;
  readonly format: string;
  readonly precision: Precision;
  readonly config: BagelConfig;
  readonly source: { readonly name: string; readonly formats: readonly string[]; readonly files: readonly HashedFile[] };
  readonly files: readonly HashedFile[];
  readonly errors: readonly GroupError[];
}

/** True for a folder that was imported. */
export async function isImported(folder: string): Promise<boolean> {
  return stat(path.join(folder, manifestName)).then((found) => found.isFile(), () => false);
}

/** Throws a UserError where it cannot be read, is newer than this program, or lacks what it should say. */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = path.join(folder, manifestName);
  const values = await readJsonFile(file);
  const version = values['bagelgraph'];
  if (typeof version !== 'number') throw damagedImport(folder, `${manifestName} says no version`);
  if (version > manifestVersion) throw newerImport(folder, version, manifestVersion);
  for (const key of ['precision', 'config', 'source', 'files', 'errors']) if (typeof values[key] !== 'object' || values[key] === null) throw damagedImport(folder, `${manifestName} says nothing of ${key}`);
  return values as unknown as Manifest;
}

/** Opens an imported model. Throws a UserError saying what is missing or damaged. */
export async function openImported(folder: string): Promise<ModelFolder> {
  const manifest = await readManifest(folder);
  const { config } = manifest;
  const names = new Set(await readdir(folder));
  for (const { name, bytes } of manifest.files) {
    if (!names.has(name)) throw damagedImport(folder, `${name} is missing`);
    const { size } = await stat(path.join(folder, name));
    if (size !== bytes) throw damagedImport(folder, `${name} has ${size} bytes, the manifest says ${bytes}`);
  }
  const weights = await openFile(path.join(folder, weightsName));
  const autoencoder = names.has(autoencoderName) ? await openFile(path.join(folder, autoencoderName)) : undefined;
  const llm = joinPieces(folder, weights.entries);
  const vae = autoencoder === undefined ? new Map<string, WeightRef>() : new Map([...autoencoder.entries].filter(([key]) => !isGap(key)));
  checkShapes(folder, llm, checkpointShapes(config));
  if (autoencoder !== undefined) checkShapes(folder, vae, autoencoderShapes(config.vae));
  const tokenizerFiles = tokenizerIn(folder, names);
  return {
    path: path.resolve(folder), name: path.basename(path.resolve(folder)), llm, vae, config, tokenizerFiles, warnings: [], isMapped: true,
    contentKey: await hashContent([weights, ...(autoencoder === undefined ? [] : [autoencoder])], config, tokenizerFiles),
  };
}

const pieceName = /^(.*)\.(blocks|codes|scales)$/;

/** Weights from their pieces. */
function joinPieces(folder: string, entries: ReadonlyMap<string, WeightRef>): Map<string, StoredWeight> {
  const weights = new Map<string, StoredWeight>();
  for (const [name, ref] of entries) {
    if (isGap(name)) continue;
    const [, key, kind] = pieceName.exec(name) ?? [name, name, 'plain'];
    if (kind === 'scales') continue;
    if (kind === 'plain') {
      weights.set(name, ref);
      continue;
    }
    const scales = entries.get(`${key!}.scales`);
    if (scales === undefined) throw damagedImport(folder, `${key!} has no scales`);
    if (kind === 'codes') weights.set(key!, { codes: ref, scales });
    else {
      const bits = ref.shape[2]! / 16; // bytes of a block of 128
      if (bits !== 4 && bits !== 8) throw damagedImport(folder, `${name} has the shape [${ref.shape.join(', ')}]`);
      weights.set(key!, { bits, block: 128, packed: ref, scales });
    }
  }
  return weights;
}

function checkShapes(folder: string, given: ReadonlyMap<string, StoredWeight>, expected: Shapes): void {
  for (const [key, shape] of expected) {
    const stored = given.get(key);
    if (stored === undefined) throw damagedImport(folder, `the weight ${key} is missing`);
    const found = storedShape(stored, shape[1]);
    if (found.join() !== shape.join()) throw damagedImport(folder, `the weight ${key} is [${found.join(', ')}], expected [${shape.join(', ')}]`);
  }
}
