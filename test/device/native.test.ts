// What the add-on can that onnxruntime-node cannot, and that it gives the same bits.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { Device, Handle, Session } from '../../engine/device/device.ts';
import { AbortError, DeviceError } from '../../engine/device/errors.ts';
import { defaultBackend, runtimeLibrary, whyNotNative } from '../../engine/device/native.ts';
import { openProcessDevice, type ProcessDeviceOptions } from '../../engine/device/process.ts';
import { float32, tensor, type Tensor } from '../../engine/tensor/tensor.ts';
import { describeNative } from './backends.ts';
import { add, append, edge, node, program, slow } from './programs.ts';

const devices: Device[] = [];
async function device(options: Partial<ProcessDeviceOptions> = {}): Promise<Device> {
  const opened = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', backend: 'native', ...options });
  devices.push(opened);
  return opened;
}
afterEach(async () => { await Promise.all(devices.splice(0).map((one) => one.close())); });

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'bagelgraph-test-')));
afterAll(() => rmSync(folder, { recursive: true }));

const row = (value: number): Tensor => float32([1, 4], new Float32Array(4).fill(value));
const waves = (shape: readonly number[], step = 0.37): Tensor => float32([...shape], Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * step) * (1 + (i % 7))));

describe('which backend computes', () => {
  afterEach(() => { vi.unstubAllEnvs(); });

  it('is onnxruntime-node where the add-on is turned off', async () => {
    vi.stubEnv('BAGELGRAPH_NATIVE', '0');
    expect(whyNotNative()).toBe('turned off by BAGELGRAPH_NATIVE=0');
    expect(defaultBackend()).toBe('onnxruntime-node');
    const opened = await openProcessDevice({ name: 'cpu:0', provider: 'cpu' });
    devices.push(opened);
    expect((await opened.stats()).backend).toBe('onnxruntime-node');
  });

  it('finds the library that onnxruntime-node brings', () => expect(runtimeLibrary()).toContain('onnxruntime-node'));
});

