// Takes libraries out of a package: a wheel or a NuGet package (both ZIP), or a release archive (tgz). Each is checked as far as its package allows.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { openPromise, type Entry, type ZipFile } from 'yauzl';

/** What cannot be put in place, and why. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
}

export interface Wanted {
  /** Takes the member of this path? Members are named by their last part in the folder. */
  takes(member: string): boolean;
  /** Version the package must have; absent: any. */
  readonly version?: string;
  /** Where the libraries go; made when absent. */
  readonly folder: string;
}

/** What was taken: file names, the package's version and whether its own list of hashes was checked. */
export interface Taken { readonly files: readonly string[]; readonly version: string; readonly isHashed: boolean }

/** Puts the wanted libraries of the package `file` into a folder, each whole or not at all. Throws a ProviderError. */
export async function takeLibraries(file: string, wanted: Wanted): Promise<Taken> {
  const head = await firstBytes(file);
  if (head.subarray(0, 2).toString('latin1') === 'PK') return fromZip(file, wanted);
  if (head[0] === 0x1f && head[1] === 0x8b) return fromArchive(file, wanted);
  throw new ProviderError(`${file} is neither a ZIP (.whl, .nupkg) nor a .tgz: give the package as it was downloaded`);
}

async function firstBytes(file: string): Promise<Buffer> {
  const handle = await open(file).catch((error: Error) => { throw new ProviderError(`the package ${file} cannot be read: ${error.message}`); });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function fromZip(file: string, { takes, version, folder }: Wanted): Promise<Taken> {
  const zip = await openPromise(file, { autoClose: false }).catch((error: Error) => { throw new ProviderError(`${file} is damaged: ${error.message}`); });
  try {
    const entries: Entry[] = [];
    for await (const entry of zip.eachEntry()) entries.push(entry);
    const found = await versionOf(zip, entries, file);
    checkVersion(file, found, version);
    const record = entries.find(({ fileName }) => /^[^/]+\.dist-info\/RECORD$/.test(fileName));
    const hashes = record === undefined ? undefined : readRecord(await textOf(zip, record));
    const chosen = entries.filter(({ fileName }) => takes(fileName));
    if (chosen.length === 0) throw new ProviderError(`${file} holds none of the libraries: is it the right package?`);
    await mkdir(folder, { recursive: true });
    for (const entry of chosen) {
      const hash = hashes?.get(entry.fileName);
      if (hashes !== undefined && hash === undefined) throw new ProviderError(`${file}: ${entry.fileName} is not in the package's own list`);
      await put(await zip.openReadStreamPromise(entry), entry.fileName, folder, file, hash);
    }
    return { files: chosen.map(({ fileName }) => path.posix.basename(fileName)), version: found, isHashed: hashes !== undefined };
  } catch (error) {
    if (error instanceof ProviderError || (error as NodeJS.ErrnoException).code !== undefined) throw error;
    throw new ProviderError(`${file} is damaged: ${(error as Error).message}`, { cause: error });
  } finally {
    zip.close();
  }
}

/** The version a wheel's METADATA or a NuGet package's nuspec gives. */
async function versionOf(zip: ZipFile, entries: readonly Entry[], file: string): Promise<string> {
  const about = entries.find(({ fileName }) => /^[^/]+\.dist-info\/METADATA$|^[^/]+\.nuspec$/.test(fileName));
  const text = about === undefined ? '' : await textOf(zip, about);
  const version = /^Version: *(\S+)/m.exec(text)?.[1] ?? /<version>\s*([^<\s]+)/.exec(text)?.[1];
  if (version === undefined) throw new ProviderError(`${file} does not say its version: it is no wheel and no NuGet package`);
  return version;
}

function checkVersion(file: string, found: string, wanted: string | undefined): void {
  if (wanted === undefined || found === wanted) return;
  throw new ProviderError(`${file} is of version ${found}, but ONNX Runtime here is ${wanted}, and providers of other versions do not fit it: get version ${wanted}`);
}

async function textOf(zip: ZipFile, entry: Entry): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** SHA-256 by member, from a wheel's RECORD (`path,sha256=BASE64URL,bytes`). */
function readRecord(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^"?([^,"\n]+)"?,sha256=([\w-]+)/gm)].map(([, member, hash]) => [member!, hash!]));
}

/** Writes a member beside its place, checks it, and moves it there. */
async function put(stream: NodeJS.ReadableStream, member: string, folder: string, file: string, hash: string | undefined): Promise<void> {
  const target = path.join(folder, path.posix.basename(member));
  const partial = `${target}.incomplete`;
  const sum = createHash('sha256');
  let isLibrary: boolean | undefined;
  const watch = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      isLibrary ??= chunk.subarray(0, 4).toString('latin1') === '\x7fELF';
      sum.update(chunk);
      done(null, chunk);
    },
  });
  try {
    await pipeline(stream, watch, createWriteStream(partial));
    if (isLibrary !== true) throw new ProviderError(`${file}: ${member} is no library`);
    const got = sum.digest('base64url');
    if (hash !== undefined && got !== hash) throw new ProviderError(`${file} is damaged: ${member} has SHA-256 ${got}, its list says ${hash}; download the package again`);
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
  }
}

/** A release archive: `onnxruntime-linux-x64-gpu-VERSION/lib/…`, read with the system's tar. */
async function fromArchive(file: string, { takes, version, folder }: Wanted): Promise<Taken> {
  const tar = async (...args: string[]): Promise<string> => (await promisify(execFile)('tar', args, { maxBuffer: 64e6 }).catch((error: Error) => {
    throw new ProviderError(`${file} cannot be unpacked: ${error.message.split('\n').slice(0, 2).join(' ')}`);
  })).stdout;
  const members = (await tar('-tzf', file)).split('\n').filter((name) => name !== '');
  const found = /-(\d+\.\d+\.\d+)\/?$/.exec(members[0]?.split('/').slice(0, members[0]?.startsWith('./') ? 2 : 1).join('/') ?? '')?.[1];
  if (found === undefined) throw new ProviderError(`${file} does not say its version: it is no release of ONNX Runtime`);
  checkVersion(file, found, version);
  const chosen = members.filter(takes);
  if (chosen.length === 0) throw new ProviderError(`${file} holds none of the libraries: is it the right package?`);
  await mkdir(folder, { recursive: true });
  const room = await mkdtemp(path.join(folder, '.unpacked-'));
  try {
    await tar('-xzf', file, '-C', room, ...chosen);
    for (const member of chosen) await put(createReadStream(path.join(room, member)), member, folder, file, undefined);
  } finally {
    await rm(room, { recursive: true, force: true });
  }
  return { files: chosen.map((member) => path.posix.basename(member)), version: found, isHashed: false };
}

/** SHA-256 of a file, in hexadecimal. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash).catch((error: Error) => { throw new ProviderError(`the package ${file} cannot be read: ${error.message}`); });
  return hash.digest('hex');
}

/** The version of the package.json beside ONNX Runtime's libraries, three folders up. */
export async function packageVersion(packageFile: string): Promise<string> {
  return (JSON.parse(await readFile(packageFile, 'utf8')) as { version: string }).version;
}
