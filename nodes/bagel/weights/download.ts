// Downloads the files of a model from Hugging Face or a mirror. The listing is that of @huggingface/hub; the bytes are fetched here,
// since the library neither goes on with a file that was broken off nor checks hashes.
import type { ListFileEntry } from '@huggingface/hub';
import { mkdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../errors.ts';
import { tooLittleSpace } from './errors.ts';
import { badRepository, nothingToDownload, refused, unsafeName } from './download-errors.ts';
import { downloadFile, explained, incompleteSuffix, type RemoteFile } from './download-file.ts';

export interface DownloadOptions {
  /** OWNER/NAME */
  readonly repo: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  readonly to: string;
  /** Patterns of the files to take: `*` for anything but a slash, `**` for anything. A pattern without a slash fits in every folder. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Such as https://huggingface.co, without a slash at its end. */
  readonly endpoint: string;
  readonly token?: string;
  readonly signal: AbortSignal;
  readonly stallMs?: number;
  readonly attempts?: number;
  readonly pauseMs?: number;
  progress(progress: DownloadProgress): void;
}

export interface DownloadProgress {
  readonly name: string;
  /** Bytes of all files. */
  readonly done: number;
  readonly total: number;
}

export interface Downloaded {
  readonly folder: string;
  /** The commit all files are of. */
  readonly commit: string;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly hash: string }[];
}

/** What a model needs to run, without pictures and papers. */
export const modelFiles: readonly string[] = ['*.safetensors', '*.json', '*.txt', 'LICENSE*'];

/** Throws a UserError. Aborted: rejects with the signal's reason. Either way what came is kept, and the same call goes on with it. */
export async function downloadModel(options: DownloadOptions): Promise<Downloaded> {
  const { repo, signal } = options;
  if (!/^[\w.-]+\/[\w.-]+$/.test(repo)) throw badRepository(repo);
  const folder = path.resolve(options.to);
  const { commit, files } = await listModel(options);
  await mkdir(folder, { recursive: true });
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  await checkSpace(folder, files);
  let before = 0;
  // the small ones first: what they say is of use before the weights are there
  for (const file of [...files].sort((a, b) => a.bytes - b.bytes)) {
    signal.throwIfAborted();
    const fileOptions = { signal, stallMs: options.stallMs ?? 30_000, attempts: options.attempts ?? 5, pauseMs: options.pauseMs ?? 1000, ...(options.token === undefined ? {} : { token: options.token }) };
    await downloadFile(file, path.join(folder, file.name), { ...fileOptions, progress: (done) => options.progress({ name: file.name, done: before + done, total }) });
    before += file.bytes;
  }
  return { folder, commit, files: files.map(({ name, bytes, hash }) => ({ name, bytes, hash: hash.value })) };
}

/** The commit that the revision stands for now, and the files asked for in it. */
async function listModel({ repo, revision, include, exclude, endpoint, token, signal, stallMs = 30_000 }: DownloadOptions): Promise<{ commit: string; files: RemoteFile[] }> {
  // only here: it would double the time in which the program starts
  const { HubApiError, listFiles, modelInfo } = await import('@huggingface/hub');
  const limited: typeof fetch = (input, init) => fetch(input, { ...init, signal: AbortSignal.any([signal, AbortSignal.timeout(stallMs)]) });
  const access = { hubUrl: endpoint, fetch: limited, ...(token === undefined ? {} : { accessToken: token }) };
  const entries: ListFileEntry[] = [];
  let commit: string;
  try {
    commit = (await modelInfo({ name: repo, revision, additionalFields: ['sha'], ...access })).sha;
    for await (const entry of listFiles({ repo, revision: commit, recursive: true, ...access })) if (entry.type === 'file') entries.push(entry);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof HubApiError) throw refused(error.url, error.statusCode, token !== undefined);
    if (error instanceof TypeError && error.message.includes('hf_')) throw new UserError('HF_TOKEN is no access token of Hugging Face: those begin with hf_');
    if ((error as Error).name === 'TimeoutError') throw explained(new TypeError(`no answer in ${stallMs / 1000} s`), endpoint);
    throw explained(error, endpoint);
  }
  const unsafe = entries.find(({ path: name }) => !isInside(name));
  if (unsafe !== undefined) throw unsafeName(repo, unsafe.path);
  const files = entries.filter(({ path: name }) => include.some((pattern) => fits(name, pattern)) && !exclude.some((pattern) => fits(name, pattern)));
  if (files.length === 0) throw nothingToDownload(repo, include, entries.map(({ path: name }) => name));
  return { commit, files: files.map((entry) => remoteFile(entry, `${endpoint}/${repo}/resolve/${commit}`)) };
}

function remoteFile({ path: name, size, oid, lfs }: ListFileEntry, root: string): RemoteFile {
  const url = `${root}/${name.split('/').map(encodeURIComponent).join('/')}`;
  return { name, url, bytes: lfs?.size ?? size, hash: lfs === undefined ? { kind: 'git', value: oid ?? '' } : { kind: 'sha256', value: lfs.oid } };
}

function isInside(name: string): boolean {
  return name !== '' && !/[\\:\0]/.test(name) && name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function fits(name: string, pattern: string): boolean {
  const text = pattern.includes('/') ? name : name.split('/').at(-1)!;
  const expression = pattern.split(/(\*\*|\*|\?)/).map((part) => ({ '**': '.*', '*': '[^/]*', '?': '[^/]' })[part] ?? part.replace(/[.+^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${expression.join('')}$`).test(text);
}

async function checkSpace(folder: string, files: readonly RemoteFile[]): Promise<void> {
  let needed = 16e6;
  for (const { name, bytes } of files) {
    const target = path.join(folder, name);
    const there = await Promise.all([target, `${target}${incompleteSuffix}`].map((one) => stat(one).then(({ size }) => size, () => 0)));
    needed += Math.max(0, bytes - Math.max(...there));
  }
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < needed) throw tooLittleSpace(folder, needed, bavail * bsize);
}