describeNative('the add-on', () => {
  it('is used where it is built', async () => {
    const cpu = await openProcessDevice({ name: 'cpu:0', provider: 'cpu' });
    devices.push(cpu);
    expect(await cpu.stats()).toMatchObject({ backend: 'native', provider: 'cpu' });
  });

  it('ends a cancelled run between two nodes: nothing is lost, and the session runs again', async () => {
    // far longer than a test may take
    const cpu = await device({ graceMs: 60_000 });
    const [endless, sum] = await Promise.all([cpu.load(slow(4000, 1024)), cpu.load(add)]);
    const x = { handle: await cpu.write(float32([1024, 1024], new Float32Array(1024 * 1024))) };
    const abort = new AbortController();
    const running = cpu.run(endless, { x }, { y: 'handle' }, { signal: abort.signal }).catch((error: unknown) => error);
    const behind = cpu.run(sum, { x: row(1), y: row(2) }, { sum: 'tensor' });
    await wait(50);
    abort.abort('stop');
    expect(await running).toBeInstanceOf(AbortError);
    expect(await behind).toEqual({ sum: row(3) });
    const again = new AbortController();
    const second = cpu.run(endless, { x }, { y: 'handle' }, { signal: again.signal }).catch((error: unknown) => error);
    await wait(50);
    again.abort();
    expect(await second).toBeInstanceOf(AbortError);
    expect(await cpu.stats()).toMatchObject({ epoch: 0, restarts: 0, runs: 1, handles: { count: 1 } });
  });

  it('ends with its host in the middle of a run', async () => {
    const { bytes } = slow(1000, 1024);
    const child = spawn(process.execPath, ['--input-type=module', '-e', `
      import { openProcessDevice } from ${JSON.stringify(new URL('../../dist/engine/device/process.js', import.meta.url).href)};
      const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', backend: 'native' });
      const session = await device.load({ name: 'slow', bytes: Buffer.from('${Buffer.from(bytes).toString('base64')}', 'base64') });
      void device.run(session, { x: { dtype: 'float32', shape: [1024, 1024], data: new Float32Array(1024 * 1024) } }, { y: 'tensor' });
      const { pid } = await device.stats();
      setTimeout(() => { process.stdout.write(pid + '\\n', () => process.kill(process.pid, 'SIGKILL')); }, 200);`], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [text] = await once(child.stdout, 'data') as [Buffer];
    const isGone = (): boolean => { try { process.kill(Number(text.toString()), 0); return false; } catch { return true; } };
    for (const end = Date.now() + 5000; !isGone() && Date.now() < end;) await wait(10);
    expect(isGone()).toBe(true);
  });

  it('takes and gives bfloat16 at the edges of a graph', async () => {
    const cpu = await device();
    const widen = await cpu.load(program('widen', [edge('x', ['n'], 'bfloat16')], [edge('y', ['n'])], [node('Cast', ['x'], ['y'], { to: { int: 1 } })]));
    const narrow = await cpu.load(program('narrow', [edge('x', ['n'])], [edge('y', ['n'], 'bfloat16')], [node('Cast', ['x'], ['y'], { to: { int: 16 } })]));
    const { y } = await cpu.run(narrow, { x: float32([2], [1, 2.5]) }, { y: 'handle' });
    expect(y).toMatchObject({ dtype: 'bfloat16', shape: [2] });
    expect(await cpu.read(y as Handle)).toEqual(tensor('bfloat16', [2], Uint16Array.of(0x3f80, 0x4020)));
    expect(await cpu.run(widen, { x: { handle: y as Handle } }, { y: 'tensor' })).toEqual({ y: float32([2], [1, 2.5]) });
  });

  it('keeps outputs apart from the row buffers they were made of', async () => {
    const cpu = await device();
    const [same, joined] = await Promise.all([cpu.load(program('same', [edge('x', ['rows', 4])], [edge('y', ['rows', 4])], [node('Identity', ['x'], ['y'])])), cpu.load(append)]);
    const buffer = await cpu.write({ dtype: 'float32', shape: [4, 4] });
    const { y } = await cpu.run(same, { x: { handle: buffer, rows: 1 } }, { y: 'handle' });
    await cpu.run(joined, { past: { handle: buffer, rows: 0 }, x: row(1) }, { fresh: { into: buffer, row: 0 } });
    expect(await cpu.read(y as Handle)).toEqual(row(0));
    expect(await cpu.read(buffer, 1)).toEqual(row(2));
  });

  it('refuses runs that need more memory than it may use, with the numbers, and goes on', async () => {
    const cpu = await device({ memoryLimitBytes: 50e6 });
    const nodes = [node('Concat', Array<string>(500).fill('x'), ['wide'], { axis: { int: 1 } }), node('ReduceMax', ['wide'], ['y'])];
    const session = await cpu.load(program('wide', [edge('x', ['rows', 4])], [edge('y', [1, 1])], nodes));
    const run = (rows: number): Promise<unknown> => cpu.run(session, { x: float32([rows, 4], new Float32Array(rows * 4)) }, { y: 'tensor' });
    await expect(run(20_000)).rejects.toThrow(/run of wide: .*memory/s);
    await expect(run(20_000)).rejects.toThrow(DeviceError);
    expect(await run(10)).toEqual({ y: float32([1, 1], [0]) });
  });

  it.runIf(process.platform === 'linux')('holds packed weights once for all sessions that read the same', async () => {
    const side = 2048; // 16 MB
    const file = join(folder, 'weight.bin');
    const weight = waves([side, side]).data as Float32Array;
    // at an odd offset, as in a safetensors file
    writeFileSync(file, Buffer.concat([Buffer.alloc(309), Buffer.from(weight.buffer)]));
    const linear = program('linear', [edge('x', ['rows', side])], [edge('y', ['rows', side])], [node('Gemm', ['x', 'w'], ['y'], { transB: { int: 1 } })],
      [{ key: 'w', file, dtype: 'float32', shape: [side, side], offset: 309, bytes: weight.byteLength }]);
    const cpu = await device();
    const anonymous = async (): Promise<number> => {
      await cpu.read(await cpu.write(row(0)));
      return (await cpu.stats()).memory!.anonymous;
    };
    const x = waves([2, side]);
    const run = (session: Session): Promise<unknown> => cpu.run(session, { x }, { y: 'tensor' });
    const before = await anonymous();
    const first = await cpu.load(linear);
    const y = await run(first);
    const once = await anonymous() - before;
    expect(once).toBeGreaterThan(weight.byteLength);
    const others = await Promise.all([cpu.load(linear), cpu.load(linear)]);
    expect(await Promise.all(others.map(run))).toEqual([y, y]);
    expect(await anonymous() - before - once).toBeLessThan(weight.byteLength / 2);
    // what one session packed serves the others after it is gone
    await cpu.free([first]);
    expect(await run(others[0]!)).toEqual(y);
    await cpu.free(others);
    expect(await anonymous() - before).toBeLessThan(weight.byteLength / 2);
  });

  it.runIf(process.platform === 'linux')('has one room for the intermediate values of all sessions, which goes with the last of them', async () => {
    const cpu = await device();
    const anonymous = async (): Promise<number> => {
      await cpu.read(await cpu.write(row(0)));
      return (await cpu.stats()).memory!.anonymous;
    };
    const nodes = [node('Concat', Array<string>(500).fill('x'), ['wide'], { axis: { int: 1 } }), node('Tanh', ['wide'], ['tanh']), node('ReduceMax', ['tanh'], ['y'])];
    const wide = program('wide', [edge('x', ['rows', 4])], [edge('y', [1, 1])], nodes);
    const before = await anonymous();
    const sessions = await Promise.all([cpu.load(wide), cpu.load(wide), cpu.load(wide)]);
    // 80, 64, 88 MB
    for (const rows of [10_000, 8000, 11_000]) for (const session of sessions) await cpu.run(session, { x: float32([rows, 4], new Float32Array(rows * 4)) }, { y: 'tensor' });
    const during = await anonymous() - before;
    expect(during).toBeGreaterThan(60e6);
    expect(during).toBeLessThan(250e6);
    await cpu.free(sessions);
    expect(await anonymous() - before).toBeLessThan(20e6);
  });

  it.runIf(process.platform === 'linux')('has nothing idle beside a run that keeps no scratch: its peak is its own', async () => {
    const cpu = await device();
    const { pid } = await cpu.stats();
    const status = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
    const nodes = [node('Concat', Array<string>(500).fill('x'), ['wide'], { axis: { int: 1 } }), node('Tanh', ['wide'], ['tanh']), node('ReduceMax', ['tanh'], ['y'])];
    const wide = (keepScratch: boolean) => program('wide', [edge('x', ['rows', 4])], [edge('y', [1, 1])], nodes, [], { keepScratch });
    const feed = (rows: number) => ({ x: float32([rows, 4], new Float32Array(rows * 4)) });
    const [keeps, gives] = [await cpu.load(wide(true)), await cpu.load(wide(false))];
    const before = status('RssAnon');
    await cpu.run(keeps, feed(10_000), { y: 'tensor' }); // two values of 80 MB
    expect(status('RssAnon') - before).toBeGreaterThan(70e6);
    writeFileSync(`/proc/${pid}/clear_refs`, '5'); // the peak begins anew
    await cpu.run(gives, feed(12_000), { y: 'tensor' }); // 96 MB, for which the pieces of 80 are too small
    expect(status('VmHWM') - status('RssFile') - before).toBeLessThan(230e6);
    expect(status('RssAnon') - before).toBeLessThan(40e6);
  });

  it.runIf(process.platform === 'linux')('keeps no room for the sake of small values that lie in it', async () => {
    const cpu = await device();
    const anonymous = async (): Promise<number> => (await cpu.stats()).memory!.anonymous;
    const nodes = [node('Concat', Array<string>(500).fill('x'), ['wide'], { axis: { int: 1 } }), node('Tanh', ['wide'], ['tanh']), node('ReduceMax', ['tanh'], ['y'])];
    const wide = (keepScratch: boolean) => program('wide', [edge('x', ['rows', 4])], [edge('y', [1, 1])], nodes, [], { keepScratch });
    const feed = (rows: number) => ({ x: float32([rows, 4], new Float32Array(rows * 4).fill(1)) });
    const [keeps, gives] = [await cpu.load(wide(true)), await cpu.load(wide(false))];
    const before = await anonymous();
    const held = [];
    for (let i = 0; i < 5; i++) held.push((await cpu.run(keeps, feed(10_000), { y: 'handle' }))['y'] as Handle);
    await cpu.run(gives, feed(10), { y: 'tensor' });
    expect(await anonymous() - before).toBeLessThan(30e6);
    for (const y of held) expect((await cpu.read(y)).data[0]).toBeCloseTo(Math.tanh(1), 6);
  });

  it('gives the bits that onnxruntime-node gives', async () => {
    const nodes = [
      node('Conv', ['image', 'kernel'], ['conv'], { pads: { ints: [1, 1, 1, 1] } }), node('Relu', ['conv'], ['relu']),
      node('Reshape', ['relu', 'rows'], ['flat']), node('Gemm', ['flat', 'weight'], ['gemm'], { transB: { int: 1 } }),
      node('Softmax', ['gemm'], ['soft'], { axis: { int: 1 } }), node('MatMul', ['soft', 'weight'], ['product']), node('Tanh', ['product'], ['y']),
    ];
    const forms = [edge('image', [1, 8, 32, 32]), edge('kernel', [16, 8, 3, 3]), edge('weight', [48, 64]), edge('rows', [2], 'int64')];
    const one = program('mixed', forms, [edge('y', [256, 64])], nodes);
    const feeds = { image: waves([1, 8, 32, 32]), kernel: waves([16, 8, 3, 3], 0.73), weight: waves([48, 64], 0.11), rows: tensor('int64', [2], BigInt64Array.of(256n, 64n)) };
    const results = await Promise.all((['native', 'onnxruntime-node'] as const).map(async (backend) => {
      const cpu = await device({ backend, threads: 2 });
      return (await cpu.run(await cpu.load(one), feeds, { y: 'tensor' }))['y'] as Tensor;
    }));
    expect(new Set(results[0]!.data.subarray(0, 64) as Float32Array).size).toBeGreaterThan(1);
    expect(Buffer.from(results[0]!.data.buffer)).toEqual(Buffer.from(results[1]!.data.buffer));
  });
});
