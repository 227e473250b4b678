// What is said of GPUs: with a driver's answers as they look, since tests run where there is none.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cudaLibraryPath, providerLibraries, surveyCuda } from '../../engine/device/cuda.ts';
import { whyNotNative } from '../../engine/device/native.ts';
import { parseDeviceNames } from '../../engine/device/place.ts';
import { openProcessDevice } from '../../engine/device/process.ts';

const folder = mkdtempSync(join(tmpdir(), 'bagelgraph-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const answers = (said: Record<string, string | Error>) => async (file: string): Promise<string> => {
  const answer = said[file] ?? Object.assign(new Error(`spawn ${file} ENOENT`), { code: 'ENOENT' });
  if (answer instanceof Error) throw answer;
  return answer;
};
const twoGpus = '0, NVIDIA GeForce RTX 4090, 24564, 24000, 580.65.06, 8.9\n1, Tesla T4, 15360, 15000, 580.65.06, 7.5\n';
const isLinux = process.platform === 'linux' && process.arch === 'x64';
const backend = whyNotNative() === undefined ? [] : [expect.objectContaining({ what: expect.stringContaining('native backend') })];

describe('GPUs', () => {
  it('are none, and nothing is missing, where there is no driver', async () => {
    expect(await surveyCuda(answers({}), folder)).toEqual({ gpus: [], lacks: [] });
  });

  it('that the driver cannot show are said with its reason', async () => {
    const failed = Object.assign(new Error('Command failed'), { code: 18, stdout: 'Failed to initialize NVML: Driver/library version mismatch\n' });
    expect((await surveyCuda(answers({ 'nvidia-smi': failed }), folder)).lacks[0]?.what).toBe('nvidia-smi fails: Failed to initialize NVML: Driver/library version mismatch');
  });

  it.runIf(isLinux)('are listed with the command that brings the provider', async () => {
    expect(await surveyCuda(answers({ 'nvidia-smi': twoGpus }), folder)).toEqual({
      gpus: [
        { index: 0, model: 'NVIDIA GeForce RTX 4090', totalBytes: 24564 * 2 ** 20, freeBytes: 24000 * 2 ** 20, driver: '580.65.06', computeCapability: '8.9' },
        { index: 1, model: 'Tesla T4', totalBytes: 15360 * 2 ** 20, freeBytes: 15000 * 2 ** 20, driver: '580.65.06', computeCapability: '7.5' },
      ],
      lacks: [...backend, { what: `the CUDA provider of ONNX Runtime (${providerLibraries.join(', ')})`, fix: expect.stringContaining('bagelgraph provider cuda --from FILE') }],
    });
  });

  it.runIf(isLinux)('need the libraries that the provider links to', async () => {
    for (const name of providerLibraries) writeFileSync(join(folder, name), '');
    const ldd = '\tlibcublasLt.so.13 => not found\n\tlibcuda.so.1 => not found\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n';
    const { lacks } = await surveyCuda(answers({ 'nvidia-smi': twoGpus, ldd, ldconfig: 'libcudnn.so.9 (libc6,x86-64)' }), folder);
    expect(lacks).toEqual([
      ...backend,
      { what: "the driver's library libcuda.so.1", fix: expect.stringContaining('--gpus all') },
      { what: "NVIDIA's libraries libcublasLt.so.13", fix: expect.stringContaining('bagelgraph provider cuda --index URL --libraries') },
    ]);
    const ready = await surveyCuda(answers({ 'nvidia-smi': twoGpus, ldd: '', ldconfig: 'libcudnn.so.9' }), folder);
    expect(ready.lacks).toEqual(backend);
  });

  it('get a library path that keeps the one there was', () => expect(cudaLibraryPath('/opt/cuda/lib64')).toMatch(/nvidia.\/opt\/cuda\/lib64$/));
});

describe('a device on CUDA', () => {
  it('has a name with its number', () => {
    expect(parseDeviceNames('cpu,cuda:1')).toEqual([{ name: 'cpu:0', provider: 'cpu', index: 0 }, { name: 'cuda:1', provider: 'cuda', index: 1 }]);
  });

  it('is refused by onnxruntime-node with what to do', async () => {
    const device = await openProcessDevice({ name: 'cuda:0', provider: 'cuda', backend: 'onnxruntime-node' });
    await expect(device.write({ dtype: 'float32', shape: [1] })).rejects.toThrow(/cuda:0 needs the native backend: npm run build:native/);
    await device.close();
  });

  it.runIf(isLinux && whyNotNative() === undefined)('that is not there is an error of the call, and names the command that tells more', async () => {
    const device = await openProcessDevice({ name: 'cuda:99', provider: 'cuda', index: 99, backend: 'native' });
    await expect(device.write({ dtype: 'float32', shape: [1] })).rejects.toThrow(/cuda:99 cannot be used: .*bagelgraph devices says what is missing/s);
    await device.close();
  });
});
