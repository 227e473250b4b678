// How long values keep device memory: over the memory device, whose count of handles says what is left.
import { describe, expect, it } from 'vitest';
import type { Handle, Held, Session } from '../../engine/device/device.ts';
import { memoryDevice, type MemoryDevice } from '../../engine/device/memory.ts';
import { defineNode, type Type } from '../../engine/graph/node.ts';
import { ANY, INT } from '../../engine/graph/types.ts';
import { float32, type Tensor } from '../../engine/tensor/tensor.ts';
import type { CachePolicy } from '../../engine/exec/cache.ts';
import { bench, graphOf, shown } from './harness.ts';

interface Box { readonly handle: Handle }
class Model {
  sessions: Session[] = [];
  held(): Held[] {
    return this.sessions;
  }
}
const BOX: Type<Box> = { name: 'BOX', held: ({ handle }) => [handle] };
const MODEL: Type<Model> = { name: 'MODEL', held: (model) => model.held() };

const twice = { twice: ({ x }: Readonly<Record<string, Tensor>>) => ({ y: float32(x!.shape, (x!.data as Float32Array).map((v) => 2 * v)) }) };

const Put = defineNode({
  type: 'Put', category: 't', inputs: { n: { type: INT } }, outputs: [{ name: 'box', type: BOX }],
  async run({ n }, { device }) {
    await device.write(float32([2], [0, 0])); // forgotten: the scope frees it
    return [{ handle: await device.write(float32([2], [n, n])) }];
  },
});
const Load = defineNode({ type: 'Load', category: 't', inputs: {}, outputs: [{ name: 'model', type: MODEL }], run: () => [new Model()] });
const Twice = defineNode({
  type: 'Twice', category: 't', inputs: { model: { type: MODEL }, box: { type: BOX } }, outputs: [{ name: 'box', type: BOX }],
  async run({ model, box }, { device }) {
    if (model.sessions.length === 0) model.sessions.push(await device.load({ name: 'twice', bytes: new Uint8Array() }));
    const { y } = await device.run(model.sessions[0]!, { x: { handle: box.handle } }, { y: 'handle' });
    return [{ handle: y as Handle }];
  },
});
const Get = defineNode({ type: 'Get', category: 't', inputs: { box: { type: BOX } }, outputs: [{ name: 'n', type: INT }], run: async ({ box }, { device }) => [(await device.read(box.handle)).data[0] as number] });
const Pass = defineNode({ type: 'Pass', category: 't', inputs: { v: { type: ANY } }, outputs: [{ name: 'v', type: ANY }], run: ({ v }) => [[v]] });
const Unpack = defineNode({ type: 'Unpack', category: 't', inputs: { v: { type: ANY } }, outputs: [{ name: 'v', type: ANY }], run: ({ v }) => [(v as unknown[])[0]] });
const Inside = defineNode({
  type: 'Inside', category: 't', inputs: { n: { type: INT } }, outputs: [{ name: 'n', type: INT }],
  async run({ n }, context) {
    const box: Box = { handle: await context.device.write(float32([2], [n, n])) };
    const build = context.expand();
    return build.finish([build.node('Get', { box }).out(0)]);
  },
});

const Open = defineNode({
  type: 'Open', category: 't', inputs: { name: { type: INT } }, outputs: [{ name: 'model', type: MODEL }],
  run({ name }, context) {
    const build = context.expand();
    return build.finish([build.node('LoadNamed', { name }).out(0)]);
  },
});
const LoadNamed = defineNode({ type: 'LoadNamed', category: 't', inputs: { name: { type: INT } }, outputs: [{ name: 'model', type: MODEL }], run: () => [new Model()] });

const nodes = [Put, Load, Twice, Get, Pass, Unpack, Inside, Open, LoadNamed];

function benchOn(cache: CachePolicy): { device: MemoryDevice; counts(): Promise<[handles: number, sessions: number]> } & ReturnType<typeof bench> {
  const device = memoryDevice(twice);
  return { device, ...bench(nodes, { devices: new Map([[device.name, device]]), cache }), counts: async () => {
    const { handles, sessions } = await device.stats();
    return [handles.count, sessions];
  } };
}

