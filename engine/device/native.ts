// Finds and loads our add-on (native/, in Rust). It is optional: without it, or with BAGELGRAPH_NATIVE=0, onnxruntime-node and TypeScript do the work.
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BackendName } from './backend.ts';
import { DeviceError } from './errors.ts';

/** A side that is known, or the name of one that is not. */
interface NativeEdge { readonly name: string; readonly dtype: string; readonly dims: readonly (number | string)[] }
/** Bytes, or the path of a file that holds them. */
export type NativeData = Uint8Array | string;
export interface NativeTensor { readonly dtype: string; readonly shape: number[]; readonly data?: NativeData }

/** A device of the add-on; native/src/worker.rs documents the calls. */
export interface NativeDevice {
  load(id: number, model: Uint8Array, options: { expandWeights: boolean; packWeights: boolean; keepScratch: boolean }): Promise<{ readonly inputs: readonly NativeEdge[]; readonly outputs: readonly NativeEdge[] }>;
  run(session: number, handles: Uint32Array, tensors: readonly (NativeTensor & { readonly input: number; readonly data: NativeData })[], fetch: Uint32Array, files: readonly (readonly string[])[]): Promise<(NativeTensor | null)[]>;
  write(id: number, dtype: string, shape: readonly number[], data?: NativeData): Promise<void>;
  read(id: number, rows: number | undefined, files: readonly string[]): Promise<NativeTensor>;
  free(handles: readonly number[], sessions: readonly number[]): Promise<void>;
  terminate(): void;
}

export interface NativeAddOn {
  readonly NativeDevice: new (options: { library: string; provider: string; index: number; threads: number; memoryLimitBytes?: number }) => NativeDevice;
}

const require = createRequire(import.meta.url);
let loaded: NativeAddOn | undefined;

/** Where the add-on lies once it is built, from compiled code and from sources alike. */
export function nativePath(): string {
  const here = import.meta.url;
  return fileURLToPath(new URL(here.endsWith('.ts') ? '../../native/bagelgraph.node' : '../../../native/bagelgraph.node', here));
}

/** Why the add-on is not used; undefined when it is. */
export function whyNotNative(): string | undefined {
  if (process.env['BAGELGRAPH_NATIVE'] === '0') return 'turned off by BAGELGRAPH_NATIVE=0';
  if (!existsSync(nativePath())) return 'not built: npm run build:native builds it';
  try {
    loadNative();
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
}

/** The add-on. Throws a DeviceError when it is not built or does not load. */
export function loadNative(): NativeAddOn {
  try {
    return (loaded ??= require(nativePath()) as NativeAddOn);
  } catch (error) {
    throw new DeviceError(`the native add-on cannot be loaded: ${(error as Error).message.split('\n')[0]}; build it again: npm run build:native`, { cause: error });
  }
}

/** The backend that workers use where nothing else is asked. */
export function defaultBackend(): BackendName {
  return whyNotNative() === undefined ? 'native' : 'onnxruntime-node';
}

/** Folder with ONNX Runtime's shared libraries, of onnxruntime-node; provider libraries belong there too. */
export function runtimeFolder(): string {
  return join(dirname(require.resolve('onnxruntime-node/package.json')), 'bin', 'napi-v6', process.platform, process.arch);
}

/** Path of ONNX Runtime's shared library. */
export function runtimeLibrary(): string {
  const folder = runtimeFolder();
  const name = existsSync(folder) ? readdirSync(folder).find((file) => /^(libonnxruntime\.so(\.\d+)*|libonnxruntime(\.\d+)*\.dylib|onnxruntime\.dll)$/.test(file)) : undefined;
  if (name === undefined) throw new DeviceError(`ONNX Runtime is not in ${folder}: install the packages again (npm ci)`);
  return join(folder, name);
}
