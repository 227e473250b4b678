// The state of runs, as a fold of what the server tells: events of runs, and the queue. Events may come twice (a replay after a
// reconnect) or with a gap; both are noticed by their numbers. Knows no transport and no clock.
import type { Json } from '../../engine/formats/json.ts';
import type { ServerMessage } from '../../engine/server/comfy/protocol.ts';
import type { NodeId } from './document.ts';

/** As sent by the server; pictures of previews come as frames of their own. */
export type RunEvent = Extract<ServerMessage, { type: 'bagelgraph' }>['data'];
export type NodeStatus = 'waiting' | 'running' | 'finished' | 'cached' | 'failed' | 'blocked' | 'interrupted';
export type RunStatus = 'running' | 'success' | 'error' | 'interrupted';

/** What is known of one node of the user's graph in one run; nodes of its expansion count as part of it. */
export interface NodeRun {
  readonly status: NodeStatus;
  /** Step n of N. */
  readonly value?: number;
  readonly max?: number;
  /** When its first and its latest progress came: from these follow speed and ETA. */
  readonly firstProgress?: { readonly at: number; readonly value: number };
  readonly lastProgressAt?: number;
  readonly begunAt?: number;
  readonly ms?: number;
  readonly device?: string;
  readonly seed?: bigint;
  /** Streamed text. */
  readonly text?: string;
  /** What the node shows: pictures, texts. */
  readonly ui?: Json;
  readonly error?: RunError;
  readonly notices: readonly string[];
  readonly movedBytes: number;
  /** Counts by name. */
  readonly counts: Readonly<Record<string, number>>;
  /** Of its expansion, by inner id: which are running now. */
  readonly inner: readonly NodeId[];
}

export interface RunError {
  readonly message: string;
  readonly reason: string;
  readonly stack: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly call?: number;
}

export interface Run {
  readonly id: string;
  readonly status: RunStatus;
  readonly startedAt: number;
  /** Time of the latest event. */
  readonly at: number;
  readonly ms?: number;
  /** Nodes of the graph that may run. */
  readonly total: number;
  readonly nodes: Readonly<Record<NodeId, NodeRun>>;
  readonly seeds: readonly { readonly node: NodeId; readonly input: string; readonly seed: bigint }[];
  /** Number of the next event. */
  readonly nextSeq: number;
  /** Events are missing: ask for a replay from `nextSeq`. */
  readonly hasGap: boolean;
}

export interface RunState {
  /** By id, the latest last; only the latest few are kept. */
  readonly runs: Readonly<Record<string, Run>>;
  readonly order: readonly string[];
  /** The run whose progress is shown: the latest that started. */
  readonly current?: string;
  readonly queueRemaining: number;
}
