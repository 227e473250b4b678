// Finds models and autoencoders by name below the model folders, in our layout (models/NAME) and ComfyUI's (models/bagel/NAME, models/vae/NAME).
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { nearestNames } from '../../../engine/graph/nearest.ts';
import { UserError } from '../errors.ts';
import { findAutoencoder } from './find-files.ts';
import { openFolderSource, openModelFolder, type ModelFolder, type ModelSource, type OpenOptions } from './folder.ts';
import { refuseGguf } from './gguf.ts';
import { isImported, openImported } from './imported.ts';
import { isSingleFile, openSingleFile, openSingleFileSource } from './single-file.ts';

/** Opens a model: an imported folder, a folder in the official layout, or a file that is a whole model. */
export async function openModel(location: string, options: OpenOptions = {}): Promise<ModelFolder> {
  if (await isImported(location)) return openImported(location);
  return location.endsWith('.safetensors') && (await isFile(location)) ? openSingleFile(path.resolve(location), options) : openModelFolder(location, options);
}

/** Opens what an import may be made from. Of a folder with several checkpoints the one file to take may be named. Throws a UserError saying what is wrong. */
export async function openSource(location: string, options: OpenOptions = {}): Promise<ModelSource> {
  if (await isImported(location)) throw new UserError(`${location} was imported already: import from the files it was made of`);
  if (!(await isFile(location))) return openFolderSource(location, options);
  await refuseGguf(location);
  if (!location.endsWith('.safetensors')) throw new UserError(`${location} is no safetensors file: give a model folder, or the safetensors file of a checkpoint in one`);
  return (await isSingleFile(location)) ? openSingleFileSource(path.resolve(location), options) : openFolderSource(path.dirname(path.resolve(location)), options, path.basename(location));
}

/** At the end of the name of a folder while it is imported or downloaded. */
export const unfinishedSuffix = '.part';

function placesIn(roots: readonly string[]): string[] {
  return roots.flatMap((root) => [root, path.join(root, 'bagel')]);
}

/** Names of the folders and files below `roots` that are a BAGEL. */
export async function listModels(roots: readonly string[]): Promise<string[]> {
  const names: string[] = [];
  for (const place of placesIn(roots)) {
    for (const name of await readdir(place).catch(() => [])) {
      if (name.endsWith(unfinishedSuffix)) continue;
      if ((await exists(path.join(place, name, 'llm_config.json'))) || (await isImported(path.join(place, name))) || (await isSingleFile(path.join(place, name)))) names.push(name);
    }
  }
  return [...new Set(names)].sort();
}

/** The folder or file of a model by name, or by a path that lies in one of `roots`. */
export async function findModel(name: string, roots: readonly string[]): Promise<string> {
  const found = await findInside(name, placesIn(roots));
  if (found !== undefined) return found;
  const known = await listModels(roots);
  const [near] = nearestNames(path.basename(name), known, 1);
  const there = known.length === 0 ? 'no model was found there' : near === undefined ? `found: ${known.join(', ')}` : `did you mean ${near}?`;
  throw new UserError(`no model is called ${JSON.stringify(name)} in ${roots.join(', ')} (${there}); give the folder with --model DIR, or put one there`);
}

export interface Found {
  /** Absolute path. */
  readonly path: string;
  /** Set when it is another one than was asked for. */
  readonly notice?: string;
}

/** The same, or where no model has this name the one installed that is most like it. Throws when none is installed. */
export async function findSimilarModel(name: string, roots: readonly string[]): Promise<Found> {
  const exact = await findInside(name, placesIn(roots));
  if (exact !== undefined) return { path: exact };
  const best = (await listModels(roots)).sort((a, b) => likeness(b, name) - likeness(a, name))[0];
  if (best === undefined) return { path: await findModel(name, roots) };
  return { path: await findModel(best, roots), notice: `the model ${JSON.stringify(name)} is not installed: ${best} is used in its place` };
}

/** How well an installed model may stand for another name. The demo comes last. */
function likeness(installed: string, name: string): number {
  const plain = (text: string) => path.basename(text).toLowerCase().replace(/\.safetensors$/, '');
  const [a, b] = [plain(installed), plain(name)];
  if (a === b) return 1000;
  if (b !== '' && (b.startsWith(a) || a.startsWith(b))) return 100 + Math.min(a.length, b.length);
  return a === 'bagel-demo' ? 0 : 1;
}

/** An autoencoder by name below `models/vae` or `models`; else that of an installed model. Throws when there is none. */
export async function findSimilarAutoencoder(name: string, roots: readonly string[]): Promise<Found> {
  const exact = await findInside(name, [...roots.map((root) => path.join(root, 'vae')), ...roots]);
  if (exact !== undefined) return { path: exact };
  const names = await listModels(roots);
  for (const model of names.sort((a, b) => likeness(b, '') - likeness(a, ''))) {
    const place = await findModel(model, roots);
    const folder = (await isFile(place)) ? path.dirname(place) : place;
    const file = await findAutoencoder(folder, new Set(await readdir(folder)));
    if (file !== undefined) return { path: file, notice: `the autoencoder ${JSON.stringify(name)} is not in models/vae: that of ${model} is used` };
  }
  throw new UserError(`no autoencoder is called ${JSON.stringify(name)} in ${roots.map((root) => path.join(root, 'vae')).join(', ')}, and no installed model has one: put ae.safetensors there`);
}

/** Where `name` is in the first of `places` that has it. Never outside of them. */
async function findInside(name: string, places: readonly string[]): Promise<string | undefined> {
  for (const place of places) {
    const found = path.resolve(place, name);
    const inside = path.relative(place, found);
    if (inside !== '' && !inside.startsWith('..') && !path.isAbsolute(inside) && (await exists(found))) return found;
  }
  return undefined;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(() => true, () => false);
}

async function isFile(file: string): Promise<boolean> {
  return stat(file).then((entry) => entry.isFile(), () => false);
}
