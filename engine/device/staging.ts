// Bulk data between processes: small payloads ride in the message, larger ones through a file in shared memory that the sender makes and
// the receiver removes. IPC takes 7 ms/MB, a file in /dev/shm 0.4. Calls are synchronous: they copy memory, and a dozen trips through
// the thread pool would cost more than a megabyte does.
import { closeSync, existsSync, openSync, readdirSync, readSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arrayFor, type TypedArray } from '../tensor/dtype.ts';
import { bytesOf, bytesView, type Tensor } from '../tensor/tensor.ts';
import type { WireTensor } from './protocol.ts';

/** A file that holds exactly `bytes` bytes. */
export interface StagedFile {
  readonly path: string;
  readonly bytes: number;
}

export type Payload = Uint8Array | StagedFile;

const inMessageBytes = 64 * 1024;
const orphanAgeMs = 60_000;

/** Where files may go, best first; a container's /dev/shm can be as small as 64 MB. */
function folders(): string[] {
  return existsSync('/dev/shm') ? ['/dev/shm', tmpdir()] : [tmpdir()];
}

/** Makes the files of one side of a connection. Their names begin with the host's process id, so that a later host can tell orphans. */
export class Staging {
  readonly #connection: string;
  readonly #side: 'host' | 'worker';
  #count = 0;

  constructor(hostPid: number, tag: string, side: 'host' | 'worker') {
    this.#connection = `bagelgraph-${hostPid}-${tag}-`;
    this.#side = side;
  }

  /** Where one new file may go, best first. */
  paths(): string[] {
    const name = `${this.#connection}${this.#side}${this.#count++}`;
    return folders().map((folder) => join(folder, name));
  }

  /** `bytes` as a payload: themselves if they are few, else a file of which the receiver disposes. */
  stage(bytes: Uint8Array): Payload {
    if (bytes.length <= inMessageBytes) return bytes;
    const paths = this.paths();
    for (const [i, path] of paths.entries()) {
      try {
        writeFileSync(path, bytes, { flag: 'wx', mode: 0o600 });
        return { path, bytes: bytes.length };
      } catch (error) {
        rmSync(path, { force: true });
        const isFull = (error as NodeJS.ErrnoException).code === 'ENOSPC';
        if (!isFull || i + 1 === paths.length) throw new Error(`cannot pass ${bytes.length} bytes through ${path}: ${(error as Error).message}`, { cause: error });
      }
    }
    throw new Error('no folder for shared data');
  }

  stageTensor(tensor: Tensor): WireTensor {
    return { dtype: tensor.dtype, shape: tensor.shape, data: this.stage(bytesView(tensor)) };
  }

  /** Removes the files of both sides that nobody took; for when the connection has ended. */
  discardAll(): void {
    for (const folder of folders()) {
      for (const name of readdirSync(folder)) if (name.startsWith(this.#connection)) rmSync(join(folder, name), { force: true });
    }
  }
}

/** The payload's bytes in memory of their own; a file is removed as soon as it is open. */
export function receive(payload: Payload): Uint8Array {
  // a view into the message would keep the whole message alive, and need not be aligned
  if (!('path' in payload)) return new Uint8Array(payload);
  const file = openSync(payload.path, 'r');
  try {
    unlinkSync(payload.path);
    const bytes = new Uint8Array(payload.bytes);
    for (let at = 0; at < bytes.length;) {
      const read = readSync(file, bytes, at, Math.min(bytes.length - at, 2 ** 30), at);
      if (read === 0) throw new Error(`shared data ${payload.path} ends at ${at} of ${bytes.length} bytes`);
      at += read;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}

export function receiveTensor({ dtype, shape, data }: WireTensor): Tensor {
  const bytes = receive(data);
  if (bytes.length !== bytesOf({ dtype, shape })) throw new Error(`a ${dtype} tensor [${shape.join(', ')}] came with ${bytes.length} bytes`);
  return { dtype, shape, data: asArray(dtype, bytes) };
}

function asArray(dtype: Tensor['dtype'], bytes: Uint8Array): TypedArray {
  const array = arrayFor(dtype);
  return new array(bytes.buffer, 0, bytes.length / new array(0).BYTES_PER_ELEMENT);
}

/** Removes a payload's file when it will not be received. */
export function discard(payload: Payload): void {
  if ('path' in payload) rmSync(payload.path, { force: true });
}

/** Removes shared files whose host is gone. Young ones stay: their host may live where its process id is not seen, such as another container. */
export function removeOrphanFiles(): void {
  for (const folder of folders()) {
    for (const name of readdirSync(folder)) {
      const hostPid = /^bagelgraph-(\d+)-[0-9a-f]+-(host|worker)\d+$/.exec(name)?.[1];
      if (hostPid === undefined || isRunning(Number(hostPid))) continue;
      const path = join(folder, name);
      const made = statSync(path, { throwIfNoEntry: false });
      if (made !== undefined && made.uid === process.getuid?.() && Date.now() - made.mtimeMs > orphanAgeMs) rmSync(path, { force: true });
    }
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
