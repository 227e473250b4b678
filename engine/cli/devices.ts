// bagelgraph devices: what computes here, and what is missing where a GPU could.
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { surveyCuda, type CudaSurvey, type Gpu } from '../device/cuda.ts';
import type { Device } from '../device/device.ts';
import { whyNotNative } from '../device/native.ts';
import type { FullHost, HostCommand } from './command.ts';
import { deviceOptions } from './options.ts';

export const devicesCommand: HostCommand = {
  name: 'devices',
  summary: 'List the devices to compute on, and what is missing to use others',
  usage: 'devices',
  options: { json: { type: 'boolean', description: 'print JSON on stdout' }, ...deviceOptions },
  async run(args, host) {
    const survey = await surveyCuda();
    const list = await describeDevices(host, survey);
    if (args.options['json'] === true) host.stdout.write(`${JSON.stringify(list, null, 1)}\n`);
    else host.stdout.write(`${[...list.map(deviceText), ...backendText()].join('\n')}\n`);
    return 0;
  },
};

interface Described {
  readonly name: string;
  readonly provider: string;
  /** What computes: `native` or `onnxruntime-node`; absent where the device is not open. */
  readonly backend?: string;
  readonly threads?: number;
  readonly cores?: number;
  readonly model: string;
  readonly memory: { readonly total: number; readonly free: number };
  readonly dtypes: readonly string[];
  /** Why it cannot be used, and what to do; empty where it can. */
  readonly missing: CudaSurvey['lacks'];
  /** True for a device that --devices names. */
  readonly isOpen: boolean;
}

/** Those that are open, then GPUs that could be, then what keeps GPUs from being seen. */
async function describeDevices(host: FullHost, { gpus, lacks }: CudaSurvey): Promise<readonly Described[]> {
  const opened = await host.devices();
  const described = await Promise.all([...opened.values()].map((device) => describeOpen(device, gpus, lacks)));
  const others = gpus.filter(({ index }) => !opened.has(`cuda:${index}`)).map((gpu) => ({ ...describeGpu(gpu), missing: lacks, isOpen: false }));
  const unseen = gpus.length > 0 ? [] : lacks.map((lack) => ({ name: 'cuda', provider: 'cuda', model: 'no GPU seen', memory: { total: 0, free: 0 }, dtypes: [], missing: [lack], isOpen: false }));
  return [...described, ...others, ...unseen];
}

async function describeOpen(device: Device, gpus: readonly Gpu[], lacks: CudaSurvey['lacks']): Promise<Described> {
  const { name, provider, threads, backend } = await device.stats();
  const fault = provider === 'cuda' ? await tryOut(device) : undefined;
  const missing = fault === undefined ? [] : lacks.length > 0 ? lacks : [{ what: fault, fix: gpus.length === 0 ? 'this machine shows no NVIDIA GPU (nvidia-smi): compute on cpu:0' : 'see the message' }];
  const open = { name, provider, threads, missing, isOpen: fault === undefined, ...(backend === undefined ? {} : { backend }) };
  const gpu = gpus.find(({ index }) => name === `cuda:${index}`);
  if (gpu !== undefined) return { ...describeGpu(gpu), ...open };
  if (provider === 'cuda') return { ...open, model: 'no GPU seen', memory: { total: 0, free: 0 }, dtypes: [] };
  return { ...open, cores: availableParallelism(), model: cpus()[0]?.model ?? 'unknown', memory: { total: totalmem(), free: freemem() }, dtypes: ['float32'] };
}

/** Why the device cannot hold a number; undefined when it can. */
async function tryOut(device: Device): Promise<string | undefined> {
  try {
    await device.free([await device.write({ dtype: 'float32', shape: [1], data: Float32Array.of(1) })]);
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n').at(-1);
  }
}

function describeGpu({ index, model, totalBytes, freeBytes, driver, computeCapability }: Gpu): Pick<Described, 'name' | 'provider' | 'model' | 'memory' | 'dtypes'> {
  return {
    name: `cuda:${index}`, provider: 'cuda', model: `${model}, driver ${driver}, compute capability ${computeCapability}`, memory: { total: totalBytes, free: freeBytes },
    dtypes: ['float32', 'float16', ...(Number.parseFloat(computeCapability) >= 8 ? ['bfloat16'] : [])],
  };
}

function deviceText({ name, provider, backend, threads, model, memory, dtypes, missing, isOpen }: Described): string {
  const facts = [
    provider, ...(threads === undefined ? [] : [`${threads} threads`]), ...(memory.total === 0 ? [] : [`${gigabytes(memory.total)} memory (${gigabytes(memory.free)} free)`]),
    ...(dtypes.length === 0 ? [] : [`computes in ${dtypes.join(', ')}`]), ...(backend === undefined ? [] : [`backend ${backend}`]),
  ];
  const state = isOpen ? [] : missing.length === 0 ? [`ready: --devices ${name}`] : missing.map(({ what, fix }) => `missing: ${what}\n      ${fix}`);
  return [`${name}  ${facts.join(', ')}`, model, ...state].join('\n    ');
}

/** Said once, as it is the same for every device. */
function backendText(): readonly string[] {
  const why = whyNotNative();
  return why === undefined ? [] : [`native backend: ${why}`];
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GB`;
}
