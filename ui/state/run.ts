// The state of runs, as a fold of what the server tells: events of runs, and the queue. Events may come twice (a replay after a
// reconnect) or with a gap: they are applied in order of their numbers, later ones wait. Knows no transport and no clock.
import type { Json } from '../../engine/formats/json.ts';
import type { ServerMessage } from '../../engine/server/comfy/protocol.ts';
import { emptyRecord, type NodeId } from './document.ts';

/** As sent by the server; pictures of previews come as frames of their own. */
export type RunEvent = Extract<ServerMessage, { type: 'bagelgraph' }>['data'];
type NodeEvent = Extract<RunEvent, { node: string }>;

export type NodeStatus = 'waiting' | 'running' | 'finished' | 'cached' | 'failed' | 'blocked' | 'interrupted';
export type RunStatus = 'running' | 'success' | 'error' | 'interrupted';

/** What is known of one node of the user's graph in one run; nodes of its expansion count as part of it. */
export interface NodeRun {
  readonly status: NodeStatus;
  readonly type?: string;
  /** Step n of N, and which (inner) node counts. */
  readonly progress?: Progress;
  readonly begunAt?: number;
  /** Of its own calls and those of its expansion. */
  readonly ms?: number;
  readonly innerMs?: number;
  readonly device?: string;
  readonly seed?: bigint;
  /** Streamed text. */
  readonly text?: string;
  /** What the node shows: pictures, texts. */
  readonly ui?: Json;
  readonly preview?: Preview;
  readonly error?: RunError;
  readonly notices: readonly string[];
  readonly movedBytes: number;
  /** The same by way: from which device to which. */
  readonly moves?: readonly Move[];
  /** Counts by name. */
  readonly counts: Readonly<Record<string, number>>;
  /** Nodes of its expansion that run now. */
  readonly inner: readonly NodeId[];
}

export interface Move { readonly from: string; readonly to: string; readonly bytes: number }

export interface Progress {
  readonly source: NodeId;
  readonly value: number;
  readonly max: number;
  readonly at: number;
  /** The first count of this source: speed follows from it. */
  readonly firstValue: number;
  readonly firstAt: number;
}

/** A picture of the work so far. `key` names it in whatever holds the pictures. */
export interface Preview { readonly key: string; readonly at: number }

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
  /** Events that came too early: those before them are missing. Ask for a replay from `nextSeq`. */
  readonly early: readonly RunEvent[];
}

export interface RunState {
  readonly runs: Readonly<Record<string, Run>>;
  /** Ids, the latest last; only the latest few are kept. */
  readonly order: readonly string[];
  /** The run whose progress is shown: the latest that started. */
  readonly current?: string;
  readonly queueRemaining: number;
  /** Milliseconds that a node took when it last ran, by type and device: for estimates. */
  readonly typicalMs: Readonly<Record<string, number>>;
}

export const noRuns: RunState = { runs: emptyRecord(), order: [], queueRemaining: 0, typicalMs: emptyRecord() };

const mostRuns = 50;
/** More early events than this, and the missing ones are given up. */
const mostEarly = 500;
const longestText = 1_000_000;

/** The state after an event. One that was applied already changes nothing; one that comes too early waits. */
export function applyEvent(state: RunState, event: RunEvent): RunState {
  const known = state.runs[event.run];
  // a run that a stop of the server broke off begins anew, with numbers from 0
  const isAnew = known !== undefined && event.kind === 'started' && event.seq === 0 && event.at > known.at;
  const run = known === undefined || isAnew ? newRun(event) : known;
  if (event.seq < run.nextSeq || run.early.some(({ seq }) => seq === event.seq)) return state;
  const early = event.seq === run.nextSeq ? run.early : [...run.early, event].sort((a, b) => a.seq - b.seq);
  if (event.seq !== run.nextSeq && early.length <= mostEarly) return withRun(state, { ...run, early });
  const due = event.seq === run.nextSeq ? [event, ...early] : early;
  return applyDue(state, run, due, event.seq !== run.nextSeq);
}

