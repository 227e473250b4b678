// Loads node packs by path with import(), the built-in ones and those given with --node-pack. Knows what a pack exports, nothing more.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Pack } from '../graph/node.ts';
import { UsageError } from './arguments.ts';

export interface LoadedPack extends Pack {
  /** Folder name, for messages. */
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
}

/** Packs in the order of `folders`; each holds an index file. Throws naming a pack that cannot be loaded. */
export function loadPacks(folders: readonly string[]): Promise<LoadedPack[]> {
  return Promise.all(folders.map(loadPack));
}

async function loadPack(folder: string): Promise<LoadedPack> {
  const file = /\.[cm]?js$/.test(folder) ? folder : path.join(folder, 'index.js');
  const name = path.basename(file === folder ? path.dirname(folder) : folder);
  let module: Partial<Pack>;
  try {
    module = (await import(pathToFileURL(path.resolve(file)).href)) as Partial<Pack>;
  } catch (error) {
    throw new UsageError(`node pack ${folder} cannot be loaded: ${(error as Error).message}`);
  }
  if (!Array.isArray(module.nodes)) throw new UsageError(`node pack ${folder} exports no list called nodes: an index.js exports { nodes, commands?, web? }`);
  const home = path.resolve(path.dirname(file));
  return { name, folder: home, nodes: module.nodes, ...(module.commands === undefined ? {} : { commands: module.commands }), ...(module.web === undefined ? {} : { web: path.resolve(home, module.web) }) };
}
