// bagelgraph provider: puts a provider of ONNX Runtime in place, from the network or from a package file.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { CommandArguments } from '../graph/node.ts';
import { nvidiaFolder, providerLibraries, surveyCuda } from '../device/cuda.ts';
import { runtimeFolder } from '../device/native.ts';
import { UsageError } from './arguments.ts';
import type { FullHost, HostCommand } from './command.ts';
import { downloadPackage, findWheel, type RemotePackage } from './provider-download.ts';
import { packageVersion, ProviderError, sha256Of, takeLibraries, type Wanted } from './provider-package.ts';

const providerProject = 'onnxruntime-gpu';
/** NVIDIA's own wheels with what the provider links to and opens, by the version the provider was built for. */
const nvidiaProjects = [
  ['nvidia-cuda-runtime', '13'], ['nvidia-cublas', '13'], ['nvidia-curand', '10'], ['nvidia-cufft', '12'], ['nvidia-nvjitlink', '13'], ['nvidia-cuda-nvrtc', '13'], ['nvidia-cudnn-cu13', '9'],
] as const;

export const providerCommand: HostCommand = {
  name: 'provider',
  summary: 'Put the CUDA provider of ONNX Runtime in place',
  usage: 'provider cuda (--from FILE | --index URL) [--libraries]',
  options: {
    from: { type: 'string', value: 'FILE', description: `take it from this package instead of the network: the wheel ${providerProject}, the NuGet package Microsoft.ML.OnnxRuntime.Gpu.Linux, or a release .tgz` },
    sha256: { type: 'string', value: 'HEX', description: 'what the SHA-256 of FILE must be' },
    libraries: { type: 'boolean', description: 'also fetch NVIDIA\'s CUDA and cuDNN libraries (about 2 GB, under NVIDIA\'s licence), for machines without CUDA' },
    index: { type: 'string', value: 'URL', description: 'address of the Python package index, such as https://INDEX.EXAMPLE (default: that of PIP_INDEX_URL)' },
    json: { type: 'boolean', description: 'print JSON on stdout' },
  },
  async run(args, host) {
    const [name, ...rest] = args.positionals;
    if (name !== 'cuda' || rest.length > 0) throw new UsageError(`provider takes the name of a provider, and known is cuda; got ${args.positionals.join(' ') || 'none'}`);
    const placed = await placeProvider(args, host, { runtime: runtimeFolder(), nvidia: nvidiaFolder() });
    const { gpus, lacks } = await surveyCuda();
    if (args.options['json'] === true) host.stdout.write(`${JSON.stringify({ placed, gpus, missing: lacks }, null, 1)}\n`);
    else {
      for (const { files, folder, version } of placed) host.stdout.write(`${version}: ${files.length > 4 ? `${files.length} libraries` : files.join(', ')} → ${folder}\n`);
      host.stdout.write(gpus.length === 0 ? 'no NVIDIA GPU is seen on this machine (nvidia-smi)\n' : lacks.length === 0 ? `ready: --devices cuda:${gpus[0]!.index}\n` : lacks.map(({ what, fix }) => `missing: ${what}\n  ${fix}\n`).join(''));
    }
    return 0;
  },
};

/** The index as pip knows it ends in /simple, what is asked of it does not. */
function indexOf(given: unknown, fromPip: string | undefined): string {
  const index = typeof given === 'string' ? given : fromPip;
  if (index === undefined || !/^https?:\/\//.test(index)) {
    throw new UsageError(`provider cuda needs a place to take the provider from${index === undefined ? '' : `, and ${JSON.stringify(index)} is no http address`}: a package file with --from FILE, or a Python package index with --index URL or PIP_INDEX_URL`);
  }
  return index.replace(/\/(simple\/?)?$/, '');
}

export interface Placed { readonly files: readonly string[]; readonly folder: string; readonly version: string }

/** Puts the provider, and with --libraries what it needs, into the two folders. Throws a ProviderError; libraries that were whole by then stay. */
export async function placeProvider({ options }: CommandArguments, host: Pick<FullHost, 'stderr' | 'signal'>, folders: { readonly runtime: string; readonly nvidia: string }): Promise<readonly Placed[]> {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new ProviderError(`ONNX Runtime has no CUDA provider for ${process.platform} ${process.arch}, only for Linux on x64`);
  const version = await packageVersion(path.join(runtimeFolder(), '../../../../package.json'));
  const provider: Wanted = { folder: folders.runtime, version, takes: (member) => (providerLibraries as readonly string[]).includes(path.posix.basename(member)) };
  const placed: Placed[] = [];
  const { from } = options;
  const index = typeof from === 'string' && options['libraries'] !== true ? '' : indexOf(options['index'], process.env['PIP_INDEX_URL']);
  if (typeof from === 'string') {
    await checkHash(from, options['sha256'], host);
    placed.push({ folder: provider.folder, ...await takeLibraries(from, provider) });
  } else placed.push(await fetchAndTake(await findWheel(index, providerProject, version, host.signal), provider, host));
  if (options['libraries'] === true) {
    const wanted: Wanted = { folder: folders.nvidia, takes: (member) => /^nvidia\/.*\/lib\/[^/]+\.so(\.\d+)*$/.test(member) };
    for (const [project, major] of nvidiaProjects) placed.push(await fetchAndTake(await findWheel(index, project, major, host.signal), wanted, host));
  }
  return placed;
}

/** A wheel's own list is checked in any case; the file itself only against what the caller gives. */
async function checkHash(file: string, given: unknown, { stderr }: Pick<FullHost, 'stderr'>): Promise<void> {
  const got = await sha256Of(file);
  if (typeof given !== 'string') stderr.write(`SHA-256 of ${file}: ${got} (compare it with the publisher's, or give --sha256)\n`);
  else if (given.toLowerCase() !== got) throw new ProviderError(`${file} has SHA-256 ${got}, not ${given}: nothing was taken from it`);
}

async function fetchAndTake(found: RemotePackage, wanted: Wanted, { stderr, signal }: Pick<FullHost, 'stderr' | 'signal'>): Promise<Placed> {
  const room = await mkdtemp(path.join(tmpdir(), 'bagelgraph-provider-'));
  const target = path.join(room, found.name);
  let shown = -1;
  try {
    await downloadPackage(found, target, (done) => {
      const percent = Math.floor((done / found.bytes) * 10) * 10;
      if (percent === shown) return;
      shown = percent;
      stderr.write(`${found.name}: ${percent} % of ${(found.bytes / 1e6).toFixed(0)} MB\n`);
    }, signal);
    return { folder: wanted.folder, ...await takeLibraries(target, wanted) };
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}
