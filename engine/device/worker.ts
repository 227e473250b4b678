// Main of a device's worker process, and the only importer of ONNX Runtime. It knows tensors, row buffers and sessions, nothing of models.
// Calls are worked one at a time in the order they came; it ends when its host is gone.
import { setImmediate as turn } from 'node:timers/promises';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { arrayFor, type DType } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { ProgramOptions } from './device.ts';
import { allRows, fetchAs, type Answers, type Call, type Edge, type FromHost, type FromWorker, type LoadCall, type RunCall, type WriteCall } from './protocol.ts';
import { receive, receiveTensor, Staging } from './staging.ts';
import { TensorStore } from './store.ts';

interface Loaded {
  readonly session: InferenceSession;
  readonly inputs: readonly Edge[];
  readonly outputs: readonly Edge[];
}

const [threads, hostPid, tag] = process.argv.slice(2);
const staging = new Staging(Number(hostPid), tag!, 'worker');
const store = new TensorStore();
const sessions = new Map<number, Loaded>();
const queue: (Call & { readonly id: number })[] = [];
const cancelled = new Set<number>();
let isWorking = false;

async function load({ session: id, bytes, options }: LoadCall): Promise<Answers['load']> {
  const session = await InferenceSession.create(receive(bytes), sessionOptions(options));
  const loaded = { session, inputs: edges(session.inputMetadata), outputs: edges(session.outputMetadata) };
  sessions.set(id, loaded);
  return { inputs: loaded.inputs, outputs: loaded.outputs };
}

function sessionOptions({ expandWeights = true, packWeights = true, keepScratch = true }: ProgramOptions): InferenceSession.SessionOptions {
  const session: Record<string, string> = {
    // external data locations are absolute paths without the leading slash
    model_external_initializers_file_folder_path: '/',
    // spinning threads gain nothing here and starve the other processes of the machine
    'intra_op.allow_spinning': '0',
  };
  if (!packWeights) session['disable_prepacking'] = '1';
  const extra: Record<string, unknown> = { session };
  // with constant folding a half-precision weight and its Cast become a float32 copy in memory
  if (!expandWeights) extra['optimization'] = { disable_specified_optimizers: 'ConstantFolding;FuseFp16InitializerToFp32NodeTransformer' };
  return {
    executionProviders: ['cpu'], intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: 'sequential',
    // 'all' reorders convolutions: within 3e-7 of the unoptimised graph, measured
    graphOptimizationLevel: 'all', enableCpuMemArena: keepScratch, extra,
  };
}

function edges(metadata: readonly InferenceSession.ValueMetadata[]): Edge[] {
  return metadata.map((value) => {
    if (!value.isTensor) throw new Error(`${value.name} is no tensor`);
    return { name: value.name, dtype: value.type as DType, dims: value.shape };
  });
}

async function run(call: RunCall): Promise<Answers['run']> {
  const loaded = sessions.get(call.session);
  if (loaded === undefined) throw new Error('this session is not on this device');
  const fetches = fetchesOf(call, loaded);
  const outputs = await loaded.session.run(feedsOf(call, loaded), fetches.map(({ name }) => name));
  const values = fetches.map(({ name }) => fromOrt(outputs[name]!));
  for (const [i, { name, how, handle, row }] of fetches.entries()) if (how === fetchAs.into) store.check(handle, row, values[i]!, `output ${name}`);
  const answer: Answers['run'][number][] = [];
  for (const [i, { how, handle, row }] of fetches.entries()) {
    const value = values[i]!;
    if (how === fetchAs.handle) {
      store.put(handle, value);
      answer.push({ dtype: value.dtype, shape: value.shape });
      continue;
    }
    if (how === fetchAs.into) store.copyInto(handle, row, value);
    answer.push(how === fetchAs.into ? null : staging.stageTensor(value));
    if (value.data.byteLength > releaseBytes) release(value);
  }
  return answer;
}

