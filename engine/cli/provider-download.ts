// Finds packages at a Python package index and downloads them with their SHA-256 checked. Knows no libraries.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ProviderError } from './provider-package.ts';

export interface RemotePackage {
  readonly name: string;
  readonly version: string;
  readonly url: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

interface Listed {
  readonly filename: string; readonly url: string; readonly size: number; readonly packagetype: string; readonly yanked: boolean;
  readonly digests: { readonly sha256: string };
}

/** A wheel for Linux on x64: of exactly `version`, or the newest whose version begins with `version` and a dot. Throws a ProviderError. */
export async function findWheel(index: string, project: string, version: string, signal?: AbortSignal): Promise<RemotePackage> {
  const { releases } = await getJson<{ releases: Readonly<Record<string, readonly Listed[]>> }>(`${index}/pypi/${project}/json`, signal);
  const versions = Object.keys(releases).filter((one) => one === version || one.startsWith(`${version}.`)).sort(compareVersions).reverse();
  for (const one of versions) {
    const wheel = releases[one]!.find(({ filename, packagetype, yanked }) => packagetype === 'bdist_wheel' && !yanked && /linux_\d+_\d+_x86_64|linux\d*_x86_64/.test(filename));
    if (wheel !== undefined) return { name: wheel.filename, version: one, url: wheel.url, bytes: wheel.size, sha256: wheel.digests.sha256 };
  }
  throw new ProviderError(`${index} has no wheel of ${project} ${version} for Linux on x64${versions.length === 0 ? `; newest versions: ${Object.keys(releases).sort(compareVersions).slice(-5).join(', ')}` : ''}`);
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((one) => one.split('.').map((part) => Number.parseInt(part, 10) || 0)) as [number[], number[]];
  for (let i = 0; i < Math.max(left.length, right.length); i++) if ((left[i] ?? 0) !== (right[i] ?? 0)) return (left[i] ?? 0) - (right[i] ?? 0);
  return 0;
}

/** Downloads to `target`, whole or not at all; `progress` gets the bytes there are. */
export async function downloadPackage({ name, url, bytes, sha256 }: RemotePackage, target: string, progress: (done: number) => void, signal?: AbortSignal): Promise<void> {
  const partial = `${target}.incomplete`;
  const hash = createHash('sha256');
  let done = 0;
  const watch = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      hash.update(chunk);
      done += chunk.length;
      progress(done);
      next(null, chunk);
    },
  });
  try {
    const body = (await get(url, signal)).body;
    if (body === null) throw new ProviderError(`${url} gave nothing`);
    await pipeline(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), watch, createWriteStream(partial), { signal }).catch((error: Error) => {
      if (signal?.aborted) throw error;
      throw new ProviderError(`the download of ${name} broke off after ${done} of ${bytes} bytes: ${error.message}; try again`);
    });
    const got = hash.digest('hex');
    if (got !== sha256) throw new ProviderError(`${name} came with SHA-256 ${got}, the index says ${sha256}: nothing was kept; try again`);
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
  }
}

async function getJson<T>(url: string, signal?: AbortSignal): Promise<T> {
  const text = await (await get(url, signal)).text();
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ProviderError(`${url} gave no JSON: is it a package index?`);
  }
}

async function get(url: string, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(url, { signal: signal ?? null }).catch((error: Error) => {
    if (signal?.aborted) throw error;
    const { cause } = error as { cause?: { code?: string; message?: string } };
    throw new ProviderError(`${url} cannot be reached (${cause?.code ?? cause?.message ?? error.message}). Offline? Fetch the package elsewhere and give it with --from FILE`);
  });
  if (!response.ok) throw new ProviderError(`${url} answers ${response.status} ${response.statusText}`);
  return response;
}