/** Goes on without the events that are missing: no replay has them. */
export function skipGap(state: RunState, id: string): RunState {
  const run = state.runs[id];
  return run === undefined || run.early.length === 0 ? state : applyDue(state, run, run.early, true);
}

/** True when events are missing before those that came. */
export function hasGap({ early }: Run): boolean {
  return early.length > 0;
}

function applyDue(state: RunState, before: Run, due: readonly RunEvent[], skips: boolean): RunState {
  let run = before;
  let next = state;
  let used = 0;
  for (const event of due) {
    if (event.seq > run.nextSeq && !(skips && used === 0)) break;
    used++;
    run = { ...fold(run, event), nextSeq: event.seq + 1, at: event.at };
    next = learn(next, run, event);
  }
  return withRun(next, { ...run, early: due.slice(used) });
}

function newRun({ run: id, at }: RunEvent): Run {
  return { id, status: 'running', startedAt: at, at, total: 0, nodes: emptyRecord(), seeds: [], nextSeq: 0, early: [] };
}

function withRun(state: RunState, run: Run): RunState {
  const isNew = state.runs[run.id] === undefined;
  const order = isNew ? [...state.order, run.id].slice(-mostRuns) : state.order;
  const runs = emptyRecord<Run>();
  for (const id of order) runs[id] = id === run.id ? run : state.runs[id]!;
  const isCurrent = isNew || state.current === undefined || (run.status === 'running' && state.runs[state.current]?.status !== 'running');
  return { ...state, runs, order, ...(isCurrent ? { current: run.id } : {}) };
}

function fold(run: Run, event: RunEvent): Run {
  switch (event.kind) {
    case 'started': return { ...run, startedAt: event.at, total: event.nodes, seeds: event.seeds };
    case 'hits': return event.nodes.reduce((next, node) => withNode(next, node, { status: 'cached' }), run);
    case 'ended': return { ...run, status: event.status, ms: event.ms, nodes: settle(run, event.status) };
    default: return foldNode(run, event);
  }
}

/** At the end nothing runs any more. */
function settle(run: Run, status: RunStatus): Run['nodes'] {
  const nodes = emptyRecord<NodeRun>();
  for (const [id, node] of Object.entries(run.nodes)) nodes[id] = node.status === 'running' ? { ...node, status: status === 'success' ? 'finished' : 'interrupted', inner: [] } : node;
  return nodes;
}

function foldNode(run: Run, event: NodeEvent): Run {
  const id = event.real;
  const node = run.nodes[id] ?? newNodeRun;
  const isInner = event.node !== id;
  switch (event.kind) {
    case 'begun': {
      const seed = event.seed === undefined || (isInner && node.seed !== undefined) ? {} : { seed: event.seed };
      if (isInner) return withNode(run, id, { status: 'running', inner: [...node.inner.filter((inner) => inner !== event.node), event.node], ...seed, ...(node.begunAt === undefined ? { begunAt: event.at } : {}) });
      return withNode(run, id, { ...newNodeRun, ...(node.text === undefined ? {} : { text: '' }), status: 'running', type: event.type, begunAt: event.at, device: event.device, ...seed });
    }
    case 'attempt': return withNode(run, id, { status: 'running' });
    case 'progress': return withNode(run, id, { progress: progressOf(node.progress, event) });
    case 'text': return withNode(run, id, { text: `${node.text ?? ''}${event.delta}`.slice(-longestText) });
    case 'notice': return withNode(run, id, { notices: [...node.notices, event.message].slice(-50) });
    case 'expanded': return run;
    case 'shown': return withNode(run, id, { ui: event.ui });
    case 'reused': return isInner ? run : withNode(run, id, { status: 'cached', ui: event.ui });
    case 'finished': {
      const innerMs = (node.innerMs ?? 0) + (isInner && !event.cached ? event.ms : 0);
      const device = together(node.device, event.device);
      if (isInner) return withNode(run, id, { inner: node.inner.filter((inner) => inner !== event.node), innerMs, ...(event.cached ? {} : { device }) });
      return withNode(run, id, { status: event.cached ? 'cached' : 'finished', ms: event.ms + innerMs, device, inner: [] });
    }
    case 'blocked': return withNode(run, id, { status: 'blocked', ...(event.message === null ? {} : { notices: [...node.notices, event.message] }) });
    case 'moved': return withNode(run, id, { movedBytes: node.movedBytes + event.bytes, moves: addMoves(node.moves ?? [], [event]) });
    case 'counted': return withNode(run, id, { counts: { ...node.counts, [event.name]: (node.counts[event.name] ?? 0) + event.by } });
    case 'failed': {
      const { message, reason, stack, inputs, call } = event;
      return withNode(run, id, { status: 'failed', inner: [], error: { message, reason, stack, inputs, ...(call === undefined ? {} : { call }) } });
    }
    case 'interrupted': return withNode(run, id, { status: 'interrupted', inner: [] });
  }
}

