// What a run tells the world: plain data, one union. History, trace, command line and clients are all folds of these events.
import type { Json } from '../formats/json.ts';
import type { Image } from '../graph/node.ts';
import type { NodeId } from '../graph/graph.ts';

/** On every event. `at` is milliseconds since the epoch, with fractions; `seq` counts from 0 in a run. */
export interface Stamp {
  readonly run: string;
  readonly seq: number;
  readonly at: number;
}

/** Which node: itself, the node shown in its place, the node that made it by expansion, and the node of the user's graph it belongs to. */
export interface Place {
  readonly node: NodeId;
  readonly display: NodeId;
  readonly parent: NodeId | null;
  readonly real: NodeId;
}

export type RunStatus = 'success' | 'error' | 'interrupted';

export interface Failure {
  readonly type: string;
  readonly title: string;
  /** Which call of a mapped node; absent where no call failed (a cycle, a wrong expansion). */
  readonly call?: number;
  /** Class of the error. */
  readonly name: string;
  /** Says which node and what happened, in one paragraph. */
  readonly message: string;
  /** The error's own message. */
  readonly reason: string;
  readonly stack: string;
  /** The values the call got, in short. */
  readonly inputs: Readonly<Record<string, string>>;
}

/** About the run. */
export type RunBody =
  /** `nodes` of the graph may run; `seeds` are the seeds written in it. */
  | { readonly kind: 'started'; readonly nodes: number; readonly targets: readonly NodeId[]; readonly seeds: readonly { readonly node: NodeId; readonly input: string; readonly seed: bigint }[] }
  /** Nodes whose results were there from the start. */
  | { readonly kind: 'hits'; readonly nodes: readonly NodeId[] }
  /** The last event of every run. */
  | { readonly kind: 'ended'; readonly status: RunStatus; readonly ms: number };

/** About a node. */
export type NodeBody =
  /** Its first attempt starts. `seed` is the value of its seed input, if it has one. */
  | { readonly kind: 'begun'; readonly type: string; readonly title: string; readonly device: string; readonly seed?: bigint }
  /** It starts again (2, 3, …) because lazy inputs it had asked for are there. */
  | { readonly kind: 'attempt'; readonly attempt: number }
  | { readonly kind: 'progress'; readonly value: number; readonly max: number; readonly preview?: Image; /** The preview is a result: it is sent whole and lossless. */ readonly isWhole?: true }
  | { readonly kind: 'text'; readonly delta: string }
  | { readonly kind: 'notice'; readonly message: string }
  /** One of its calls replaced itself by nodes. */
  | { readonly kind: 'expanded'; readonly call: number; readonly nodes: readonly NodeId[] }
  /** What the client is to show for it, merged over its calls. */
  | { readonly kind: 'shown'; readonly type: string; readonly ui: Json }
  /** Its result was known: an output node from the cache, a node equal to another, or a node of an expansion. */
  | { readonly kind: 'reused'; readonly type: string; readonly ui: Json }
  /** `ms` is the time of its own calls, `device` its lane. */
  | { readonly kind: 'finished'; readonly ms: number; readonly cached: boolean; readonly device: string }
  /** A call was skipped because an input was blocked; with the message when it stops here. */
  | { readonly kind: 'blocked'; readonly call: number; readonly message: string | null }
  /** Bulk data (64 KB and more) crossed between `host` and a device. */
  | { readonly kind: 'moved'; readonly bytes: number; readonly from: string; readonly to: string }
  | { readonly kind: 'counted'; readonly name: string; readonly by: number }
  /** It failed and the run with it; others under way are being stopped. */
  | { readonly kind: 'failed' } & Failure
  /** The run was cancelled while this node ran; sent at once, before it has stopped. */
  | { readonly kind: 'interrupted'; readonly type: string };

export type RunEvent = Stamp & (RunBody | (Place & NodeBody));
export type Receiver = (event: RunEvent) => void;

/** Stamps events and hands them on. A receiver that throws ends the run: its error is kept for the caller. */
export class Emitter {
  readonly run: string;
  readonly #receive: Receiver;
  readonly #onError: () => void;
  #seq = 0;
  #isClosed = false;
  error: unknown;
  hasFailed = false;

  constructor(run: string, receive: Receiver, onError: () => void) {
    this.run = run;
    this.#receive = receive;
    this.#onError = onError;
  }

  send(body: RunBody): void {
    this.#hand({ run: this.run, seq: this.#seq++, at: now(), ...body });
  }

  sendFor({ id, display, parent, real }: { readonly id: NodeId; readonly display: NodeId; readonly parent: NodeId | null; readonly real: NodeId }, body: NodeBody): void {
    this.#hand({ run: this.run, seq: this.#seq++, at: now(), node: id, display, parent, real, ...body });
  }

  /** Nothing is sent from now on. */
  close(): void {
    this.#isClosed = true;
  }

  #hand(event: RunEvent): void {
    if (this.hasFailed || this.#isClosed) return;
    try {
      this.#receive(event);
    } catch (error) {
      this.hasFailed = true;
      this.error = error;
      this.#onError();
    }
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
