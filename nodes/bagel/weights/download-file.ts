// Downloads one file over HTTP: goes on where an earlier attempt ended, gives up what stalls, and takes nothing whose hash is wrong.
// Knows no repository; the listing says size and hash.
import { createHash, type Hash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { gaveUp, refused, unreachable, wrongHash } from './download-errors.ts';

export interface RemoteFile {
  /** Path in the repository, with slashes. */
  readonly name: string;
  readonly bytes: number;
  /** Of large files the SHA-256; of small ones git's own: the SHA-1 of `blob BYTES\0` and the content. */
  readonly hash: { readonly kind: 'sha256' | 'git'; readonly value: string };
  readonly url: string;
}

export interface FileOptions {
  readonly token?: string;
  readonly signal: AbortSignal;
  /** A connection that brings nothing for this long is broken off. */
  readonly stallMs: number;
  /** Attempts in a row that may bring nothing. */
  readonly attempts: number;
  /** Before the first repeated attempt; doubles with each. */
  readonly pauseMs: number;
  /** Bytes there are now. */
  progress(done: number): void;
}

/** At the end of the name of a file that is not complete. */
export const incompleteSuffix = '.incomplete';

/** Downloads to `target`. What is there of it already counts. Throws a UserError; what came so far is kept unless it is wrong. */
export async function downloadFile(file: RemoteFile, target: string, options: FileOptions): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  if (await isComplete(file, target)) {
    options.progress(file.bytes);
    return;
  }
  const partial = `${target}${incompleteSuffix}`;
  for (let isSecond = false; ; isSecond = true) {
    await fetchAll(file, partial, options);
    const hash = await hashOf(file, partial);
    if (hash === file.hash.value) break;
    await rm(partial);
    if (isSecond) throw wrongHash(file.name, file.hash.value, hash);
  }
  await rename(partial, target);
}

async function isComplete(file: RemoteFile, target: string): Promise<boolean> {
  const there = await stat(target).catch(() => undefined);
  return there !== undefined && there.size === file.bytes && (await hashOf(file, target)) === file.hash.value;
}

async function hashOf({ hash: { kind }, bytes }: RemoteFile, target: string): Promise<string> {
  const hash: Hash = createHash(kind === 'git' ? 'sha1' : 'sha256');
  if (kind === 'git') hash.update(`blob ${bytes}\0`);
  for await (const chunk of createReadStream(target, { highWaterMark: 4 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Until the file has its size. Attempts that bring something do not count. */
async function fetchAll(file: RemoteFile, partial: string, options: FileOptions): Promise<void> {
  const handle = await open(partial, constants.O_RDWR | constants.O_CREAT);
  try {
    let { size: done } = await handle.stat();
    if (done > file.bytes) await handle.truncate((done = 0));
    options.progress(done);
    let failures = 0;
    while (done < file.bytes) {
      const before = done;
      const failure = await fetchRest(file, handle, done, options).catch((error: Error) => error);
      options.signal.throwIfAborted();
      ({ size: done } = await handle.stat());
      if (done >= file.bytes) break;
      if (failure instanceof Error && failure.name === 'UserError') throw failure;
      failures = done > before ? 1 : failures + 1;
      if (failures >= options.attempts) throw gaveUp(file.name, done, file.bytes, failures, failure?.message ?? 'the connection ended');
      await wait(failure instanceof Busy ? failure.pauseMs : options.pauseMs * 2 ** (failures - 1), undefined, { signal: options.signal });
    }
    if (done > file.bytes) await handle.truncate(file.bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The server asks for patience. */
class Busy extends Error {
  readonly pauseMs: number;
  constructor(status: number, pauseMs: number) {
    super(`the server answered ${status}`);
    this.pauseMs = pauseMs;
  }
}

/** One request for what is missing from byte `from` on. Ends where the connection does. */
async function fetchRest(file: RemoteFile, handle: FileHandle, from: number, options: FileOptions): Promise<undefined> {
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(new Error(`nothing came for ${options.stallMs / 1000} s`)), options.stallMs);
  try {
    const response = await fetch(file.url, {
      headers: { ...(from > 0 ? { Range: `bytes=${from}-` } : {}), ...(options.token === undefined ? {} : { Authorization: `Bearer ${options.token}` }), 'Accept-Encoding': 'identity' },
      signal: AbortSignal.any([options.signal, stalled.signal]),
    });
    let at = await startOf(response, file, handle, from, options);
    const body = response.body ?? new ReadableStream<Uint8Array>();
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      timer.refresh();
      const rest = chunk.subarray(0, Math.max(0, file.bytes - at));
      await handle.write(rest, 0, rest.length, at);
      at += rest.length;
      options.progress(at);
      if (rest.length < chunk.length) break; // more than was announced: the hash tells whether the beginning was right
    }
    return undefined;
  } catch (error) {
    if (stalled.signal.aborted) throw stalled.signal.reason as Error;
    throw (error as Error).cause instanceof Error ? ((error as Error).cause as Error) : (error as Error);
  } finally {
    clearTimeout(timer);
  }
}

/** Where the bytes of an answer belong. A server that does not know ranges begins at the start again. */
async function startOf(response: Response, file: RemoteFile, handle: FileHandle, from: number, { token }: FileOptions): Promise<number> {
  if (response.status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    if (range !== null && Number(range[1]) === from && (range[2] === '*' || Number(range[2]) === file.bytes)) return from;
    await handle.truncate(0);
    throw new Error(`the server gave ${response.headers.get('content-range') ?? 'no range'} for bytes from ${from} of ${file.bytes}`);
  }
  if (response.status === 200) {
    await handle.truncate(0);
    return 0;
  }
  if (response.status === 416) await handle.truncate(0);
  if (response.status === 429 || response.status === 503) {
    const seconds = Number(response.headers.get('retry-after') ?? NaN);
    throw new Busy(response.status, Math.min(Number.isFinite(seconds) ? seconds * 1000 : 1000, 60_000));
  }
  if (response.status >= 500 || response.status === 408 || response.status === 416) throw new Error(`the server answered ${response.status}`);
  throw refused(file.url, response.status, token !== undefined);
}

/** Why a server cannot be reached, as a UserError; any other error as it is. */
export function explained(error: unknown, endpoint: string): unknown {
  if (!(error instanceof TypeError)) return error;
  const { cause } = error;
  return unreachable(endpoint, cause instanceof Error ? ('code' in cause ? String(cause.code) : cause.message) : error.message);
}