const graph = (n: number) => graphOf({ m: ['Load'], p: ['Put', { n }], t: ['Twice', { model: ['m', 0], box: ['p', 0] }], g: ['Get', { box: ['t', 0] }], o: ['Show', { value: ['g', 0] }] });

describe('lifetime', () => {
  it('without a cache nothing outlives the run, and each box goes when its last reader is done', async () => {
    const { device, run, counts } = benchOn({ policy: 'none' });
    const result = await run(graph(3));
    expect(shown(result)).toEqual({ o: '{values: [6]}' });
    expect(await counts()).toEqual([0, 0]);
    expect(device.log).toMatchInlineSnapshot(`
      [
        "write float32[2] -> #1",
        "write float32[2] -> #2",
        "free #1",
        "load twice",
        "run twice x=#2 -> y=#4",
        "free #2 #3",
        "read #4",
        "free #4",
      ]
    `);
  });

  it('the cache keeps values until they are evicted; a model keeps sessions it loaded later', async () => {
    const { run, counts, engine } = benchOn({ policy: 'bytes' });
    await run(graph(3));
    expect(await counts()).toEqual([2, 1]);
    await run(graph(4));
    expect(await counts()).toEqual([4, 1]);
    await engine.clear({ models: false });
    expect(await counts()).toEqual([0, 1]);
    await engine.clear();
    expect(await counts()).toEqual([0, 0]);
  });

  it('a run that bypasses the cache makes all anew but models, which stay loaded; it leaves what it made to later runs', async () => {
    const { device, run, counts } = benchOn({ policy: 'bytes' });
    await run(graph(3));
    const before = device.log.length;
    const forced = await run(graph(3), { cache: 'bypass' });
    expect(forced.timings.filter(({ cached }) => cached).map(({ node }) => node)).toEqual(['m']);
    expect(shown(forced)).toEqual({ o: '{values: [6]}' });
    expect(device.log.slice(before).filter((line) => line.startsWith('load'))).toEqual([]);
    expect(await counts()).toEqual([2, 1]);
    expect((await run(graph(3))).timings.every(({ cached }) => cached)).toBe(true);
  });

  it('models have a pool of their own', async () => {
    const { run, counts } = benchOn({ policy: 'bytes', budgetBytes: 0, models: 1 });
    await run(graph(3));
    expect(await counts()).toEqual([0, 1]);
    const { run: runNone, counts: countsNone } = benchOn({ policy: 'bytes', models: 0 });
    await runNone(graph(3));
    expect(await countsNone()).toEqual([2, 0]);
  });

  it('a model that an expansion opened counts once, not also for the node that expanded', async () => {
    const { device, run, counts } = benchOn({ policy: 'bytes', models: 2 });
    const opened = (name: number, n: number) => graphOf({ m: ['Open', { name }], p: ['Put', { n }], t: ['Twice', { model: ['m', 0], box: ['p', 0] }], g: ['Get', { box: ['t', 0] }], o: ['Show', { value: ['g', 0] }] });
    for (const n of [1, 2]) for (const name of [1, 2]) await run(opened(name, n));
    expect(device.log.filter((line) => line.startsWith('load'))).toHaveLength(2);
    await run(opened(3, 1));
    expect((await counts())[1]).toBe(2);
    await run(opened(2, 3));
    expect(device.log.filter((line) => line.startsWith('load'))).toHaveLength(3); // 1 went, 2 is still there
  });

  it('classic frees what the next prompt does not have', async () => {
    const { run, counts } = benchOn({ policy: 'classic' });
    await run(graph(3));
    await run(graph(4));
    expect(await counts()).toEqual([2, 1]);
  });

  it('follows values through types that hold nothing, and into lists', async () => {
    const { run, counts, engine } = benchOn({ policy: 'bytes' });
    await run(graphOf({ p: ['Put', { n: 5 }], a: ['Pass', { v: ['p', 0] }], b: ['Unpack', { v: ['a', 0] }], g: ['Get', { box: ['b', 0] }], o: ['Show', { value: ['g', 0] }] }));
    expect(await counts()).toEqual([1, 0]);
    await engine.clear();
    expect(await counts()).toEqual([0, 0]);
  });

  it('raw values of an expansion live until it is done', async () => {
    const { run, counts } = benchOn({ policy: 'bytes' });
    expect(shown(await run(graphOf({ i: ['Inside', { n: 8 }], o: ['Show', { value: ['i', 0] }] })))).toEqual({ o: '{values: [8]}' });
    expect(await counts()).toEqual([0, 0]);
  });

  it('drops entries whose handles were lost with a worker, and goes on after a failure', async () => {
    const { device, run } = benchOn({ policy: 'bytes' });
    await run(graph(3));
    device.crash();
    const other = graphOf({ p: ['Put', { n: 3 }], g: ['Get', { box: ['p', 0] }], o: ['Show', { value: ['g', 0] }] });
    const after = await run(other);
    expect(after.log).toContain('hits ');
    expect(shown(after)).toEqual({ o: '{values: [3]}' });
  });

  it('fails naming the node when the worker dies in the middle of a run', async () => {
    const device: MemoryDevice = memoryDevice({ twice: () => { device.crash(); return {}; } });
    const { run } = bench(nodes, { devices: new Map([[device.name, device]]) });
    const { failure } = await run(graph(3));
    expect(failure).toMatchObject({ node: 't', name: 'DeviceLostError', message: 'Twice (node t): device memory:0, run of twice: worker crashed' });
    expect((await device.stats()).handles.count).toBe(0);
  });

  it('frees what a node made that failed', async () => {
    const Leak = defineNode({ type: 'Leak', category: 't', inputs: {}, outputs: [{ name: 'b', type: BOX }], async run(_inputs, { device }): Promise<[Box]> { await device.write(float32([1], [1])); throw new Error('no'); } });
    const device = memoryDevice({});
    await bench([...nodes, Leak], { devices: new Map([[device.name, device]]) }).run(graphOf({ 1: ['Leak'], 2: ['Get', { box: ['1', 0] }], 3: ['Show', { value: ['2', 0] }] }));
    expect((await device.stats()).handles.count).toBe(0);
  });

  it('tells of bulk data that crosses', async () => {
    const Bulk = defineNode({ type: 'Bulk', category: 't', inputs: {}, outputs: [{ name: 'b', type: BOX }], run: async (_inputs, { device }) => [{ handle: await device.write(float32([20_000], new Float32Array(20_000))) }] });
    const device = memoryDevice({});
    const { log } = await bench([...nodes, Bulk], { devices: new Map([[device.name, device]]) }).run(graphOf({ 1: ['Bulk'], 2: ['Get', { box: ['1', 0] }], 3: ['Show', { value: ['2', 0] }] }));
    expect(log.filter((line) => line.startsWith('moved'))).toEqual(['moved 80000 host memory:0', 'moved 80000 memory:0 host']);
  });
});

