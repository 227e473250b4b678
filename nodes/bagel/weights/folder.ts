// Opens a model folder in the official layout: reads headers and JSON files, never the weights, and checks that they fit together.
// Source of the layout: the official checkpoint and app.py.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { WeightRef } from '../../../engine/onnx/expr.ts';
import type { StoredWeight } from '../../../engine/onnx/ops.ts';
import { FileFormatError } from '../../../engine/tensor/errors.ts';
import { openSafetensors, type SafetensorsFile } from '../../../engine/tensor/safetensors.ts';
import { UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.ts';
import { autoencoderShapes, checkpointShapes, type Shapes } from '../model/checkpoint.ts';
import { JsonSection, readBagelConfig, type BagelConfig } from '../model/config.ts';
import { readTokenIds, type TokenizerFiles } from '../tokenizer/files.ts';
import { detectWeights, plainWeights, type Detected } from './detect.ts';
import type { EncodedTensor } from './encoding.ts';
import { needsImport, twice, unexpectedTensors, unsupportedType, wrongTensors } from './errors.ts';
import { findFiles, type FoundFiles } from './find-files.ts';
import { refuseGguf } from './gguf.ts';

/** What a model is known by, whoever stored its weights. */
export interface ModelDescription {
  /** Absolute path of the folder, or of the file that is a whole model. */
  readonly path: string;
  /** The folder's or file's own name. */
  readonly name: string;
  readonly config: BagelConfig;
  /** Identifies the content without reading the weights: a hash of headers, sizes, times of change and the JSON files. */
  readonly contentKey: string;
  readonly tokenizerFiles: TokenizerFiles;
  /** What is odd but does not hinder, one sentence each. */
  readonly warnings: readonly string[];
}

/** A model that can run. */
export interface ModelFolder extends ModelDescription {
  /** Where each weight of the checkpoint is, by key. */
  readonly llm: ReadonlyMap<string, StoredWeight>;
  /** The same of the autoencoder; empty where the model comes without one. */
  readonly vae: ReadonlyMap<string, WeightRef>;
  /** Its weights are laid out to be mapped. */
  readonly isMapped?: boolean;
}

/** A model that runs as somebody else stored it. */
export interface PlainModelFolder extends ModelFolder {
  readonly llm: ReadonlyMap<string, WeightRef>;
}

/** A model whose weights may have to be decoded first. */
export interface ModelSource extends ModelDescription {
  readonly llm: Detected;
  readonly vae: Detected;
  /** The files that hold weights. */
  readonly files: readonly string[];
}

export interface OpenOptions {
  /** Refuse tensors the model does not know instead of warning. */
  readonly strict?: boolean;
}

/** Opens a model folder. Throws a UserError saying what is missing, damaged, does not fit, or has to be imported first. */
export async function openModelFolder(folder: string, options: OpenOptions = {}): Promise<PlainModelFolder> {
  return runnable(await openFolderSource(folder, options));
}

/** Opens a model folder whose weights may be stored in any known way. `weights` names the file of the checkpoint where there are several. */
export async function openFolderSource(folder: string, options: OpenOptions = {}, weights?: string): Promise<ModelSource> {
  const files = await findFiles(folder, weights);
  const section = files.config === undefined ? undefined : new JsonSection(files.config, await readJsonFile(files.config));
  const checkpoint = await openWeights(files.llm, section);
  const autoencoder = await openWeights([files.vae]);
  const config = await readConfig(files, section, checkpoint, autoencoder);
  const warnings = [
    ...checkWeights(checkpoint.name, checkpoint.tensors, checkpointShapes(config), options),
    ...checkWeights(autoencoder.name, autoencoder.tensors, autoencoderShapes(config.vae), options),
  ];
  return {
    path: files.folder,
    name: path.basename(files.folder),
    llm: checkpoint,
    vae: autoencoder,
    files: [...files.llm, files.vae],
    config,
    contentKey: await hashContent([...checkpoint.opened, ...autoencoder.opened], config, files.tokenizer),
    tokenizerFiles: files.tokenizer,
    warnings,
  };
}

/** The model as it lies there. Throws a UserError where its weights have to be decoded first. */
export function runnable({ llm, vae, files: _, ...description }: ModelSource): PlainModelFolder {
  const refuse = (formats: readonly string[]) => needsImport(description.path, description.name, formats);
  return { ...description, llm: plainWeights(llm, refuse), vae: plainWeights(vae, refuse) };
}

export interface Opened extends Detected {
  /** For messages. */
  readonly name: string;
  readonly opened: readonly SafetensorsFile[];
}

/** Opens weights files as one: each tensor must be in one of them only. `config` is config.json, where it says how weights are stored. */
export async function openWeights(files: readonly string[], config?: JsonSection): Promise<Opened> {
  const opened = await Promise.all(files.map(openFile));
  const refs = new Map<string, WeightRef>();
  for (const entry of opened.flatMap((file) => [...file.entries.values()])) {
    const known = refs.get(entry.key);
    if (known !== undefined) throw twice(entry.key, known.file, entry.file);
    refs.set(entry.key, entry);
  }
  return { name: files.length === 1 ? files[0]! : `${files[0]!} and ${files.length - 1} more`, opened, ...(await detectWeights(refs, config)) };
}

/** Opens one weights file; what is wrong with it is the user's to put right. */
export async function openFile(file: string): Promise<SafetensorsFile> {
  await refuseGguf(file);
  try {
    return await openSafetensors(file);
  } catch (error) {
    if (error instanceof FileFormatError || (error instanceof Error && 'code' in error)) throw new UserError(error.message, { cause: error });
    throw error;
  }
}

async function readConfig(files: FoundFiles, config: JsonSection | undefined, llm: Opened, vae: Opened): Promise<BagelConfig> {
  const section = async (file: string) => new JsonSection(file, await readJsonFile(file));
  const tokenIds = config?.values['special_token_ids'] === undefined ? await readTokenIds(files.tokenizer) : new Map<string, number>();
  return readBagelConfig({
    folder: files.folder,
    llm: (key) => llm.tensors.get(key)?.shape,
    vae: (key) => vae.tensors.get(key)?.shape,
    llmConfig: await section(files.llmConfig),
    vitConfig: await section(files.vitConfig),
    config,
    tokenIds: (token) => tokenIds.get(token),
  });
}

const supported: ReadonlySet<string> = new Set(['float32', 'float16', 'bfloat16']);

/** Compares what is there with what the model needs. Gives warnings; throws on anything missing or wrong. */
export function checkWeights(name: string, given: ReadonlyMap<string, EncodedTensor>, expected: Shapes, { strict = false }: OpenOptions): string[] {
  const missing = [...expected.keys()].filter((key) => !given.has(key));
  const pairs = [...expected].flatMap(([key, shape]) => (given.has(key) ? [{ one: given.get(key)!, shape }] : []));
  const wrong = pairs.filter(({ one, shape }) => one.shape.join() !== shape.join()).map(({ one, shape }) => ({ key: one.key, given: one.shape, expected: shape }));
  const odd = pairs.flatMap(({ one: { encoding } }) => (encoding.kind === 'plain' && !supported.has(encoding.values.dtype) ? [encoding.values] : []));
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
