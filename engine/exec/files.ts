// The real Files: names to paths, confined to their folders after symlinks are followed, and saving under the next free number.
// A file appears whole or not at all.
import { randomBytes } from 'node:crypto';
import { access, constants, link, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Files, FolderKind, SavedFile } from '../graph/node.ts';
import { fillPrefix } from './prefix.ts';

export interface FileFolders {
  readonly input: string;
  readonly output: string;
  readonly temp: string;
  /** Folders that hold models; the first is the default place. */
  readonly models?: readonly string[];
  /** Files outside the folders that the user named himself, such as on the command line; `resolve` takes their absolute paths. */
  readonly given?: readonly string[];
}

const kinds: readonly FolderKind[] = ['input', 'output', 'temp'];

/** Folders are made when something is saved into them. */
export function openFiles({ models = [], given = [], ...relative }: FileFolders): Files {
  const folders = { input: path.resolve(relative.input), output: path.resolve(relative.output), temp: path.resolve(relative.temp) };
  const modelFolders = models.map((folder) => path.resolve(folder));
  const allowed = new Set(given.map((file) => path.resolve(file)));
  return {
    async resolve(name, kind = 'input') {
      if (path.isAbsolute(name) && allowed.has(path.resolve(name))) return existingFile(name, path.dirname(name), name);
      const { name: plain, kind: annotated } = splitAnnotation(name);
      const folder = folders[annotated ?? kind];
      const outside = () => new Error(`${JSON.stringify(plain)} is no file in the ${annotated ?? kind} folder ${folder}: names may not lead out of it`);
      if (!isInside(folder, path.resolve(folder, plain))) throw outside(); // without a look: whether a file lies elsewhere is nobody's business
      const file = await existingFile(path.resolve(folder, plain), folder, plain);
      if (!isInside(await realpath(folder), file)) throw outside();
      return file;
    },
    list: (kind, extensions) => listFiles(folders[kind], extensions),
    save: (kind, prefix, extension, bytes, vars) => saveFile(folders[kind], kind, prefix, extension, bytes, vars),
    checkWritable: (kind) => checkWritable(folders[kind]),
    models: () => modelFolders,
  };
}

/** `name [output]` names a file of another folder. */
function splitAnnotation(name: string): { readonly name: string; readonly kind?: FolderKind } {
  for (const kind of kinds) if (name.endsWith(` [${kind}]`)) return { name: name.slice(0, -kind.length - 3), kind };
  return { name };
}

