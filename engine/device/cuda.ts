// What this machine has for CUDA and what is missing, each with the command that puts it right. Starts no device and loads no library.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { runtimeFolder, whyNotNative } from './native.ts';

export interface Gpu {
  readonly index: number;
  readonly model: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly driver: string;
  /** Such as `9.0`; bfloat16 is computed from 8.0 on. */
  readonly computeCapability: string;
}

/** Something that keeps CUDA from being used, and what to do about it. */
export interface Lack { readonly what: string; readonly fix: string }

export interface CudaSurvey { readonly gpus: readonly Gpu[]; readonly lacks: readonly Lack[] }

/** The provider's libraries, which belong beside ONNX Runtime's. */
export const providerLibraries = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'] as const;

/** Folder for NVIDIA's libraries where the system has none; workers on CUDA look there too. */
export function nvidiaFolder(): string {
  return join(runtimeFolder(), 'nvidia');
}

/** The search path of libraries for a worker on CUDA. */
export function cudaLibraryPath(inherited = process.env['LD_LIBRARY_PATH']): string {
  return [nvidiaFolder(), inherited].filter(Boolean).join(delimiter);
}

type Execute = (file: string, args: readonly string[], env?: NodeJS.ProcessEnv) => Promise<string>;

const execute: Execute = async (file, args, env) => (await promisify(execFile)(file, [...args], { timeout: 20_000, env: { ...process.env, ...env } })).stdout;

/** Asks the driver's own tool and the linker. `run` and `folder` are for tests. */
export async function surveyCuda(run: Execute = execute, folder = runtimeFolder()): Promise<CudaSurvey> {
  const asked = await askDriver(run);
  if (typeof asked === 'string') return { gpus: [], lacks: [{ what: asked, fix: 'see that nvidia-smi runs: the driver and its tools must be of one version' }] };
  if (asked.length === 0) return { gpus: [], lacks: [] };
  return { gpus: asked, lacks: await lacksOf(run, folder) };
}

/** No GPUs where there is no driver; a message where the driver's tool fails. */
async function askDriver(run: Execute): Promise<readonly Gpu[] | string> {
  const fields = ['index', 'name', 'memory.total', 'memory.free', 'driver_version', 'compute_cap'];
  try {
    return (await run('nvidia-smi', [`--query-gpu=${fields.join()}`, '--format=csv,noheader,nounits'])).split('\n').filter((line) => line.trim() !== '').map(readGpu);
  } catch (error) {
    const { code, message, stdout } = error as NodeJS.ErrnoException & { stdout?: string };
    return code === 'ENOENT' ? [] : `nvidia-smi fails: ${(stdout?.trim() || message).split('\n')[0]}`;
  }
}

function readGpu(line: string): Gpu {
  const [index, model, total, free, driver, computeCapability] = line.split(',').map((field) => field.trim());
  return { index: Number(index), model: model!, totalBytes: Number(total) * 2 ** 20, freeBytes: Number(free) * 2 ** 20, driver: driver!, computeCapability: computeCapability! };
}

async function lacksOf(run: Execute, folder: string): Promise<readonly Lack[]> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return [{ what: `ONNX Runtime has no CUDA provider for ${process.platform} ${process.arch}`, fix: 'use Linux on x64' }];
  const native = whyNotNative();
  const backend = native === undefined ? [] : [{ what: `the native backend (${native.split(':')[0]})`, fix: native.startsWith('turned off') ? 'unset BAGELGRAPH_NATIVE' : 'npm run build:native' }];
  const missing = providerLibraries.filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0) return [...backend, { what: `the CUDA provider of ONNX Runtime (${missing.join(', ')})`, fix: 'bagelgraph provider cuda --from FILE (the wheel of onnxruntime-gpu), or --index URL' }];
  const absent = await absentLibraries(run, folder);
  const driver = absent.filter((name) => name.startsWith('libcuda.so'));
  const others = absent.filter((name) => !driver.includes(name));
  return [
    ...backend,
    ...(driver.length === 0 ? [] : [{ what: `the driver's library ${driver.join(', ')}`, fix: 'install the NVIDIA driver; in a container start it with --gpus all' }]),
    ...(others.length === 0 ? [] : [{ what: `NVIDIA's libraries ${others.join(', ')}`, fix: 'bagelgraph provider cuda --index URL --libraries, or install CUDA and cuDNN 9 and name their folder in LD_LIBRARY_PATH' }]),
  ];
}

/** What the provider links to and the system cannot find, and cuDNN, which it opens by itself. */
async function absentLibraries(run: Execute, folder: string): Promise<readonly string[]> {
  const LD_LIBRARY_PATH = cudaLibraryPath();
  const linked = await run('ldd', [join(folder, 'libonnxruntime_providers_cuda.so')], { LD_LIBRARY_PATH }).catch(() => '');
  const absent = [...linked.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name!);
  const cudnn = 'libcudnn.so.9';
  const isFound = LD_LIBRARY_PATH.split(delimiter).some((place) => existsSync(place) && readdirSync(place).includes(cudnn))
    || (await run('ldconfig', ['-p']).catch(() => '')).includes(cudnn);
  return isFound ? absent : [...absent, cudnn];
}
