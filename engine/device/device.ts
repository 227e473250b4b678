// The host's view of a device: six verbs over tensors, row buffers and sessions. Knows nothing of nodes, BAGEL or ComfyUI.
// Implementations: memory.ts (functions in this process, for tests) and process.ts (ONNX Runtime in a child process).
import type { DType } from '../tensor/dtype.ts';
import type { Shape, Tensor } from '../tensor/tensor.ts';

/** A tensor or a row buffer that lives on a device. It dies with its worker: a handle of an older epoch is refused. */
export interface Handle {
  readonly kind: 'handle';
  readonly id: number;
  /** Name of the device, such as `cpu:0`. */
  readonly device: string;
  readonly epoch: number;
  readonly dtype: DType;
  /** For a row buffer the first side is its capacity in rows. */
  readonly shape: Shape;
}

/** A loaded program. */
export interface Session {
  readonly kind: 'session';
  readonly id: number;
  readonly device: string;
  readonly epoch: number;
  readonly program: string;
  /** Other devices have, or load, one as good: work with it need not be done here. */
  readonly roams?: true;
}

/** What a value keeps alive on a device. */
export type Held = Handle | Session;

/** A small tensor rides in the message; of a handle the whole tensor or, zero copy, the first `rows` rows are fed. */
export type Feed = Tensor | { readonly handle: Handle; readonly rows?: number };

/**
 * What to do with an output: keep it on the device, bring it here, or copy it to rows `row…` of a row buffer
 * (an output with the buffer's row shape and any number of rows). Outputs that are not named are dropped.
 */
export type Fetch = 'handle' | 'tensor' | { readonly into: Handle; readonly row: number };

/** A compiled part. Weights stay in their files and are found by the absolute path inside `bytes`. */
export interface Program {
  readonly name: string;
  /** Programs of equal keys are equal: where sessions are shared (sharing.ts) they are loaded once. Absent: its session is the caller's alone. */
  readonly key?: string;
  /** An ONNX model whose external data locations are absolute paths without the leading slash. */
  readonly bytes: Uint8Array;
  readonly options?: ProgramOptions;
  /** What a run of it would take and give; only a planning device asks. */
  readonly forecast?: Forecaster;
}

/** What is known of a feed without computing: its type and shape, and the data of what comes from the host. */
export interface FeedShape {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data?: Tensor['data'];
}

export interface Forecast {
  readonly outputs: Readonly<Record<string, { readonly dtype: DType; readonly shape: Shape }>>;
  readonly flops: number;
  /** Bytes that are read once a run whatever the rows: weights and cached rows. */
  readonly readBytes: number;
  /** Largest intermediate values. */
  readonly scratchBytes: number;
}

export interface Forecaster {
  /** Bytes of the program's weights once loaded. */
  readonly weightBytes: number;
  /** Of these, what stays pages of its file, which the system may take back; absent = none. */
  readonly mappedBytes?: number;
  /** Bytes that are read from files until all weights are in use; absent = as many as once loaded. */
  readonly storedBytes?: number;
  of(feeds: Readonly<Record<string, FeedShape>>): Forecast;
}

export interface ProgramOptions {
  /** True (default): weights that need a cast are expanded once at load. False: they stay mapped and are cast in each run. */
  readonly expandWeights?: boolean;
  /** False: leave weights unpacked so that they stay file-backed. Default true. */
  readonly packWeights?: boolean;
  /**
   * Memory of intermediate values. True (default): it stays from run to run, with the session where sessions share none. False: given back after each run;
   * where sessions share it (native) what idles of others is given back before, so that the run's peak is its own.
   * 'shared': it stays where all sessions of the device share it (native), and is given back elsewhere: for programs of many large parts.
   */
  readonly keepScratch?: boolean | 'shared';
}

export interface RunOptions {
  readonly signal?: AbortSignal;
}

export interface DeviceStats {
  readonly name: string;
  readonly provider: string;
  /** What computes in the worker: `native` or `onnxruntime-node`; absent where there is no worker. */
  readonly backend?: string;
  readonly epoch: number;
  /** Process id of the worker, 0 where there is none. */
  readonly pid: number;
  readonly restarts: number;
  readonly threads: number;
  /** Bytes in handles and their number, from the host's ledger (known while the worker is busy). */
  readonly handles: { readonly count: number; readonly bytes: number };
  readonly sessions: number;
  /** Process memory in bytes: resident, and of that anonymous, file-backed and shared; proportional set size. Absent where the system does not tell. */
  readonly memory?: { readonly resident: number; readonly anonymous: number; readonly file: number; readonly shared: number; readonly proportional: number };
  readonly runs: number;
  /** Bytes of the card it computes on, of whomever; absent on a CPU and where the driver does not tell. */
  readonly card?: { readonly totalBytes: number; readonly freeBytes: number };
}

export interface Device {
  readonly name: string;
  /** What it may use at most: weights, values and work in progress; absent = not known. */
  readonly budgetBytes?: number;
  /** It computes with 16-bit weights as they are, in memory of its own. */
  readonly keeps16Bit?: boolean;
  /** Rises when the worker was lost and restarted. */
  readonly epoch: number;
  load(program: Program): Promise<Session>;
  /** Calls are worked in the order they are made, whether the caller waits for each or not. Gives what `fetch` names, but not outputs that went into row buffers. Aborted: rejects with an AbortError, the worker lost: with a DeviceLostError. */
  run(session: Session, feeds: Readonly<Record<string, Feed>>, fetch: Readonly<Record<string, Fetch>>, options?: RunOptions): Promise<Record<string, Handle | Tensor>>;
  /** Stores a tensor, or reserves a zeroed row buffer of `shape` when no data is given. */
  write(tensor: Tensor | { readonly dtype: DType; readonly shape: Shape }): Promise<Handle>;
  /** The tensor, or its first `rows` rows. */
  read(handle: Handle, rows?: number): Promise<Tensor>;
  /** Frees handles and sessions; those of an older epoch or freed before are ignored. */
  free(held: readonly Held[]): Promise<void>;
  stats(): Promise<DeviceStats>;
  /** True while the handle or session can be used: same epoch, not freed. */
  holds(held: Held): boolean;
  /** Ends the worker. Later calls are refused. */
  close(): Promise<void>;
}

/** The devices of a run, by name, in the order given on the command line; the first is the default. */
export type Devices = ReadonlyMap<string, Device>;

export function isHandle(value: Handle | Tensor): value is Handle {
  return 'kind' in value && value.kind === 'handle';
}