/** The path with symlinks followed. */
async function existingFile(file: string, folder: string, name: string): Promise<string> {
  let isDirectory = false;
  try {
    const found = await stat(file);
    if (found.isFile()) return await realpath(file);
    isDirectory = found.isDirectory();
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(codeOf(error))) throw new Error(`${JSON.stringify(name)} in ${folder} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  throw new Error(`there is no file ${JSON.stringify(name)} in ${folder}${isDirectory ? ': that is a folder' : ''}`);
}

function isInside(folder: string, file: string): boolean {
  const way = path.relative(folder, file);
  return way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
}

async function listFiles(folder: string, extensions: readonly string[] | undefined): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });
  const names: string[] = [];
  for (const entry of entries) {
    const isWanted = extensions === undefined || extensions.includes(path.extname(entry.name).toLowerCase());
    if (isWanted && (entry.isFile() || (entry.isSymbolicLink() && (await stat(path.join(folder, entry.name)).catch(() => undefined))?.isFile() === true))) names.push(entry.name);
  }
  return names.sort();
}

async function saveFile(root: string, kind: FolderKind, prefix: string, extension: string, bytes: Uint8Array, vars: Readonly<Record<string, string>> = {}): Promise<SavedFile> {
  const filled = fillPrefix(prefix, vars, new Date());
  if (filled.includes('\0')) throw new Error(`the file name prefix ${JSON.stringify(prefix)} holds a zero character, which no file name may`);
  const target = path.resolve(root, filled.replaceAll('\\', '/'));
  const folder = /[\\/]$|^$/.test(filled) ? target : path.dirname(target);
  const name = folder === target ? '' : path.basename(target);
  if (!isInside(root, folder)) throw new Error(`the file name prefix ${JSON.stringify(prefix)} leads out of the ${kind} folder ${root}; use a name or a subfolder of it`);
  try {
    await makeFolder(folder);
    // A link in the folder may lead elsewhere.
    if (!isInside(await realpath(root), await realpath(folder))) throw new Error(`the subfolder of the prefix ${JSON.stringify(prefix)} is a link out of the ${kind} folder ${root}`);
    const filename = await writeNumbered(folder, name, extension, bytes);
    return { filename, subfolder: path.relative(root, folder).replaceAll(path.sep, '/'), type: kind, path: path.join(folder, filename) };
  } catch (error) {
    throw explained(error, folder, bytes.byteLength);
  }
}

/** Like `mkdir -p`. Not with `recursive`: Node repeats that for ever where a folder can never appear, such as in /proc, and tells ENOENT on a read-only disk. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (await isFolder(folder)) return;
    const parent = path.dirname(folder);
    if (codeOf(error) !== 'ENOENT' || parent === folder) throw error;
    if (!(await isFolder(parent))) await makeFolder(parent);
    await mkdir(folder).catch(async (again: unknown) => {
      if (!(await isFolder(folder))) throw again; // someone else may have made it meanwhile
    });
  }
}

/** Throws where nothing could be saved, before a long run begins. Makes nothing: the first folder above that exists must take files. */
async function checkWritable(folder: string): Promise<void> {
  for (let found = folder; ; found = path.dirname(found)) {
    try {
      const kind = await stat(found);
      if (!kind.isDirectory()) throw Object.assign(new Error('no folder'), { code: 'ENOTDIR' });
      await access(found, constants.W_OK | constants.X_OK);
      return;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || path.dirname(found) === found) throw explained(error, found, 0);
    }
  }
}

function isFolder(file: string): Promise<boolean> {
  return stat(file).then((found) => found.isDirectory(), () => false);
}

/** Writes beside the final name, then puts the file there without replacing one. */
async function writeNumbered(folder: string, name: string, extension: string, bytes: Uint8Array): Promise<string> {
  const partial = path.join(folder, `.${name}-${randomBytes(6).toString('hex')}.partial`);
  try {
    const file = await open(partial, 'wx');
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    for (let number = await nextNumber(folder, name); ; number++) {
      const filename = `${name}_${String(number).padStart(5, '0')}_.${extension}`;
      if (await placed(partial, path.join(folder, filename))) return filename;
    }
  } finally {
    await rm(partial, { force: true });
  }
}

/** One more than the highest number among `<name>_<number>_…`. */
async function nextNumber(folder: string, name: string): Promise<number> {
  const start = `${name}_`;
  let highest = 0;
  for (const file of await readdir(folder)) {
    if (!file.startsWith(start)) continue;
    const number = /^(\d+)_/.exec(file.slice(start.length))?.[1];
    if (number !== undefined) highest = Math.max(highest, Number(number));
  }
  return highest + 1;
}

/** False when the name was taken meanwhile. */
async function placed(partial: string, target: string): Promise<boolean> {
  try {
    await link(partial, target);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'EXDEV'].includes(codeOf(error))) throw error;
  }
  // No hard links here: claim the name with an empty file of our own, then replace that.
  try {
    await (await open(target, 'wx')).close();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  await rename(partial, target).catch(async (error: unknown) => {
    await rm(target, { force: true });
    throw error;
  });
  return true;
}

/** Says what to do about a file that could not be written. */
export function explained(error: unknown, folder: string, bytes: number): Error {
  const because = (what: string) => new Error(what, { cause: error });
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return because(`the disk is full: ${bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`} could not be written to ${folder}; free some space or choose another folder with --output`);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return because(`the folder ${folder} cannot be written to; change its permissions or choose another with --output`);
    case 'ENOTDIR':
    case 'EEXIST':
      return because(`${folder} is no folder; remove the file in its place or choose another folder with --output`);
    case 'ENOENT':
      return because(`the folder ${folder} cannot be made; choose another with --output`);
    case 'ENAMETOOLONG':
      return because(`the name of a file or folder in ${folder} would be too long; choose a shorter one`);
    default:
      return error instanceof Error ? error : new Error(String(error));
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}
