// Which models and autoencoders lie in the model folders, by name: choices of the loaders. Opens no file; what is a model, nodes/bagel decides.
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Environment } from '../../engine/graph/node.ts';

interface Entry {
  readonly name: string;
  readonly isFolder: boolean;
  readonly path: string;
}

async function entriesOf(folder: string): Promise<Entry[]> {
  const names = (await readdir(folder).catch(() => [])).sort();
  const entries = await Promise.all(names.map(async (name) => {
    const file = path.join(folder, name);
    const found = await stat(file).catch(() => undefined); // follows links, as model folders are often linked
    return found === undefined ? [] : [{ name, isFolder: found.isDirectory(), path: file }];
  }));
  return entries.flat();
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

/** `models` and `models/bagel`. */
async function modelEntries({ files }: Environment): Promise<Entry[]> {
  return (await Promise.all(files.models().flatMap((root) => [path.join(root, 'bagel'), root]).map(entriesOf))).flat();
}

/** Folders in the official layout. */
async function modelFolders(env: Environment): Promise<Entry[]> {
  const folders = (await modelEntries(env)).filter(({ isFolder }) => isFolder);
  const areModels = await Promise.all(folders.map((entry) => stat(path.join(entry.path, 'llm_config.json')).then(() => true, () => false)));
  return folders.filter((_, i) => areModels[i]);
}

/** Names of model folders. */
export async function folderNames(env: Environment): Promise<string[]> {
  return unique((await modelFolders(env)).map(({ name }) => name));
}

/** Names of safetensors files in models/bagel, which may be whole models. */
export async function modelFileNames({ files }: Environment): Promise<string[]> {
  const entries = await Promise.all(files.models().map((root) => entriesOf(path.join(root, 'bagel'))));
  return unique(entries.flat().filter(({ name, isFolder }) => !isFolder && name.endsWith('.safetensors')).map(({ name }) => name));
}

/** Names of autoencoder files: those in models/vae, and that of an installed model. */
export async function autoencoderNames(env: Environment): Promise<string[]> {
  const entries = await Promise.all(env.files.models().map((root) => entriesOf(path.join(root, 'vae'))));
  const own = entries.flat().filter(({ name, isFolder }) => !isFolder && name.endsWith('.safetensors')).map(({ name }) => name);
  return unique([...own, ...((await modelFolders(env)).length > 0 ? ['ae.safetensors'] : [])]);
}

/** Changes whenever a file of a model, or one beside it, does: a name may lead to another model then. */
export async function installedStamp(env: Environment): Promise<string> {
  const folders = [...env.files.models().flatMap((root) => [path.join(root, 'bagel'), path.join(root, 'vae'), root]), ...(await modelFolders(env)).map((entry) => entry.path)];
  const files = (await Promise.all(unique(folders).map(entriesOf))).flat().filter(({ isFolder }) => !isFolder);
  const stamps = await Promise.all(files.map(async (file) => {
    const found = await stat(file.path).catch(() => undefined);
    return `${file.path} ${found?.size} ${found?.mtimeMs}`;
  }));
  return stamps.sort().join('\n');
}