describe('lanes', () => {
  const busy: string[] = [];
  let most = 0;
  const Work = defineNode({
    type: 'Work', category: 't', inputs: { n: { type: INT }, box: { type: BOX, optional: true } }, outputs: [{ name: 'n', type: INT }],
    async run({ n }, { device }) {
      busy.push(device.name);
      most = Math.max(most, busy.length);
      expect(busy.filter((name) => name === device.name)).toHaveLength(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      busy.splice(busy.indexOf(device.name), 1);
      return [n];
    },
  });
  it('nodes of two devices overlap, those of one do not', async () => {
    const devices = new Map(['a', 'b'].map((name) => [name, memoryDevice({}, { name })]));
    const { status, timings } = await bench([Work], { devices }).run(graphOf({
      1: ['Work', { n: 1 }, { device: 'a' }], 2: ['Work', { n: 2 }, { device: 'b' }], 3: ['Work', { n: 3 }, { device: 'a' }], 4: ['Work', { n: 4 }, { device: 'b' }],
      l: ['List', { a: ['1', 0], b: ['2', 0], c: ['3', 0], d: ['4', 0] }], o: ['Show', { value: ['l', 0] }],
    }));
    expect(status).toBe('success');
    expect(timings).toHaveLength(6);
    expect(most).toBe(2);
  });
});
