// Finds the files of a model folder by name: the official layout, shards with or without an index, and what a broken download leaves behind.
// Opens nothing but the shard index.
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { readJsonFile } from '../json-file.ts';
import { tokenizerFileNames, type TokenizerFiles } from '../tokenizer/files.ts';
import { missingFiles, noFolder, noWeightMap, notAFolder, oddShardName } from './errors.ts';
import { refuseGguf } from './gguf.ts';

export interface FoundFiles {
  /** Absolute path of the folder. */
  readonly folder: string;
  /** The checkpoint's files in order. */
  readonly llm: readonly string[];
  readonly vae: string;
  readonly llmConfig: string;
  readonly vitConfig: string;
  readonly config?: string;
  readonly tokenizer: TokenizerFiles;
}

/** Throws a UserError that lists every missing file at once. `weights` names the checkpoint where it is to be one file of the folder and no other. */
export async function findFiles(given: string, weights?: string): Promise<FoundFiles> {
  const folder = path.resolve(given);
  const kind = await stat(folder).catch(() => undefined);
  if (kind === undefined) throw noFolder(folder, await modelsNear(path.dirname(folder)));
  if (!kind.isDirectory()) {
    await refuseGguf(folder);
    throw notAFolder(folder);
  }
  const { names, unusable } = await filesIn(folder);
  const at = (name: string) => path.join(folder, name);
  const missing: string[] = [];
  const needed = (name: string): string => {
    if (!names.has(name)) missing.push(name);
    return at(name);
  };
  const shards = weights === undefined ? await findShards(folder, names) : { files: [at(weights)], missing: [] };
  if (shards.files.length === 0) for (const name of names) if (name.endsWith('.gguf')) await refuseGguf(path.join(folder, name));
  missing.push(...shards.missing);
  const vae = await findAutoencoder(folder, names);
  if (vae === undefined) missing.push('ae.safetensors');
  const llmConfig = needed('llm_config.json');
  const vitConfig = needed('vit_config.json');
  if (missing.length > 0) throw missingFiles(folder, missing.map((name) => unusable.get(name) ?? name), await findHalves(folder), [...(await modelsNear(folder)), ...(await modelsNear(path.dirname(folder), folder))]);
  return {
    folder, llm: shards.files, vae: vae!, llmConfig, vitConfig,
    ...(names.has('config.json') ? { config: at('config.json') } : {}),
    tokenizer: tokenizerIn(folder, names),
  };
}

/** The files of a folder by name, and what is there under a name without being a file, in words. */
async function filesIn(folder: string): Promise<{ readonly names: ReadonlySet<string>; readonly unusable: ReadonlyMap<string, string> }> {
  const names = new Set<string>();
  const unusable = new Map<string, string>();
  for (const name of await readdir(folder)) {
    const found = await stat(path.join(folder, name)).catch(() => undefined);
    if (found?.isFile() === true) names.add(name);
    else unusable.set(name, `${name} (${found === undefined ? 'a link to nowhere' : 'no file but a folder'})`);
  }
  return { names, unusable };
}

/** The tokenizer files among `names`. */
export function tokenizerIn(folder: string, names: ReadonlySet<string>): TokenizerFiles {
  const present = Object.entries(tokenizerFileNames).filter(([, name]) => names.has(name));
  return { folder, ...Object.fromEntries(present.map(([kind, name]) => [kind, path.join(folder, name)])) };
}

interface Shards {
  readonly files: readonly string[];
  readonly missing: readonly string[];
}

const shardName = /^(.+)-(\d{5})-of-(\d{5})\.safetensors$/;

/** All files where config.json says DF11; ema.safetensors, else the shards an index names, else shards by their numbers, else model.safetensors, else all other safetensors files but the autoencoder's. */
async function findShards(folder: string, names: ReadonlySet<string>): Promise<Shards> {
  const at = (name: string) => path.join(folder, name);
  const of = (wanted: readonly string[], why: string): Shards => ({
    files: wanted.map(at),
    missing: wanted.filter((name) => !names.has(name)).map((name) => `${name} (${why})`),
  });
  const others = [...names].filter((name) => name.endsWith('.safetensors') && name !== 'ae.safetensors').sort();
  // DF11 has a file a block beside model.safetensors, and no index
  if (names.has('config.json') && (await readJsonFile(at('config.json')))['dfloat11_config'] !== undefined && others.length > 0) return { files: others.map(at), missing: [] };
  if (names.has('ema.safetensors')) return { files: [at('ema.safetensors')], missing: [] };
  const index = [...names].filter((name) => name.endsWith('.safetensors.index.json')).sort().find((name) => !/^ae\b/.test(name));
  if (index !== undefined) return of(await shardsOf(at(index)), `named in ${index}`);
  const first = [...names].sort().map((name) => shardName.exec(name)).find((match) => match !== null);
  if (first !== undefined && first !== null) {
    const [, stem, , total] = first as unknown as [string, string, string, string];
    const all = Array.from({ length: Number(total) }, (_, i) => `${stem}-${String(i + 1).padStart(5, '0')}-of-${total}.safetensors`);
    return of(all, `one of ${Number(total)} shards`);
  }
  if (names.has('model.safetensors')) return { files: [at('model.safetensors')], missing: [] };
  return others.length > 0 ? { files: others.map(at), missing: [] } : { files: [], missing: ['ema.safetensors'] };
}

async function shardsOf(index: string): Promise<string[]> {
  const map = (await readJsonFile(index))['weight_map'];
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw noWeightMap(index);
  const files = [...new Set(Object.values(map).map(String))].sort();
  if (files.length === 0) throw noWeightMap(index);
  const odd = files.find((name) => path.basename(name) !== name || name === '..' || name === '.');
  if (odd !== undefined) throw oddShardName(index, odd);
  return files;
}

/** ae.safetensors in the folder, in `vae` below it, or where ComfyUI keeps it: in `models/vae`, for folders in `models` and `models/bagel`. */
export async function findAutoencoder(folder: string, names: ReadonlySet<string>): Promise<string | undefined> {
  if (names.has('ae.safetensors')) return path.join(folder, 'ae.safetensors');
  for (const place of ['vae', '../vae', '../../vae']) {
    const file = path.join(folder, place, 'ae.safetensors');
    if ((await stat(file).catch(() => undefined))?.isFile() === true) return file;
  }
  return undefined;
}

const halfName = /\.(incomplete|part|partial|crdownload|download|aria2|tmp)$/;

/** Names of files that a download left unfinished, also where the Hugging Face client keeps them. */
async function findHalves(folder: string): Promise<string[]> {
  const places = ['', path.join('.cache', 'huggingface', 'download'), 'vae'];
  const lists = await Promise.all(places.map(async (place) => (await readdir(path.join(folder, place)).catch(() => [])).map((name) => path.join(place, name))));
  return lists.flat().filter((name) => halfName.test(name)).sort();
}

/** Model folders in `parent` or its `models` folder. */
async function modelsNear(parent: string, except?: string): Promise<string[]> {
  const found: string[] = [];
  for (const root of [parent, path.join(parent, 'models')]) {
    for (const entry of await readdir(root, { withFileTypes: true }).catch(() => [])) {
      const folder = path.join(root, entry.name);
      if (folder !== except && (await stat(path.join(folder, 'llm_config.json')).catch(() => undefined)) !== undefined) found.push(await realpath(folder));
    }
  }
  return [...new Set(found)].sort();
}
