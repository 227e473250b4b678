// What only a device with a process of its own can show: weights in files, cancelling, loss and restart, shared memory, the end of the host.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Device, Handle } from '../../engine/device/device.ts';
import { AbortError, DeviceError, DeviceLostError } from '../../engine/device/errors.ts';
import { move } from '../../engine/device/move.ts';
import { openProcessDevice, type ProcessDeviceOptions } from '../../engine/device/process.ts';
import { scoped } from '../../engine/device/scoped.ts';
import { bfloat16FromFloat32, float16FromFloat32 } from '../../engine/tensor/half.ts';
import { float32, tensor, type Tensor } from '../../engine/tensor/tensor.ts';
import { backends } from './backends.ts';
import { add, append, edge, node, program, slow } from './programs.ts';

const devices: Device[] = [];
async function open(options: Partial<ProcessDeviceOptions> = {}): Promise<Device> {
  const opened = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', ...options });
  devices.push(opened);
  return opened;
}
afterEach(async () => { await Promise.all(devices.splice(0).map((one) => one.close())); });

const row = (value: number): Tensor => float32([1, 4], new Float32Array(4).fill(value));
const shared = (): string[] => (existsSync('/dev/shm') ? ['/dev/shm', tmpdir()] : [tmpdir()])
  .flatMap((folder) => readdirSync(folder).filter((name) => name.startsWith(`bagelgraph-${process.pid}-`)));
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // an orphan that has ended stays in the table until init collects it
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
async function until(isSo: () => boolean, limitMs = 5000): Promise<void> {
  for (const end = Date.now() + limitMs; !isSo();) {
    if (Date.now() > end) throw new Error(`still not so after ${limitMs} ms`);
    await wait(10);
  }
}

const tellsMemory = process.platform === 'linux';