/** Lanes by name, `+` between: those of a node and of its expansion. The host, and no lane of its own, are told of only where nothing else worked. */
function together(known: string | undefined, more: string): string {
  const lanes = [...new Set([...(known?.split('+') ?? []), ...more.split('+')])];
  const devices = lanes.filter((lane) => lane !== 'host' && lane !== 'concurrent');
  return devices.length > 0 ? devices.join('+') : more;
}

const newNodeRun: NodeRun = { status: 'waiting', notices: [], movedBytes: 0, counts: {}, inner: [] };

function withNode(run: Run, id: NodeId, change: Partial<NodeRun>): Run {
  const nodes = Object.assign(emptyRecord<NodeRun>(), run.nodes);
  nodes[id] = { ...(run.nodes[id] ?? newNodeRun), ...change };
  return { ...run, nodes };
}

/** Moves with the same way are one. */
export function addMoves(known: readonly Move[], added: readonly Move[]): readonly Move[] {
  return added.reduce<readonly Move[]>((moves, { from, to, bytes }) => {
    const at = moves.findIndex((move) => move.from === from && move.to === to);
    return at < 0 ? [...moves, { from, to, bytes }] : moves.with(at, { from, to, bytes: moves[at]!.bytes + bytes });
  }, known);
}

/** A new source of counts, or one that starts again, starts a new measure of speed. */
function progressOf(before: Progress | undefined, { node: source, value, max, at }: { readonly node: NodeId; readonly value: number; readonly max: number; readonly at: number }): Progress {
  const goesOn = before !== undefined && before.source === source && before.max === max && value >= before.value;
  return { source, value, max, at, firstValue: goesOn ? before.firstValue : value, firstAt: goesOn ? before.firstAt : at };
}

function learn(state: RunState, run: Run, event: RunEvent): RunState {
  if (event.kind !== 'finished' || event.cached || event.node !== event.real) return state;
  const { type, ms = event.ms } = run.nodes[event.real] ?? {};
  return type === undefined ? state : { ...state, typicalMs: Object.assign(emptyRecord<number>(), state.typicalMs, { [`${type} ${event.device}`]: ms, [type]: ms }) };
}

export function applyQueue(state: RunState, queueRemaining: number): RunState {
  return state.queueRemaining === queueRemaining ? state : { ...state, queueRemaining };
}

/** A preview frame came for a node of a run (the node that shows it, or one of its expansion). */
export function applyPreview(state: RunState, id: string, node: NodeId, preview: Preview): RunState {
  const run = state.runs[id];
  return run === undefined || run.status !== 'running' ? state : withRun(state, withNode(run, node, { preview }));
}

/** Forgets a run: it was deleted from the history. */
export function forgetRun(state: RunState, id: string): RunState {
  if (state.runs[id] === undefined) return state;
  const runs = Object.assign(emptyRecord<Run>(), state.runs);
  delete runs[id];
  const { current, ...rest } = state;
  const order = state.order.filter((other) => other !== id);
  const latest = current === id ? order.at(-1) : current;
  return { ...rest, runs, order, ...(latest === undefined ? {} : { current: latest }) };
}
