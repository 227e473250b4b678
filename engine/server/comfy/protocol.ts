// The messages of ComfyUI's WebSocket as types, for those who write and read them (comfy-contract §2). Types alone.
import type { RunEvent } from '../../exec/events.ts';

export interface QueueStatus {
  readonly exec_info: { readonly queue_remaining: number };
}

export interface NodeProgress {
  readonly value: number;
  readonly max: number;
  readonly state: 'running' | 'finished' | 'error';
  readonly node_id: string;
  readonly prompt_id: string;
  readonly display_node_id: string;
  readonly parent_node_id: string | null;
  readonly real_node_id: string;
}

export interface ExecutionError {
  readonly prompt_id: string;
  readonly node_id: string;
  readonly node_type: string;
  readonly executed: readonly string[];
  readonly exception_message: string;
  readonly exception_type: string;
  readonly traceback: readonly string[];
  readonly current_inputs: Readonly<Record<string, readonly unknown[]>> | readonly unknown[];
  readonly current_outputs: readonly string[];
  /** Absent when a block and no failure is told. */
  readonly timestamp?: number;
}

/** Text frames from the server. */
export type ServerMessage =
  | { readonly type: 'status'; readonly data: { readonly status: QueueStatus; readonly sid?: string } }
  | { readonly type: 'feature_flags'; readonly data: Readonly<Record<string, unknown>> }
  | { readonly type: 'execution_start'; readonly data: { readonly prompt_id: string; readonly timestamp: number } }
  | { readonly type: 'execution_cached'; readonly data: { readonly nodes: readonly string[]; readonly prompt_id: string; readonly timestamp: number } }
  | { readonly type: 'progress_state'; readonly data: { readonly prompt_id: string; readonly nodes: Readonly<Record<string, NodeProgress>> } }
  | { readonly type: 'executing'; readonly data: { readonly node: string | null; readonly display_node?: string; readonly prompt_id: string } }
  | { readonly type: 'progress'; readonly data: { readonly value: number; readonly max: number; readonly prompt_id: string; readonly node: string } }
  | { readonly type: 'executed'; readonly data: { readonly node: string; readonly display_node: string; readonly output: unknown; readonly prompt_id: string } }
  | { readonly type: 'execution_success'; readonly data: { readonly prompt_id: string; readonly timestamp: number } }
  | { readonly type: 'execution_error'; readonly data: ExecutionError }
  | { readonly type: 'execution_interrupted'; readonly data: { readonly prompt_id: string; readonly node_id: string; readonly node_type: string; readonly executed: readonly string[]; readonly timestamp: number } }
  | { readonly type: 'logs'; readonly data: { readonly entries: readonly { readonly t: string; readonly m: string }[]; readonly size: { readonly cols: number; readonly rows: number } | null } }
  /** Only to sockets that sent the feature flag `run_events`. */
  | { readonly type: 'bagelgraph'; readonly data: RunEvent };

/** The only text frame a client sends; the first one counts. */
export interface FeatureFlagsMessage {
  readonly type: 'feature_flags';
  readonly data: { readonly supports_preview_metadata?: boolean; readonly run_events?: boolean };
}

/** The first four bytes of a binary frame, big-endian. */
export const binaryFrames = { preview: 1, text: 3, previewWithMetadata: 4 } as const;
