// What can be wrong with a model folder, in words: which folder or file, what was expected, what was found, what to do.
import { UserError } from '../errors.ts';

const layout = 'ema.safetensors (or shards with their .index.json), ae.safetensors, llm_config.json, vit_config.json and the tokenizer files';

function among(names: readonly string[], shown = 5): string {
  return names.length > shown ? `${names.slice(0, shown).join(', ')} and ${names.length - shown} more` : names.join(', ');
}

function counted(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}

function foundNearby(models: readonly string[]): string {
  return models.length === 0 ? 'No model was found nearby' : `Found nearby: ${among(models)}`;
}

export function noFolder(folder: string, nearby: readonly string[]): UserError {
  return new UserError(`there is no model folder ${folder}. Expected a folder with ${layout}. ${foundNearby(nearby)}`);
}

export function notAFolder(path: string): UserError {
  return new UserError(`${path} is a file. Give the folder that holds it, with ${layout}`);
}

export function missingFiles(folder: string, missing: readonly string[], halves: readonly string[], nearby: readonly string[]): UserError {
  const half = halves.length === 0 ? '' : ` The download is not finished: ${among(halves)} ${halves.length === 1 ? 'is' : 'are'} left over. Let it finish, or start it again.`;
  const hint = half === '' ? ` Download ${missing.length === 1 ? 'it' : 'them'} into the folder. ${foundNearby(nearby)}.` : half;
  return new UserError(`the model folder ${folder} lacks ${among(missing, 12)}.${hint} A model folder holds ${layout}`);
}

export function oddShardName(index: string, name: string): UserError {
  return new UserError(`${index}: weight_map names the file ${JSON.stringify(name)}, expected a file name in the same folder`);
}

export function noWeightMap(index: string): UserError {
  return new UserError(`${index}: has no weight_map of tensor names to file names. Download it again`);
}

export function twice(key: string, first: string, second: string): UserError {
  return new UserError(`the tensor ${key} is in ${first} and in ${second}: remove the file that does not belong to the model`);
}

export function unsupportedType(file: string, key: string, dtype: string, others: number): UserError {
  const more = others === 0 ? '' : ` (and ${counted(others, 'other tensor')})`;
  return new UserError(`${file}: the tensor ${key} has the type ${dtype}${more}; float32, float16 and bfloat16 weights can be used. Take the bf16 files of the model`);
}

export interface WrongShape {
  readonly key: string;
  readonly given: readonly number[];
  readonly expected: readonly number[];
}

/** What a checkpoint lacks or has in another shape. */
export function wrongTensors(file: string, total: number, missing: readonly string[], wrong: readonly WrongShape[]): UserError {
  const shapes = wrong.map(({ key, given, expected }) => `${key} is [${given.join(', ')}], expected [${expected.join(', ')}]`);
  const parts = [
    ...(missing.length > 0 ? [`${counted(missing.length, 'tensor')} of ${total} missing: ${among(missing)}`] : []),
    ...(wrong.length > 0 ? [`${counted(wrong.length, 'tensor')} with another shape: ${among(shapes, 3)}`] : []),
  ];
  return new UserError(`${file}: the weights do not fit the configuration files beside them. ${parts.join('. ')}. The folder mixes files of two models, or a file is not complete`);
}

export function unexpectedTensors(file: string, keys: readonly string[]): string {
  return `${file}: ${counted(keys.length, 'tensor')} the model does not know, left unused: ${among(keys)}`;
}

export function noMetadata(file: string, key: string, text: string | undefined): UserError {
  const what = text === undefined ? `its header has no ${key}` : `${key} in its header is ${JSON.stringify(text.slice(0, 40))}, expected a JSON object`;
  return new UserError(`${file} is no whole BAGEL in one file: ${what}. If it is a checkpoint in the official layout, give the folder that holds it, with ${layout}`);
}

export function newerFormat(file: string, version: number): UserError {
  return new UserError(`${file}: comfyui_bagel says format_version ${version}, known is 1`);
}

export function noTokenizer(file: string, places: readonly string[]): UserError {
  return new UserError(`${file} holds no tokenizer, only its fingerprint. Put tokenizer.json, or vocab.json, merges.txt and tokenizer_config.json, beside it; or keep a BAGEL model folder with the same vocabulary in ${places.join(' or ')}`);
}

/** Bytes that cannot have been written like this. */
export function damagedWeight(file: string, key: string, reason: string): UserError {
  return new UserError(`${file}: the weight ${key} is damaged (${reason}). Download the file again`);
}

export function incompleteWeight(file: string, key: string, piece: string): UserError {
  return new UserError(`${file}: the weight ${key} is quantised, but ${piece} that belongs to it is missing: the file is not complete. Download it again`);
}

export function unknownQuantization(file: string, key: string, found: string): UserError {
  return new UserError(`${file}: the weight ${key} is quantised in a way that is not known: ${found}. Known are DF11, LLM.int8 and NF4 of bitsandbytes, and FP8 (e4m3) with scales for all, a row or a block; bf16 files always work`);
}

export function noDf11Config(file: string): UserError {
  return new UserError(`${file}: holds DF11 weights, but config.json beside it has no dfloat11_config with a pattern_dict, which says what they are. Download config.json of the same model`);
}

/** A checkpoint that cannot run as it is. */
export function needsImport(location: string, name: string, formats: readonly string[]): UserError {
  return new UserError(`${location} holds its weights as ${formats[0]!}, which have to be decoded once: run "bagelgraph import ${location} --to models/${name}-int8 --format int8" (or --format bf16, int4), then use ${name}-int8`);
}

/** Values that no format can hold. */
export function brokenWeight(key: string, first: number, end: number, reason: string): UserError {
  return new UserError(`the weight ${key} cannot be imported: ${reason} (rows ${first} to ${end - 1}). The source is damaged: download it again`);
}

export function damagedImport(folder: string, reason: string): UserError {
  return new UserError(`the imported model ${folder} is not whole: ${reason}. Remove the folder and import the model again`);
}

export function newerImport(folder: string, version: number, known: number): UserError {
  return new UserError(`the model ${folder} was imported by a newer bagelgraph (format ${version}, known is ${known}): update bagelgraph, or import the model again`);
}

export function busyImport(folder: string, pid: number): UserError {
  return new UserError(`another process (${pid}) is importing into ${folder}: wait until it is done, or end it`);
}

export function foreignFolder(folder: string): UserError {
  return new UserError(`${folder} is in the way: it is not left over from an import, so nothing in it was touched. Move it, or choose another folder with --to`);
}

export function occupied(folder: string, what: string): UserError {
  return new UserError(`${folder} exists already (${what}). Remove it, or choose another folder with --to`);
}

/** Sizes in gigabytes of 10⁹ bytes, as disks are sold. */
export function gigabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function tooLittleSpace(folder: string, needed: number, free: number): UserError {
  return new UserError(`${gigabytes(needed)} are needed in ${folder}, ${gigabytes(free)} are free: make room, or choose a folder on another disk with --to`);
}