describe.each(backends)('$title', ({ backend }) => {
  const device = (options: Partial<ProcessDeviceOptions> = {}): Promise<Device> => open({ backend, ...options });
  // one for the tests that leave it as it was
  let common: Promise<Device>;
  beforeAll(() => {
    common = openProcessDevice({ name: 'cpu:0', provider: 'cpu', backend });
    return async () => (await common).close();
  });
  describe('weights', () => {
    let folder: string;
    beforeAll(() => {
      folder = realpathSync(mkdtempSync(join(tmpdir(), 'bagelgraph-test-')));
      return () => rmSync(folder, { recursive: true });
    });

    // a weight [3, 4] at an odd offset, as in a safetensors file whose header has any length; y = x · wᵀ
    const values = Float32Array.from({ length: 12 }, (_, i) => i / 4);
    const formats = { float32: values, bfloat16: bfloat16FromFloat32(values), float16: float16FromFloat32(values) } as const;
    const options = [{}, { expandWeights: false }, { packWeights: false }, { expandWeights: false, packWeights: false }];
    it.each(Object.keys(formats).flatMap((dtype) => options.map((option) => ({ dtype: dtype as keyof typeof formats, option }))))('are read from any offset: $dtype $option', async ({ dtype, option }) => {
      const data = formats[dtype];
      const file = join(folder, `${dtype}.bin`);
      const offset = 309;
      writeFileSync(file, Buffer.concat([Buffer.alloc(offset), Buffer.from(data.buffer), Buffer.alloc(7)]));
      const weight = { key: 'w', file, dtype, shape: [3, 4], offset, bytes: data.byteLength };
      const nodes = [...(dtype === 'float32' ? [] : [node('Cast', ['w'], ['w32'], { to: { int: 1 } })]), node('Gemm', ['x', dtype === 'float32' ? 'w' : 'w32'], ['y'], { transB: { int: 1 } })];
      const cpu = await common;
      const session = await cpu.load(program('linear', [edge('x', ['rows', 4])], [edge('y', ['rows', 3])], nodes, [weight], option));
      expect(await cpu.run(session, { x: float32([1, 4], [1, 2, 0, 0]) }, { y: 'tensor' })).toEqual({ y: float32([1, 3], [0.5, 3.5, 6.5]) });
    });

    it('that are missing or cut off are an error that names program and file', async () => {
      const cpu = await common;
      const { sessions } = await cpu.stats();
      const load = (file: string, offset: number): Promise<unknown> => cpu.load(program('linear', [edge('x', ['rows', 4])], [edge('y', ['rows', 4])], [node('Add', ['x', 'w'], ['y'])],
        [{ key: 'w', file: join(folder, file), dtype: 'float32', shape: [4], offset, bytes: 16 }]));
      await expect(load('none.bin', 0)).rejects.toThrow(/device cpu:0, load of linear: .*none\.bin/s);
      writeFileSync(join(folder, 'cut.bin'), Buffer.alloc(20));
      await expect(load('cut.bin', 8)).rejects.toThrow(/load of linear: .*initializer: w offset: 8 size to read: 16 given file_length: 20/s);
      expect((await cpu.stats()).sessions).toBe(sessions);
    });
  });

  describe('types at graph edges', () => {
    it.each(['float16', 'float64', 'int64', 'int32', 'int8', 'uint8', 'uint16', 'bool'] as const)('%s', async (dtype) => {
      const cpu = await common;
      const session = await cpu.load(program('same', [edge('x', ['n'], dtype)], [edge('y', ['n'], dtype)], [node('Identity', ['x'], ['y'])]));
      const array = { float16: Uint16Array.of(0x3c00, 0x8001), float64: Float64Array.of(0.1, -2), int64: BigInt64Array.of(-1n, 2n ** 60n), int32: Int32Array.of(-1, 7), int8: Int8Array.of(-1, 7), uint8: Uint8Array.of(255, 7), uint16: Uint16Array.of(65535, 7), bool: Uint8Array.of(1, 0) }[dtype];
      const x = tensor(dtype, [2], array);
      expect(await cpu.run(session, { x }, { y: 'tensor' })).toEqual({ y: x });
      const { y } = await cpu.run(session, { x: { handle: await cpu.write(x) } }, { y: 'handle' });
      expect(await cpu.read(y as Handle)).toEqual(x);
    });

    it('bfloat16 enters as the bits it is', async () => {
      const cpu = await common;
      const session = await cpu.load(program('bits', [edge('x', ['n'], 'uint16')], [edge('y', ['n'], 'uint16')], [node('Identity', ['x'], ['y'])]));
      const x = await cpu.write(tensor('bfloat16', [2], Uint16Array.of(0x3f80, 0x4000)));
      expect(await cpu.run(session, { x: { handle: x } }, { y: 'tensor' })).toEqual({ y: tensor('uint16', [2], Uint16Array.of(0x3f80, 0x4000)) });
    });
  });

  describe('errors', () => {
    it('say which input of which program does not fit', async () => {
      const cpu = await common;
      const session = await cpu.load(add);
      const run = (feeds: Record<string, Tensor>): Promise<unknown> => cpu.run(session, feeds, { sum: 'tensor' });
      await expect(run({ x: row(1) })).rejects.toThrow('device cpu:0, run of add: input y not fed');
      await expect(run({ x: row(1), y: row(1), z: row(1) })).rejects.toThrow('there is no input z; inputs are x, y');
      await expect(run({ x: row(1), y: float32([1, 3], [1, 2, 3]) })).rejects.toThrow('input y takes float32 [rows, 4], got float32 [1, 3]');
      await expect(run({ x: row(1), y: tensor('int32', [1, 4], new Int32Array(4)) })).rejects.toThrow('input y takes float32 [rows, 4], got int32 [1, 4]');
      // only the runtime can see that these two do not go together
      await expect(run({ x: float32([2, 4], new Float32Array(8)), y: float32([3, 4], new Float32Array(12)) })).rejects.toThrow(/run of add: .*; fed x float32 \[2, 4\], y float32 \[3, 4\]/s);
      await expect(cpu.load({ name: 'noise', bytes: Uint8Array.of(1, 2, 3) })).rejects.toThrow(DeviceError);
      expect(await run({ x: row(1), y: row(1) })).toEqual({ sum: row(2) });
    });
  });

  describe('cancelling', () => {
    const size = 1024;
    const matrix = float32([size, size], new Float32Array(size * size).fill(1 / size));

    it('waits for a run that ends within the grace, drops its outputs and skips runs that have not begun', async () => {
      const cpu = await device();
      const session = await cpu.load(slow(12, size));
      const x = { handle: await cpu.write(matrix) };
      const abort = new AbortController();
      const running = cpu.run(session, { x }, { y: 'handle' }, { signal: abort.signal }).catch((error: unknown) => error);
      const queued = [1, 2, 3].map(() => cpu.run(session, { x }, { y: 'handle' }, { signal: abort.signal }).catch((error: unknown) => error));
      const other = cpu.run(session, { x }, { y: 'handle' });
      await wait(20);
      abort.abort('stop');
      for (const error of await Promise.all([running, ...queued])) expect(error).toBeInstanceOf(AbortError);
      expect(((await other)['y'] as Handle).shape).toEqual([size, size]);
      expect(await cpu.stats()).toMatchObject({ epoch: 0, restarts: 0, runs: 1, handles: { count: 2 } });
    });

    it.runIf(backend === 'onnxruntime-node')('kills a worker whose run goes on beyond the grace; the device goes on with a new one', async () => {
      const cpu = await device({ graceMs: 100 });
      const session = await cpu.load(slow(2000, size));
      const x = await cpu.write(matrix);
      const abort = new AbortController();
      const running = cpu.run(session, { x: { handle: x } }, { y: 'handle' }, { signal: abort.signal }).catch((error: unknown) => error);
      const behind = cpu.run(session, { x: { handle: x } }, { y: 'handle' }).catch((error: unknown) => error);
      await wait(50);
      const before = Date.now();
      abort.abort();
      expect(await running).toBeInstanceOf(AbortError);
      expect(Date.now() - before).toBeLessThan(1500);
      expect(await behind).toBeInstanceOf(DeviceLostError);
      expect((await behind as Error).message).toMatch(/was killed because a cancelled run did not end within 100 ms/);
      expect(cpu.epoch).toBe(1);
      expect(cpu.holds(x)).toBe(false);
      expect(await cpu.run(await cpu.load(add), { x: row(1), y: row(1) }, { sum: 'tensor' })).toEqual({ sum: row(2) });
    });
  });

  describe('a worker that dies', () => {
    it('in the middle of a run loses what it held, says so, and is replaced at next use', async () => {
      const cpu = await device();
      const session = await cpu.load(slow(2000, 512));
      const x = await cpu.write(float32([512, 512], new Float32Array(512 * 512)));
      const calls = [cpu.run(session, { x: { handle: x } }, { y: 'handle' }), cpu.read(x)].map((call) => call.catch((error: unknown) => error));
      await wait(50);
      const { pid } = await cpu.stats();
      process.kill(pid, 'SIGKILL');
      const [run, read] = await Promise.all(calls) as [DeviceLostError, DeviceLostError];
      expect(run).toBeInstanceOf(DeviceLostError);
      expect(run).toMatchObject({ device: 'cpu:0', epoch: 0, message: `device cpu:0, run of slow: worker ${pid} ended by SIGKILL (the system does that when memory runs out)\nWhat the device held is gone; it restarts at next use.` });
      expect(read.message).toContain('read of float32 [512, 512]: worker');
      expect(shared()).toEqual([]);
      await expect(cpu.read(x)).rejects.toThrow('handle float32 [512, 512] was lost with worker 0 of this device (now 1); make it again');
      await expect(cpu.run(session, { x: row(1) }, { y: 'tensor' })).rejects.toThrow('session slow was lost with worker 0');
      await cpu.free([x, session]);
      const again = await cpu.load(add);
      expect(again.epoch).toBe(1);
      expect(await cpu.run(again, { x: row(1), y: row(2) }, { sum: 'tensor' })).toEqual({ sum: row(3) });
      expect(await cpu.stats()).toMatchObject({ epoch: 1, restarts: 1, sessions: 1 });
      expect(isAlive(pid)).toBe(false);
    });
  });

  describe('bulk data', () => {
    it('goes through files that do not stay', async () => {
      const cpu = await device();
      const rows = 2_000_000; // 32 MB, 64 MB
      const big = float32([rows, 4], Float32Array.from({ length: rows * 4 }, (_, i) => i % 1000));
      const session = await cpu.load(append);
      const outputs = await cpu.run(session, { past: { handle: await cpu.write(big) }, x: big }, { all: 'tensor' });
      const all = (outputs['all'] as Tensor).data as Float32Array;
      expect(all.length).toBe(rows * 8);
      expect([all[3], all[999], all[rows * 4 + 3], all[rows * 4 + 999]]).toEqual([3, 999, 6, 1998]);
      expect(shared()).toEqual([]);
    });

    it('moves between devices, whole or its first rows', async () => {
      const [a, b] = [await device({ name: 'cpu:0' }), await device({ name: 'cpu:1' })];
      const big = float32([10_000, 4], Float32Array.from({ length: 40_000 }, (_, i) => i));
      const handle = await a.write(big);
      const whole = await move(handle, a, b);
      expect(whole).toMatchObject({ bytes: 160_000, handle: { device: 'cpu:1', shape: [10_000, 4] } });
      expect(await b.read(whole.handle)).toEqual(big);
      const scope = scoped(b);
      const part = await move(handle, a, scope.device, 2);
      expect(await b.read(part.handle)).toEqual(float32([2, 4], [0, 1, 2, 3, 4, 5, 6, 7]));
      await scope.end();
      expect([b.holds(part.handle), b.holds(whole.handle), a.holds(handle)]).toEqual([false, true, true]);
      expect(shared()).toEqual([]);
    });

    it.runIf(tellsMemory)('gives memory back when it is freed, or uses it again', async () => {
      const cpu = await device();
      const session = await cpu.load(append);
      const x = { handle: await cpu.write(float32([500_000, 4], new Float32Array(2_000_000).fill(1))) };
      const past = float32([0, 4], []);
      const resident = async (): Promise<number> => {
        await cpu.read(await cpu.write(row(0)));
        return (await cpu.stats()).memory!.anonymous;
      };
      const fill = async (): Promise<number> => {
        const held = await Promise.all(Array.from({ length: 60 }, () => cpu.run(session, { past, x }, { fresh: 'handle' })));
        const full = await resident();
        await cpu.free(held.map(({ fresh }) => fresh as Handle));
        return full;
      };
      await cpu.run(session, { past, x }, { fresh: 'tensor' });
      const before = await resident();
      const once = await fill();
      expect(once).toBeGreaterThan(before + 400e6);
      // The C library may keep freed pages: what counts is that they do not pile up.
      for (let i = 0; i < 3; i++) expect(await fill()).toBeLessThan(once + 100e6);
    });

    it.runIf(tellsMemory)('gives memory of intermediate values back after each run where that is asked', async () => {
      const cpu = await common;
      const inputs = [edge('x', ['rows', 4])];
      const nodes = [node('Concat', Array<string>(500).fill('x'), ['wide'], { axis: { int: 1 } }), node('Tanh', ['wide'], ['tanh']), node('ReduceMax', ['tanh'], ['y'])];
      const x = float32([20_000, 4], new Float32Array(80_000)); // 160 MB a value
      const grown = async (keepScratch: boolean): Promise<number> => {
        const session = await cpu.load(program('wide', inputs, [edge('y', [1, 1])], nodes, [], { keepScratch }));
        const before = (await cpu.stats()).memory!.anonymous;
        await cpu.run(session, { x }, { y: 'tensor' });
        const after = (await cpu.stats()).memory!.anonymous;
        await cpu.free([session]);
        return after - before;
      };
      expect(await grown(true)).toBeGreaterThan(140e6);
      expect(await grown(false)).toBeLessThan(70e6);
    });

    it.runIf(tellsMemory)('reserves row buffers without taking memory for rows that are not written', async () => {
      const cpu = await device();
      await cpu.write(row(0));
      const before = (await cpu.stats()).memory!.resident;
      const buffer = await cpu.write({ dtype: 'float32', shape: [100_000_000, 4] });
      expect((await cpu.read(buffer, 1)).data).toEqual(new Float32Array(4));
      expect((await cpu.stats()).memory!.resident - before).toBeLessThan(20e6);
    });
  });

  describe('the end of the host', () => {
    const lines = (calls: string): string => `
      import { openProcessDevice } from ${JSON.stringify(new URL('../../dist/engine/device/process.js', import.meta.url).href)};
      const device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', backend: '${backend}' });
      const handle = await device.write({ dtype: 'float32', shape: [4] });
      process.stdout.write((await device.stats()).pid + '\\n');
      ${calls}`;
    async function host(calls: string): Promise<{ child: ChildProcess; worker: number; ended: Promise<unknown> }> {
      const child = spawn(process.execPath, ['--input-type=module', '-e', lines(calls)], { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(child, 'exit');
      const [text] = await once(child.stdout!, 'data') as [Buffer];
      return { child, worker: Number(text.toString()), ended };
    }

    it('by kill -9 ends the worker', async () => {
      const { child, worker } = await host('setInterval(() => {}, 1000)');
      expect(isAlive(worker)).toBe(true);
      child.kill('SIGKILL');
      await until(() => !isAlive(worker));
    });

    it('is not held up by an idle device', async () => {
      const { worker, ended } = await host('');
      expect(await ended).toEqual([0, null]);
      await until(() => !isAlive(worker));
    });

    it('waits for a call under way', async () => {
      const { ended } = await host("device.read(handle).then(() => { process.exitCode = 7; });");
      expect(await ended).toEqual([7, null]);
    });

    it.runIf(process.platform === 'linux' && backend === 'onnxruntime-node')('inside a run leaves a worker that the next host ends', async () => {
      const { bytes } = slow(1000, 1024);
      const calls = `
        const session = await device.load({ name: 'slow', bytes: Buffer.from('${Buffer.from(bytes).toString('base64')}', 'base64') });
        void device.run(session, { x: { dtype: 'float32', shape: [1024, 1024], data: new Float32Array(1024 * 1024) } }, { y: 'tensor' });
        setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300);`;
      const { worker, ended } = await host(calls);
      await ended;
      expect(isAlive(worker)).toBe(true);
      await device();
      await until(() => !isAlive(worker));
    });
  });
});

describe('shared files of a host that is gone', () => {
  it('are removed once they are old', async () => {
    const folder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    const [old, young] = [join(folder, 'bagelgraph-999999999-aa-host0'), join(folder, 'bagelgraph-999999999-aa-host1')];
    for (const path of [old, young]) writeFileSync(path, 'x');
    utimesSync(old, 1, 1);
    await open();
    expect([existsSync(old), existsSync(young)]).toEqual([false, true]);
    rmSync(young);
  });
});