function feedsOf({ handles, tensors }: RunCall, { inputs }: Loaded): Record<string, OrtTensor> {
  const feeds: Record<string, OrtTensor> = {};
  for (let i = 0; i < handles.length; i += 3) {
    const [index, handle, rows] = [handles[i]!, handles[i + 1]!, handles[i + 2]!];
    feeds[inputs[index]!.name] = toOrt(inputs[index]!, store.view(handle, rows === allRows ? undefined : rows));
  }
  for (const [index, tensor] of tensors) feeds[inputs[index]!.name] = toOrt(inputs[index]!, receiveTensor(tensor));
  return feeds;
}

function fetchesOf({ fetch }: RunCall, { outputs }: Loaded): { name: string; how: number; handle: number; row: number }[] {
  return Array.from({ length: fetch.length / 4 }, (_, i) => ({
    name: outputs[fetch[i * 4]!]!.name, how: fetch[i * 4 + 1]!, handle: fetch[i * 4 + 2]!, row: fetch[i * 4 + 3]!,
  }));
}

/** Over the same memory. The type is the edge's: bits of bfloat16 enter a graph as uint16. */
function toOrt(edge: Edge, { data, shape }: Tensor): OrtTensor {
  return new OrtTensor(edge.dtype as 'float32', data as Float32Array, shape);
}

/** Over the memory ONNX Runtime gave. Newer versions of Node have a Float16Array; we keep bits. */
function fromOrt({ type, dims, data }: OrtTensor): Tensor {
  const dtype = type as DType;
  const array = arrayFor(dtype);
  const bits = data as unknown as Tensor['data'];
  return { dtype, shape: dims, data: bits instanceof (array as typeof Uint8Array) ? bits : new array(bits.buffer, bits.byteOffset, bits.length) };
}

function write({ handle, dtype, shape, data }: WriteCall): null {
  if (data === undefined) store.reserve(handle, dtype, shape);
  else store.put(handle, receiveTensor({ dtype, shape, data }));
  return null;
}

async function free(handles: readonly number[], ids: readonly number[]): Promise<null> {
  for (const id of handles) {
    const tensor = store.remove(id);
    if (tensor !== undefined && tensor.data.byteLength > releaseBytes) release(tensor);
  }
  for (const id of ids) {
    const loaded = sessions.get(id);
    sessions.delete(id);
    await loaded?.session.release();
  }
  return null;
}

// Memory that is posted to a closed port is freed at once; the garbage collector, which sees few small objects, would let gigabytes pile up.
const releaseBytes = 256 * 1024;
const { port1: bin, port2 } = new MessageChannel();
port2.close();

function release({ data }: Tensor): void {
  bin.postMessage(null, [data.buffer as ArrayBuffer]);
}

async function answerTo(call: Call): Promise<Answers[keyof Answers]> {
  switch (call.call) {
    case 'load': return load(call);
    case 'run': return run(call);
    case 'write': return write(call);
    case 'read': return staging.stageTensor(store.view(call.handle, call.rows));
    case 'free': return free(call.handles, call.sessions);
  }
}

async function work(): Promise<void> {
  isWorking = true;
  for (let call = queue.shift(); call !== undefined; call = queue.shift()) {
    const { id } = call;
    // a turn of the event loop, so that a cancellation or the host's end that waits in the channel is seen before a long call begins
    await turn();
    if (cancelled.delete(id)) {
      send({ id, error: 'cancelled', cancelled: true });
      continue;
    }
    try {
      send({ id, answer: await answerTo(call) });
    } catch (error) {
      send({ id, error: (error as Error).message });
    }
  }
  isWorking = false;
}

function send(message: FromWorker): void {
  process.send!(message);
}

process.on('message', (message: FromHost) => {
  if (message.call === 'cancel') {
    if (queue.some(({ id }) => id === message.id)) cancelled.add(message.id);
    return;
  }
  queue.push(message);
  if (!isWorking) void work();
});
process.on('disconnect', () => {
  staging.discardAll();
  process.exit();
});
// Ctrl-C reaches the whole process group; when to end is the host's decision
process.on('SIGINT', () => undefined);
send({ ready: true });
