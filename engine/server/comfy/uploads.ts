// Keeps an uploaded picture: proven to be one by its content, under a name that is one everywhere, wholly or not at all.
import { createHash, randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { confinedPath, nameProblem } from '../confined.ts';
import { HttpError } from '../http-error.ts';

export interface Upload {
  /** The root that the file must stay in. */
  readonly folder: string;
  readonly subfolder: string;
  /** As the client sent it; may hold folders. */
  readonly filename: string;
  readonly bytes: Buffer;
  readonly overwrites: boolean;
}

/**
 * Gives the name it has now, below the subfolder. A name that is taken is reused for equal bytes, else numbered, unless `overwrites`.
 * Throws 400 for what is no picture (or too large a one), and for names that lead out of the folder or cannot be.
 */
export async function saveUpload({ folder, subfolder, filename, bytes, overwrites }: Upload): Promise<string> {
  const name = filename.normalize('NFC').replaceAll('\\', '/'); // macOS sends ü as two characters, and people look for it as one
  const target = await confinedPath(folder, subfolder, name);
  if (target === undefined || target === path.resolve(folder)) throw new HttpError(400, 'the file would lie outside its folder');
  const problem = nameProblem(name) ?? nameProblem(subfolder);
  if (problem !== undefined) throw new HttpError(400, `the file cannot have this name: ${problem}`);
  await checkPicture(path.basename(target), bytes);
  await mkdir(path.dirname(target), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' || error.code === 'ENOTDIR' ? new HttpError(400, 'the subfolder is a file') : error;
  });
  return path.posix.join(path.posix.dirname(name), await place(target, bytes, overwrites));
}

/** A browser, or a program on the way, must not find something else behind the name of a picture, nor a picture behind another name. */
async function checkPicture(name: string, bytes: Buffer): Promise<void> {
  const { pictureExtensions, pictureFormat } = await import('../../image/decode.ts');
  await pictureFormat(bytes, { name: JSON.stringify(name) }).catch((error: Error) => {
    throw new HttpError(400, error.message);
  });
  if (!pictureExtensions.includes(path.extname(name).toLowerCase())) throw new HttpError(400, `${JSON.stringify(name)} is a picture, but its name does not say so: let it end with ${pictureExtensions.join(', ')}`);
}

/** Writes beside the target, then puts it there. */
async function place(target: string, bytes: Buffer, overwrites: boolean): Promise<string> {
  const folder = path.dirname(target);
  const partial = path.join(folder, `.${randomBytes(8).toString('hex')}.partial`);
  try {
    await writeNew(partial, bytes);
    if (!overwrites) return await placeBesideOthers(partial, target, bytes);
    await rename(partial, target).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EISDIR' || error.code === 'ENOTEMPTY' || error.code === 'EEXIST' ? new HttpError(400, 'there is a folder of this name') : error;
    });
    return path.basename(target);
  } finally {
    await rm(partial, { force: true });
  }
}

async function writeNew(file: string, bytes: Buffer): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    await handle.writeFile(bytes);
  } finally {
    await handle.close();
  }
}

/** The name itself, one with equal bytes, or `stem (1).ext`, `stem (2).ext`… */
async function placeBesideOthers(partial: string, target: string, bytes: Buffer): Promise<string> {
  const { dir, name: stem, ext } = path.parse(target);
  for (let i = 0; ; i++) {
    const candidate = path.join(dir, i === 0 ? `${stem}${ext}` : `${stem} (${i})${ext}`);
    try {
      await linkOrCopy(partial, candidate, bytes);
      return path.basename(candidate);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENAMETOOLONG') throw new HttpError(400, 'the name is too long once it is numbered');
      if (code !== 'EEXIST') throw error;
      // looked at only now: an equal upload may have taken the name a moment ago
      if (await holds(candidate, bytes)) return path.basename(candidate);
    }
  }
}

/** Never replaces a file: someone else may have taken the name meanwhile. */
async function linkOrCopy(partial: string, target: string, bytes: Buffer): Promise<void> {
  try {
    await link(partial, target);
  } catch (error) {
    if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'EXDEV'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await writeNew(target, bytes); // no hard links here
  }
}

async function holds(file: string, bytes: Buffer): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found?.isFile() === true && found.size === bytes.length && hashOf(await readFile(file)) === hashOf(bytes);
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
