// The add-on beside onnxruntime-node, in turns on the same programs: what a call costs, what bytes cost on their way, a pass, and how long a cancelled run goes on.
import type { Device, Handle, Session } from '../../engine/device/device.ts';
import type { BackendName } from '../../engine/device/backend.ts';
import { whyNotNative } from '../../engine/device/native.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { encodeModel } from '../../engine/onnx/protobuf.ts';
import type { Expr, OpNode } from '../../engine/onnx/expr.ts';
import { float32 } from '../../engine/tensor/tensor.ts';
import { interleave, median } from './measure.ts';
import { preparePass } from './pass.ts';
import { middleSize, threads, withModelFolder } from './synthetic.ts';
import type { Row } from './table.ts';

type Each<T> = Readonly<Record<BackendName, T>>;

export async function benchNative(): Promise<Row[]> {
  const why = whyNotNative();
  if (why !== undefined) {
    console.error(`native: ${why}`);
    return [];
  }
  const open = (backend: BackendName): Promise<Device> => openProcessDevice({ name: 'cpu:0', provider: 'cpu', backend, threads });
  const devices: Each<Device> = { native: await open('native'), 'onnxruntime-node': await open('onnxruntime-node') };
  try {
    return [...(await calls(devices)), ...(await bytes(devices)), ...(await passes(devices)), ...(await cancelling(devices.native))];
  } finally {
    for (const device of Object.values(devices)) await device.close();
  }
}

const edge = (name: string, dims: Expr['dims']): Expr => ({ name, dtype: 'float32', dims });
const node = (op: string, inputs: string[], output: string): OpNode => ({ op, domain: '', name: output, inputs, outputs: [output], attributes: {} });
const load = (device: Device, inputs: Expr[], outputs: Expr[], nodes: OpNode[]): Promise<Session> => device.load({
  name: 'bench', bytes: encodeModel({ name: 'bench', inputs, outputs, nodes, weights: [], constants: new Map() }),
});
const loadAdd = (device: Device): Promise<Session> => load(device, [edge('x', ['rows', 4]), edge('y', ['rows', 4])], [edge('sum', ['rows', 4])], [node('Add', ['x', 'y'], 'sum')]);

const forEach = async <T>(devices: Each<Device>, prepare: (device: Device) => Promise<T>): Promise<Each<T>> => ({ native: await prepare(devices.native), 'onnxruntime-node': await prepare(devices['onnxruntime-node']) });

async function calls(devices: Each<Device>): Promise<Row[]> {
  const repeats = 200;
  const many = await forEach(devices, async (device) => {
    const [session, x] = [await loadAdd(device), await device.write(float32([1, 4], [1, 2, 3, 4]))];
    return async () => {
      for (let i = 0; i < repeats; i++) await device.run(session, { x: { handle: x }, y: { handle: x } }, { sum: 'tensor' });
    };
  });
  const ms = await interleave(many);
  return [compared('native: a run that computes nothing', 'us', ms.native / repeats * 1000, ms['onnxruntime-node'] / repeats * 1000)];
}

async function bytes(devices: Each<Device>): Promise<Row[]> {
  const megabytes = 64;
  const big = float32([megabytes * 65_536, 4], new Float32Array(megabytes * 262_144).fill(1));
  const kinds = await forEach(devices, async (device) => {
    const [session, held] = [await loadAdd(device), await device.write(big)];
    const feeds = { x: { handle: held }, y: { handle: held } };
    return {
      write: async () => {
        const handle = await device.write(big);
        // answered in order: the write has ended
        await device.read(handle, 1);
        await device.free([handle]);
      },
      read: () => device.read(held),
      'run to a tensor': () => device.run(session, feeds, { sum: 'tensor' }),
      'run to a handle': async () => { await device.free([(await device.run(session, feeds, { sum: 'handle' }))['sum'] as Handle]); },
    };
  });
  const rows: Row[] = [];
  for (const kind of ['write', 'read', 'run to a tensor', 'run to a handle'] as const) {
    const ms = await interleave({ native: kinds.native[kind], 'onnxruntime-node': kinds['onnxruntime-node'][kind] });
    rows.push(compared(`native: ${kind}`, 'ms/MB', ms.native / megabytes, ms['onnxruntime-node'] / megabytes));
  }
  return rows;
}

function passes(devices: Each<Device>): Promise<Row[]> {
  return withModelFolder(middleSize, async (folder) => {
    const prepared = await forEach(devices, (device) => preparePass(folder, device));
    const ms = await interleave({ native: prepared.native.run, 'onnxruntime-node': prepared['onnxruntime-node'].run });
    return [compared('native: a denoise pass', 'ms', ms.native, ms['onnxruntime-node'])];
  });
}

/** From the signal to the next call's answer. */
async function cancelling(device: Device): Promise<Row[]> {
  const [side, count] = [1024, 2000];
  const products = Array.from({ length: count }, (_, i) => node('MatMul', [i === 0 ? 'x' : `x${i}`, 'x'], i === count - 1 ? 'y' : `x${i + 1}`));
  const session = await load(device, [edge('x', [side, side])], [edge('y', [side, side])], products);
  const x = await device.write(float32([side, side], new Float32Array(side * side)));
  const times: number[] = [];
  for (let i = 0; i < 7; i++) {
    const abort = new AbortController();
    const running = device.run(session, { x: { handle: x } }, { y: 'handle' }, { signal: abort.signal }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 60));
    const start = performance.now();
    abort.abort();
    await running;
    await device.read(x, 1);
    times.push(performance.now() - start);
  }
  return [{ name: 'native: a cancelled run ends', value: median(times), unit: 'ms', goal: '< 100', note: `worst ${Math.max(...times).toFixed(0)} ms; nodes of 2 GFLOP, ${threads} threads; the worker stays` }];
}

function compared(name: string, unit: string, ours: number, theirs: number): Row {
  return { name, value: ours, unit, goal: '', note: `onnxruntime-node ${theirs.toFixed(2)} ${unit}: ${(ours / theirs).toFixed(2)} ×` };
}
