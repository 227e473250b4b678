// Opens a model folder in the official layout: reads headers and JSON files, never the weights, and checks that they fit together.
// Source of the layout: the official checkpoint and app.py.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { WeightRef } from '../../../engine/onnx/expr.ts';
import { FileFormatError } from '../../../engine/tensor/errors.ts';
import { openSafetensors, type SafetensorsFile } from '../../../engine/tensor/safetensors.ts';
import { UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.ts';
import { autoencoderShapes, checkpointShapes, type Shapes } from '../model/checkpoint.ts';
import { JsonSection, readBagelConfig, type BagelConfig } from '../model/config.ts';
import { readTokenIds, type TokenizerFiles } from '../tokenizer/files.ts';
import { twice, unexpectedTensors, unsupportedType, wrongTensors } from './errors.ts';
import { findFiles, type FoundFiles } from './find-files.ts';

export interface ModelFolder {
  /** Absolute path of the folder, or of the file that is a whole model. */
  readonly path: string;
  /** The folder's or file's own name. */
  readonly name: string;
  /** Where each weight of the checkpoint is, by key. */
  readonly llm: ReadonlyMap<string, WeightRef>;
  /** The same of the autoencoder; empty where the model comes without one. */
  readonly vae: ReadonlyMap<string, WeightRef>;
  readonly config: BagelConfig;
  /** Identifies the content without reading the weights: a hash of headers, sizes, times of change and the JSON files. */
  readonly contentKey: string;
  readonly tokenizerFiles: TokenizerFiles;
  /** What is odd but does not hinder, one sentence each. */
  readonly warnings: readonly string[];
}

export interface OpenOptions {
  /** Refuse tensors the model does not know instead of warning. */
  readonly strict?: boolean;
}

/** Opens a model folder. Throws a UserError saying what is missing, damaged or does not fit. */
export async function openModelFolder(folder: string, options: OpenOptions = {}): Promise<ModelFolder> {
  const files = await findFiles(folder);
  const checkpoint = await openWeights(files.llm);
  const autoencoder = await openWeights([files.vae]);
  const config = await readConfig(files, checkpoint.refs, autoencoder.refs);
  const warnings = [
    ...checkWeights(checkpoint.name, checkpoint.refs, checkpointShapes(config), options),
    ...checkWeights(autoencoder.name, autoencoder.refs, autoencoderShapes(config.vae), options),
  ];
  return {
    path: files.folder,
    name: path.basename(files.folder),
    llm: checkpoint.refs,
    vae: autoencoder.refs,
    config,
    contentKey: await hashContent([...checkpoint.opened, ...autoencoder.opened], config, files.tokenizer),
    tokenizerFiles: files.tokenizer,
    warnings,
  };
}

export interface Opened {
  /** For messages. */
  readonly name: string;
  readonly refs: ReadonlyMap<string, WeightRef>;
  readonly opened: readonly SafetensorsFile[];
}

/** Opens weights files as one: each tensor must be in one of them only. */
export async function openWeights(files: readonly string[]): Promise<Opened> {
  const opened = await Promise.all(files.map(openFile));
  const refs = new Map<string, WeightRef>();
  for (const entry of opened.flatMap((file) => [...file.entries.values()])) {
    const known = refs.get(entry.key);
    if (known !== undefined) throw twice(entry.key, known.file, entry.file);
    refs.set(entry.key, entry);
  }
  return { name: files.length === 1 ? files[0]! : `${files[0]!} and ${files.length - 1} more`, refs, opened };
}

/** Opens a weights file; what is wrong with it is the user's to put right. */
async function openFile(file: string): Promise<SafetensorsFile> {
  try {
    return await openSafetensors(file);
  } catch (error) {
    if (error instanceof FileFormatError || (error instanceof Error && 'code' in error)) throw new UserError(error.message, { cause: error });
    throw error;
  }
}

async function readConfig(files: FoundFiles, llm: ReadonlyMap<string, WeightRef>, vae: ReadonlyMap<string, WeightRef>): Promise<BagelConfig> {
  const section = async (file: string) => new JsonSection(file, await readJsonFile(file));
  const config = files.config === undefined ? undefined : await section(files.config);
  const tokenIds = config?.values['special_token_ids'] === undefined ? await readTokenIds(files.tokenizer) : new Map<string, number>();
  return readBagelConfig({
    folder: files.folder,
    llm: (key) => llm.get(key)?.shape,
    vae: (key) => vae.get(key)?.shape,
    llmConfig: await section(files.llmConfig),
    vitConfig: await section(files.vitConfig),
    config,
    tokenIds: (token) => tokenIds.get(token),
  });
}

const supported: ReadonlySet<string> = new Set(['float32', 'float16', 'bfloat16']);

/** Compares what is there with what the model needs. Gives warnings; throws on anything missing or wrong. */
export function checkWeights(name: string, given: ReadonlyMap<string, WeightRef>, expected: Shapes, { strict = false }: OpenOptions): string[] {
  const missing = [...expected.keys()].filter((key) => !given.has(key));
  const pairs = [...expected].flatMap(([key, shape]) => (given.has(key) ? [{ ref: given.get(key)!, shape }] : []));
  const wrong = pairs.filter(({ ref, shape }) => ref.shape.join() !== shape.join()).map(({ ref, shape }) => ({ key: ref.key, given: ref.shape, expected: shape }));
  const odd = pairs.filter(({ ref }) => !supported.has(ref.dtype)).map(({ ref }) => ref);
  if (odd[0] !== undefined) throw unsupportedType(odd[0].file, odd[0].key, odd[0].dtype, odd.length - 1);
  if (missing.length + wrong.length > 0) throw wrongTensors(name, expected.size, missing, wrong);
  const unexpected = [...given.keys()].filter((key) => !expected.has(key));
  if (unexpected.length === 0) return [];
  const warning = unexpectedTensors(name, unexpected);
  if (strict) throw new UserError(`${warning}. Open it without strict to use the rest`);
  return [warning];
}

/** Identifies weights, configuration and tokenizer without reading more than headers. */
export async function hashContent(weights: readonly SafetensorsFile[], config: BagelConfig, tokenizer: TokenizerFiles): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(config));
  for (const file of weights) hash.update(` ${file.contentKey}`);
  for (const file of Object.values(tokenizer).filter((value) => value !== tokenizer.folder)) {
    const { size, mtimeMs } = await stat(file);
    hash.update(` ${path.basename(file)} ${size} ${mtimeMs}`);
  }
  return hash.digest('hex').slice(0, 32);
}
