// Loads node packs by path with import(): the built-in ones, those given with --node-pack, and the folders below custom_nodes/.
// Knows what a pack exports, nothing more. A pack of someone else that cannot be loaded is told and skipped.
import { readdirSync, statSync } from 'node:fs';
import { register } from 'node:module';
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

/** Our own packs, in the order of `folders`; each holds an index file. Throws naming a pack that cannot be loaded. */
export function loadPacks(folders: readonly string[]): Promise<LoadedPack[]> {
  return Promise.all(folders.map(async (folder) => loadPack(indexFile(folder)!)));
}

/**
 * Packs of others, in the order of `folders`; `loaded` are those there before. One that throws, exports no nodes, or declares a node or
 * command that exists already is skipped, and `skip` hears why. Throws a UsageError for a folder that holds no pack.
 */
export async function loadOtherPacks(folders: readonly string[], loaded: readonly LoadedPack[], skip: (message: string) => void): Promise<LoadedPack[]> {
  const files = folders.map((folder) => {
    const file = indexFile(folder);
    if (file === undefined) throw new UsageError(`node pack ${folder}: there is no such pack; give a folder with an index.js or index.ts, or such a file`);
    return file;
  });
  if (files.length > 0) letPacksImport();
  const packs: LoadedPack[] = [];
  for (const [i, file] of files.entries()) {
    try {
      const pack = await loadPack(file);
      refuseClash(pack, [...loaded, ...packs]);
      packs.push(pack);
    } catch (error) {
      skip(`node pack ${folders[i]} was skipped: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return packs;
}

/** Folders with a pack below `custom_nodes`, by name. Hidden ones, those named `*.disabled`, and those without an index file are none of ours. */
export function customNodeFolders(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder).sort();
  } catch {
    return [];
  }
  return names.filter((name) => !/^[._]|\.disabled$/.test(name)).map((name) => path.join(folder, name)).filter((pack) => indexFile(pack) !== undefined);
}

const sourceFile = /\.m?[jt]s$/;
const indexNames = ['index.js', 'index.mjs', 'index.ts', 'index.mts'];

/** The file to import for a pack: the path itself when it is a source file, else an index file in it. */
function indexFile(pack: string): string | undefined {
  if (sourceFile.test(pack) && isFile(pack)) return path.resolve(pack);
  return indexNames.map((name) => path.resolve(pack, name)).find(isFile);
}

function isFile(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

async function loadPack(file: string): Promise<LoadedPack> {
  const folder = path.dirname(file);
  const module = (await import(pathToFileURL(file).href)) as Partial<Pack>;
  const { nodes, commands, web } = module;
  if (!Array.isArray(nodes)) throw new UsageError('it exports no list called nodes; an index file exports { nodes, commands?, web? }');
  return { name: path.basename(folder), folder, nodes, ...(commands === undefined ? {} : { commands }), ...(web === undefined ? {} : { web: path.resolve(folder, web) }) };
}

function refuseClash({ nodes, commands = [] }: LoadedPack, others: readonly LoadedPack[]): void {
  const taken = new Map(others.flatMap((pack) => pack.nodes.flatMap(({ type, aliases = [] }) => [type, ...aliases].map((name) => [name, pack.name] as const))));
  for (const { type, aliases = [] } of nodes) {
    for (const name of [type, ...aliases]) {
      if (taken.has(name)) throw new Error(`node type ${name} exists already, in pack ${taken.get(name)}; rename one, or load only one of the packs`);
      taken.set(name, 'itself');
    }
  }
  for (const { name } of commands) {
    const owner = others.find((pack) => pack.commands?.some((command) => command.name === name));
    if (owner !== undefined) throw new Error(`command ${name} exists already, in pack ${owner.name}; load only one of the packs`);
  }
}

let areHooksThere = false;

/** From now on packs may be TypeScript, and `bagelgraph/…` is this program wherever they lie. */
function letPacksImport(): void {
  if (areHooksThere) return;
  areHooksThere = true;
  process.setSourceMapsEnabled(true);
  const extension = path.extname(import.meta.url);
  register(`./pack-imports${extension}`, { parentURL: import.meta.url, data: { engine: new URL('../', import.meta.url).href, extension } });
}
