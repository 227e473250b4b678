// A worker's calls on onnxruntime-node, which blocks its thread while a session runs; tensors live in JavaScript. The only importer of that package.
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { arrayFor, type DType } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Backend, WorkerOptions } from './backend.ts';
import type { ProgramOptions } from './device.ts';
import { allRows, fetchAs, type Answers, type Call, type Edge, type Freed, type LoadCall, type RunCall, type WriteCall } from './protocol.ts';
import { receive, receiveTensor, type Staging } from './staging.ts';
import { TensorStore } from './store.ts';

interface Loaded {
  readonly session: InferenceSession;
  readonly inputs: readonly Edge[];
  readonly outputs: readonly Edge[];
}

export class NodeBackend implements Backend {
  readonly #options: WorkerOptions;
  readonly #staging: Staging;
  readonly #store = new TensorStore();
  readonly #sessions = new Map<number, Loaded>();

  constructor(options: WorkerOptions, staging: Staging) {
    // its binding brings every output to the CPU and copies row buffers there
    if (options.provider !== 'cpu') throw new Error(`${options.provider}:${options.index} needs the native backend: npm run build:native (bagelgraph devices says what else is missing)`);
    this.#options = options;
    this.#staging = staging;
  }

  async answerTo(call: Call): Promise<Answers[keyof Answers]> {
    switch (call.call) {
      case 'load': return this.#load(call);
      case 'run': return this.#run(call);
      case 'write': return this.#write(call);
      case 'read': return this.#staging.stageTensor(this.#store.view(call.handle, call.rows));
      case 'free': return null;
    }
  }

  async #load({ session: id, bytes, options }: LoadCall): Promise<Answers['load']> {
    const session = await InferenceSession.create(receive(bytes), sessionOptions(options, this.#options));
    const loaded = { session, inputs: edges(session.inputMetadata), outputs: edges(session.outputMetadata) };
    this.#sessions.set(id, loaded);
    return { inputs: loaded.inputs, outputs: loaded.outputs };
  }

  async #run(call: RunCall): Promise<Answers['run']> {
    const loaded = this.#sessions.get(call.session);
    if (loaded === undefined) throw new Error('this session is not on this device');
    const fetches = fetchesOf(call, loaded);
    const outputs = await loaded.session.run(this.#feedsOf(call, loaded), fetches.map(({ name }) => name));
    const values = fetches.map(({ name }) => fromOrt(outputs[name]!));
    for (const [i, { name, how, handle, row }] of fetches.entries()) if (how === fetchAs.into) this.#store.check(handle, row, values[i]!, `output ${name}`);
    const answer: Answers['run'][number][] = [];
    for (const [i, { how, handle, row }] of fetches.entries()) {
      const value = values[i]!;
      if (how === fetchAs.handle) {
        this.#store.put(handle, value);
        answer.push({ dtype: value.dtype, shape: value.shape });
        continue;
      }
      if (how === fetchAs.into) this.#store.copyInto(handle, row, value);
      answer.push(how === fetchAs.into ? null : this.#staging.stageTensor(value));
      if (value.data.byteLength > releaseBytes) release(value);
    }
    return answer;
  }

  #feedsOf({ handles, tensors }: RunCall, { inputs }: Loaded): Record<string, OrtTensor> {
    const feeds: Record<string, OrtTensor> = {};
    for (let i = 0; i < handles.length; i += 3) {
      const [index, handle, rows] = [handles[i]!, handles[i + 1]!, handles[i + 2]!];
      feeds[inputs[index]!.name] = toOrt(inputs[index]!, this.#store.view(handle, rows === allRows ? undefined : rows));
    }
    for (const [index, tensor] of tensors) feeds[inputs[index]!.name] = toOrt(inputs[index]!, receiveTensor(tensor));
    return feeds;
  }

  #write({ handle, dtype, shape, data }: WriteCall): null {
    if (data === undefined) this.#store.reserve(handle, dtype, shape);
    else this.#store.put(handle, receiveTensor({ dtype, shape, data }));
    return null;
  }

  async free({ handles, sessions: ids }: Freed): Promise<void> {
    for (const id of handles) {
      const tensor = this.#store.remove(id);
      if (tensor !== undefined && tensor.data.byteLength > releaseBytes) release(tensor);
    }
    for (const id of ids) {
      const loaded = this.#sessions.get(id);
      this.#sessions.delete(id);
      await loaded?.session.release();
    }
  }
}

function sessionOptions({ expandWeights = true, packWeights = true, keepScratch = true }: ProgramOptions, { threads }: WorkerOptions): InferenceSession.SessionOptions {
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
    executionProviders: ['cpu'], intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential',
    // 'all' reorders convolutions: within 3e-7 of the unoptimised graph, measured
    graphOptimizationLevel: 'all', enableCpuMemArena: keepScratch === true, extra,
  };
}

function edges(metadata: readonly InferenceSession.ValueMetadata[]): Edge[] {
  return metadata.map((value) => {
    if (!value.isTensor) throw new Error(`${value.name} is no tensor`);
    return { name: value.name, dtype: value.type as DType, dims: value.shape };
  });
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

// Memory that is posted to a closed port is freed at once; the garbage collector, which sees few small objects, would let gigabytes pile up.
const releaseBytes = 256 * 1024;
const { port1: bin, port2 } = new MessageChannel();
port2.close();

function release({ data }: Tensor): void {
  bin.postMessage(null, [data.buffer as ArrayBuffer]);
}
