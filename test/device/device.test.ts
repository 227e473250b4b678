// One suite for every kind of device: what the six verbs promise.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, Handle, Session } from '../../engine/device/device.ts';
import { AbortError, DeviceError } from '../../engine/device/errors.ts';
import { memoryDevice } from '../../engine/device/memory.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { float32, int64, tensor, type Tensor } from '../../engine/tensor/tensor.ts';
import { backends } from './backends.ts';
import { add, append, functions, pick } from './programs.ts';

const open: Record<string, () => Promise<Device>> = {
  memory: async () => memoryDevice(functions, { name: 'test:0', memoryLimitBytes: 100e6 }),
  ...Object.fromEntries(backends.map(({ title, backend }) => [title, () => openProcessDevice({ name: 'test:0', provider: 'cpu', backend, memoryLimitBytes: 100e6 })])),
};

const row = (value: number, rows = 1): Tensor => float32([rows, 4], new Float32Array(rows * 4).fill(value));
const handleOf = (value: Handle | Tensor | undefined): Handle => value as Handle;

describe.each(Object.keys(open))('%s device', (kind) => {
  let device: Device;
  let sum: Session;
  let joined: Session;
  beforeAll(async () => {
    device = await open[kind]!();
    [sum, joined] = await Promise.all([device.load(add), device.load(append)]);
  });
  afterAll(() => device.close());

  it('runs a program over tensors and brings back what was fetched, nothing else', async () => {
    const outputs = await device.run(sum, { x: row(1, 2), y: row(2, 2) }, { twice: 'tensor' });
    expect(outputs).toEqual({ twice: row(6, 2) });
  });

  it('keeps outputs as handles and feeds them again', async () => {
    const { sum: three } = await device.run(sum, { x: row(1), y: row(2) }, { sum: 'handle' });
    expect(three).toMatchObject({ kind: 'handle', device: 'test:0', dtype: 'float32', shape: [1, 4] });
    const outputs = await device.run(sum, { x: { handle: handleOf(three) }, y: row(10) }, { sum: 'tensor', twice: 'handle' });
    expect(outputs['sum']).toEqual(row(13));
    expect(await device.read(handleOf(outputs['twice']))).toEqual(row(26));
  });

  it('stores copies: what the host does to its tensor afterwards changes nothing', async () => {
    const mine = row(1);
    const handle = await device.write(mine);
    mine.data.fill(9 as never);
    const read = await device.read(handle);
    read.data.fill(8 as never);
    expect(await device.read(handle)).toEqual(row(1));
  });

  it('appends rows to a buffer and feeds its first rows', async () => {
    const buffer = await device.write({ dtype: 'float32', shape: [8, 4] });
    expect(await device.read(buffer, 2)).toEqual(row(0, 2));
    expect(await device.run(joined, { past: { handle: buffer, rows: 0 }, x: row(1, 2) }, { fresh: { into: buffer, row: 0 } })).toEqual({});
    const outputs = await device.run(joined, { past: { handle: buffer, rows: 2 }, x: row(5) }, { fresh: { into: buffer, row: 2 }, all: 'tensor' });
    const all = float32([3, 4], [2, 2, 2, 2, 2, 2, 2, 2, 10, 10, 10, 10]);
    expect(outputs).toEqual({ all });
    expect(await device.read(buffer, 3)).toEqual(all);
    expect((await device.read(buffer)).data.slice(12)).toEqual(new Float32Array(20));
  });

  it('takes outputs and buffers without rows', async () => {
    const buffer = await device.write({ dtype: 'float32', shape: [1, 4] });
    const outputs = await device.run(joined, { past: float32([0, 4], []), x: float32([0, 4], []) }, { all: 'handle', fresh: { into: buffer, row: 1 } });
    expect(await device.read(handleOf(outputs['all']))).toEqual(float32([0, 4], []));
    expect(await device.run(sum, { x: { handle: handleOf(outputs['all']) }, y: { handle: buffer, rows: 0 } }, { sum: 'tensor' })).toEqual({ sum: float32([0, 4], []) });
  });

  it('refuses rows that do not fit, and then copies none', async () => {
    const buffer = await device.write({ dtype: 'float32', shape: [2, 4] });
    const first = await device.write({ dtype: 'float32', shape: [2, 4] });
    const fetch = { fresh: { into: first, row: 0 }, all: { into: buffer, row: 1 } };
    await expect(device.run(joined, { past: row(1), x: row(1) }, fetch)).rejects.toThrow('run of append: output all has 2 rows, which do not fit at row 1 of the float32 row buffer [2, 4]');
    expect(await device.read(first)).toEqual(row(0, 2));
    const wide = await device.write({ dtype: 'float32', shape: [2, 5] });
    await expect(device.run(joined, { past: row(1), x: row(1) }, { fresh: { into: wide, row: 0 } })).rejects.toThrow('output fresh is float32 [1, 4], which are no rows of the float32 row buffer [2, 5]');
    await expect(device.run(joined, { past: { handle: buffer, rows: 3 }, x: row(1) }, { all: 'tensor' })).rejects.toThrow('input past: 3 rows of [2, 4] asked: it has 0 to 2');
  });

  it('keeps bools and 64-bit integers', async () => {
    const session = await device.load(pick);
    const feeds = { flag: tensor('bool', [], Uint8Array.of(0)), x: int64([2], [2 ** 40, 1]) };
    expect(await device.run(session, feeds, { y: 'tensor' })).toEqual({ y: int64([2], [-(2 ** 40), -1]) });
  });

  it('works calls in the order they are made, without waiting between them', async () => {
    const buffer = await device.write({ dtype: 'float32', shape: [10, 4] });
    const big = float32([10_000, 4], new Float32Array(40_000).fill(7));
    const [, , read, stored] = await Promise.all([
      device.run(joined, { past: row(0), x: big }, { all: 'handle' }),
      device.run(joined, { past: row(0), x: row(3) }, { fresh: { into: buffer, row: 4 } }),
      device.read(buffer),
      device.write(big),
      device.free([buffer]),
    ]);
    expect(read.data[16]).toBe(6);
    expect((await device.read(stored)).data[39_999]).toBe(7);
    expect(device.holds(buffer)).toBe(false);
  });

  it('refuses freed handles, other devices\' handles, and sessions that were freed', async () => {
    const handle = await device.write(row(1));
    await device.free([handle]);
    await device.free([handle]);
    await expect(device.read(handle)).rejects.toThrow('device test:0, read of float32 [1, 4]: handle float32 [1, 4] was freed before');
    const foreign = { ...await device.write(row(1)), device: 'test:1' };
    await expect(device.run(sum, { x: { handle: foreign }, y: row(1) }, { sum: 'tensor' })).rejects.toThrow('input x: handle float32 [1, 4] lives on test:1; move it here first');
    const session = await device.load(add);
    await device.free([session]);
    await expect(device.run(session, { x: row(1), y: row(1) }, { sum: 'tensor' })).rejects.toThrow('session add was freed before');
  });

  it('counts what it holds', async () => {
    const before = await device.stats();
    const handle = await device.write({ dtype: 'float16', shape: [1000, 3] });
    await device.run(sum, { x: row(1), y: row(1) }, { sum: 'tensor' });
    const during = await device.stats();
    expect(during.handles).toEqual({ count: before.handles.count + 1, bytes: before.handles.bytes + 6000 });
    expect(during.runs).toBe(before.runs + 1);
    await device.free([handle]);
    expect((await device.stats()).handles).toEqual(before.handles);
  });

  it('refuses more memory than it may use', async () => {
    await expect(device.write({ dtype: 'float32', shape: [1000, 30_000] })).rejects.toThrow('120.0 MB asked, but');
  });

  it('does not begin a run whose signal is aborted', async () => {
    const signal = AbortSignal.abort('enough');
    const { runs } = await device.stats();
    const error = await device.run(sum, { x: row(1), y: row(1) }, { sum: 'tensor' }, { signal }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AbortError);
    expect((error as Error).cause).toBe('enough');
    expect((await device.stats()).runs).toBe(runs);
  });

  it('says which outputs there are', async () => {
    await expect(device.run(sum, { x: row(1), y: row(1) }, { nothing: 'tensor' })).rejects.toThrow('run of add: there is no output nothing; outputs are sum, twice');
    await expect(device.run(sum, { x: row(1), y: row(1) }, {})).rejects.toThrow(DeviceError);
  });

  it('is refused after it was closed', async () => {
    const other = await open[kind]!();
    const held = await other.write(row(1));
    await other.close();
    await expect(other.write(row(1))).rejects.toThrow('write of float32 [1, 4]: the device was closed');
    expect(other.holds(held)).toBe(false);
  });
});
