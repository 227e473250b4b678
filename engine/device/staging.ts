// Bulk data between processes: small payloads ride in the message, larger ones through a file in shared memory that the sender makes and
// the receiver removes. IPC takes 7 ms/MB, a file in /dev/shm a fraction of that.
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
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

  /** `bytes` as a payload: themselves if they are few, else a file of which the receiver disposes. */
  async stage(bytes: Uint8Array): Promise<Payload> {
    if (bytes.length <= inMessageBytes) return bytes;
    const name = `${this.#connection}${this.#side}${this.#count++}`;
    const places = folders();
    for (const [i, folder] of places.entries()) {
      const path = join(folder, name);
      try {
        await writeNew(path, bytes);
        return { path, bytes: bytes.length };
      } catch (error) {
        await unlink(path).catch(() => undefined);
        const isFull = (error as NodeJS.ErrnoException).code === 'ENOSPC';
        if (!isFull || i + 1 === places.length) throw new Error(`cannot pass ${bytes.length} bytes through ${folder}: ${(error as Error).message}`, { cause: error });
      }
    }
    throw new Error('no folder for shared data');
  }

  async stageTensor(tensor: Tensor): Promise<WireTensor> {
    return { dtype: tensor.dtype, shape: tensor.shape, data: await this.stage(bytesView(tensor)) };
  }

  /** Removes the files of both sides that nobody took; for when the connection has ended. */
  discardAll(): void {
    for (const folder of folders()) {
      for (const name of readdirSync(folder)) if (name.startsWith(this.#connection)) rmSync(join(folder, name), { force: true });
    }
  }
}

async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
  } finally {
    await file.close();
  }
}

/** The payload's bytes in memory of their own; a file is removed as soon as it is open. */
export async function receive(payload: Payload): Promise<Uint8Array> {
  // a view into the message would keep the whole message alive, and need not be aligned
  if (!('path' in payload)) return new Uint8Array(payload);
  const file = await open(payload.path, 'r');
  try {
    await unlink(payload.path);
    const bytes = new Uint8Array(payload.bytes);
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, 2 ** 30), at);
      if (bytesRead === 0) throw new Error(`shared data ${payload.path} ends at ${at} of ${bytes.length} bytes`);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

export async function receiveTensor({ dtype, shape, data }: WireTensor): Promise<Tensor> {
  const bytes = await receive(data);
  if (bytes.length !== bytesOf({ dtype, shape })) throw new Error(`a ${dtype} tensor [${shape.join(', ')}] came with ${bytes.length} bytes`);
  return { dtype, shape, data: asArray(dtype, bytes) };
}

function asArray(dtype: Tensor['dtype'], bytes: Uint8Array): TypedArray {
  const array = arrayFor(dtype);
  return new array(bytes.buffer, 0, bytes.length / new array(0).BYTES_PER_ELEMENT);
}

/** Removes a payload's file when it will not be received. */
export async function discard(payload: Payload): Promise<void> {
  if ('path' in payload) await unlink(payload.path).catch(() => undefined);
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
