// A worker's calls on our add-on: tensors live in its memory, bulk data goes between it and shared files without passing through JavaScript.
import { bytesOf } from '../tensor/tensor.ts';
import type { DType } from '../tensor/dtype.ts';
import type { Backend, WorkerOptions } from './backend.ts';
import { loadNative, runtimeLibrary, type NativeData, type NativeDevice, type NativeTensor } from './native.ts';
import { fetchAs, type Answers, type Call, type Edge, type RunCall, type WireTensor } from './protocol.ts';
import { receive, type Payload, type Staging } from './staging.ts';

export function nativeBackend({ provider, index, threads, memoryLimitBytes }: WorkerOptions, staging: Staging): Backend {
  const { NativeDevice } = loadNative();
  let device: NativeDevice;
  try {
    device = new NativeDevice({ library: runtimeLibrary(), provider, index, threads, ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }) });
  } catch (error) {
    throw new Error(`${provider}:${index} cannot be used: ${(error as Error).message.trim()}${provider === 'cpu' ? '' : '; bagelgraph devices says what is missing'}`, { cause: error });
  }
  return { answerTo: (call) => answerTo(device, staging, call), free: ({ handles, sessions }) => device.free(handles, sessions), terminate: () => device.terminate() };
}

async function answerTo(device: NativeDevice, staging: Staging, call: Call): Promise<Answers[keyof Answers]> {
  switch (call.call) {
    case 'load': {
      const { expandWeights = true, packWeights = true, keepScratch = true } = call.options;
      const { inputs, outputs } = await device.load(call.session, receive(call.bytes), { expandWeights, packWeights, keepScratch: keepScratch !== false });
      return { inputs: inputs as readonly Edge[], outputs: outputs as readonly Edge[] };
    }
    case 'run': return run(device, staging, call);
    case 'write':
      await device.write(call.handle, call.dtype, call.shape, ...(call.data === undefined ? [] : [dataOf(call.data)]));
      return null;
    case 'read': return wire(await device.read(call.handle, call.rows, staging.paths()));
    case 'free': return null;
  }
}

async function run(device: NativeDevice, staging: Staging, { session, handles, tensors, fetch }: RunCall): Promise<Answers['run']> {
  const fed = tensors.map(([input, { dtype, shape, data }]) => ({ input, dtype, shape: [...shape], data: dataOf(data) }));
  const files: (readonly string[])[] = [];
  for (let i = 0; i < fetch.length; i += 4) files.push(fetch[i + 1] === fetchAs.tensor ? staging.paths() : []);
  const outputs = await device.run(session, handles, fed, fetch, files);
  return outputs.map((output) => output && (output.data === undefined ? { dtype: output.dtype as DType, shape: output.shape } : wire(output)));
}

function dataOf(payload: Payload): NativeData {
  return 'path' in payload ? payload.path : payload;
}

function wire({ dtype, shape, data }: NativeTensor): WireTensor {
  const form = { dtype: dtype as DType, shape };
  return { ...form, data: typeof data === 'string' ? { path: data, bytes: bytesOf(form) } : data! };
}
