// Opens a BAGEL that is one safetensors file: its header carries the configuration (ComfyUI-BAGEL 1.1: metadata `comfyui_bagel`).
// The autoencoder and the tokenizer are files of their own. Reads headers and JSON, never the weights.
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { openSafetensors } from '../../../engine/tensor/safetensors.ts';
import { readJsonFile } from '../json-file.ts';
import { autoencoderShapes, checkpointShapes } from '../model/checkpoint.ts';
import { JsonSection, readBagelConfig } from '../model/config.ts';
import { readTokenIds, type TokenizerFiles } from '../tokenizer/files.ts';
import { newerFormat, noMetadata, noTokenizer } from './errors.ts';
import { findAutoencoder, tokenizerIn } from './find-files.ts';
import { checkWeights, hashContent, openWeights, runnable, type ModelSource, type OpenOptions, type PlainModelFolder } from './folder.ts';

/** Key of the metadata that describes the model. */
const metadataKey = 'comfyui_bagel';

/** True for a file whose header describes a model. False also where it cannot be read. */
export async function isSingleFile(file: string): Promise<boolean> {
  if (!file.endsWith('.safetensors')) return false;
  return openSafetensors(file).then(({ metadata }) => metadata.has(metadataKey), () => false);
}

/** Throws a UserError saying what is missing, damaged, does not fit, or has to be imported first. */
export async function openSingleFile(file: string, options: OpenOptions = {}): Promise<PlainModelFolder> {
  return runnable(await openSingleFileSource(file, options));
}

/** The same, of weights that may be stored in any known way. */
export async function openSingleFileSource(file: string, options: OpenOptions = {}): Promise<ModelSource> {
  const weights = await openWeights([file]);
  const description = readDescription(file, weights.opened[0]!.metadata.get(metadataKey));
  const folder = path.dirname(file);
  const vaeFile = await findAutoencoder(folder, new Set(await readdir(folder)));
  const autoencoder = vaeFile === undefined ? undefined : await openWeights([vaeFile]);
  const configs = description.section('model_configs');
  const llmConfig = configs?.section('llm') ?? new JsonSection(description.file, {});
  const special = description.section('special_token_ids')?.values ?? {};
  const tokenizer = await findTokenizer(file, llmConfig, special);
  const tokenIds = await readTokenIds(tokenizer.files);
  const config = readBagelConfig({
    folder: file,
    llm: (key) => weights.tensors.get(key)?.shape,
    vae: autoencoder && ((key) => autoencoder.tensors.get(key)?.shape),
    llmConfig,
    vitConfig: withoutLayers(configs?.section('vit') ?? new JsonSection(description.file, {})),
    config: description,
    tokenIds: (token) => (typeof special[token] === 'number' ? special[token] : tokenIds.get(token)),
  });
  return {
    path: file,
    name: path.basename(file, '.safetensors'),
    llm: weights,
    vae: autoencoder ?? { tensors: new Map(), formats: [] },
    files: [file, ...(vaeFile === undefined ? [] : [vaeFile])],
    config,
    contentKey: await hashContent([...weights.opened, ...(autoencoder?.opened ?? [])], config, tokenizer.files),
    tokenizerFiles: tokenizer.files,
    warnings: [
      ...tokenizer.warnings,
      ...checkWeights(weights.name, weights.tensors, checkpointShapes(config), options),
      ...(autoencoder === undefined ? [] : checkWeights(autoencoder.name, autoencoder.tensors, autoencoderShapes(config.vae), options)),
    ],
  };
}

/** The metadata as a section. Its top level may hold what an official folder has in config.json. */
function readDescription(file: string, text: string | undefined): JsonSection {
  const where = `${file}: ${metadataKey}`;
  let values: unknown;
  try {
    values = JSON.parse(text ?? '');
  } catch {
    throw noMetadata(file, metadataKey, text);
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) throw noMetadata(file, metadataKey, text);
  const description = new JsonSection(where, values as Record<string, unknown>);
  const version = description.number('format_version') ?? 1;
  if (version > 1) throw newerFormat(file, version);
  description.only('latent_format', ['flux']);
  return description;
}

/** The file holds the layers that are used; whether its configuration counts the one that the loader drops is not known. */
function withoutLayers({ file, values }: JsonSection): JsonSection {
  return new JsonSection(file, Object.fromEntries(Object.entries(values).filter(([key]) => key !== 'num_hidden_layers')));
}

interface FoundTokenizer {
  readonly files: TokenizerFiles;
  readonly warnings: readonly string[];
}

/**
 * The file only names its tokenizer by a fingerprint. Looked for beside it, in a folder of its name or `tokenizer`, and at last in model folders
 * nearby whose vocabulary has the same size and whose special tokens have the same ids, which is told.
 */
async function findTokenizer(file: string, llmConfig: JsonSection, special: Readonly<Record<string, unknown>>): Promise<FoundTokenizer> {
  const folder = path.dirname(file);
  for (const place of [folder, path.join(folder, path.basename(file, '.safetensors')), path.join(folder, 'tokenizer')]) {
    const files = await tokenizerAt(place);
    if (files !== undefined) return { files, warnings: [] };
  }
  const places = [folder, path.dirname(folder)];
  for (const place of places) {
    for (const entry of (await readdir(place).catch(() => [])).sort()) {
      const other = path.join(place, entry);
      const files = await tokenizerAt(other);
      if (files !== undefined && (await hasVocabulary(other, files, llmConfig.size('vocab_size'), special))) {
        return { files, warnings: [`${file} holds no tokenizer: that of ${other}, whose vocabulary has the same size, is used`] };
      }
    }
  }
  throw noTokenizer(file, places);
}

async function tokenizerAt(folder: string): Promise<TokenizerFiles | undefined> {
  const files = tokenizerIn(folder, new Set(await readdir(folder).catch(() => [])));
  return files.tokenizerJson !== undefined || (files.vocab !== undefined && files.merges !== undefined) ? files : undefined;
}

const tokenNames: readonly (readonly [string, string])[] = [
  ['bos_token_id', '<|im_start|>'], ['eos_token_id', '<|im_end|>'], ['start_of_image', '<|vision_start|>'], ['end_of_image', '<|vision_end|>'],
];

async function hasVocabulary(folder: string, files: TokenizerFiles, vocab: number | undefined, special: Readonly<Record<string, unknown>>): Promise<boolean> {
  const config = path.join(folder, 'llm_config.json');
  if (vocab === undefined || (await stat(config).catch(() => undefined)) === undefined) return false;
  if ((await readJsonFile(config))['vocab_size'] !== vocab) return false;
  const ids = await readTokenIds(files);
  return tokenNames.every(([name, token]) => special[name] === undefined || special[name] === ids.get(token));
}
