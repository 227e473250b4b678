// What computes inside a worker process: ONNX Runtime through its Node binding, or through our add-on. Knows no messages' order and no host.
import type { Answers, Call, Freed } from './protocol.ts';

export interface Backend {
  /** Works one call; the next is made when this one has ended. */
  answerTo(call: Call): Promise<Answers[keyof Answers]>;
  /** Numbers it does not know are ignored. */
  free(freed: Freed): Promise<void>;
  /** Ends the run under way after the node it is at: its answer is rejected. Absent where a run cannot be stopped. */
  terminate?(): void;
}

export type BackendName = 'native' | 'onnxruntime-node';

export type Provider = 'cpu' | 'cuda';

/** What a worker is started with, as JSON on its command line. */
export interface WorkerOptions {
  readonly hostPid: number;
  /** Names the shared files of this connection. */
  readonly tag: string;
  readonly backend: BackendName;
  readonly provider: Provider;
  /** Number of the device at its provider. */
  readonly index: number;
  readonly threads: number;
  /** Bound for what runs may allocate; the Node binding knows none. */
  readonly memoryLimitBytes?: number;
}
