// What a run's state means for its viewers: totals, estimates, and the run of a node by its place in the graph. Pure functions of the fold.
import type { Layer, LinkId, NodeId } from './document.ts';
import { addMoves, type Move, type NodeRun, type NodeStatus, type Progress, type Run, type RunState } from './run.ts';

export interface Totals {
  readonly done: number;
  readonly total: number;
  /** 0 to 1; 1 only at the end of a run that succeeded. */
  readonly fraction: number;
  readonly elapsedMs: number;
  /** Absent while nothing tells how fast it goes. */
  readonly leftMs?: number;
}

const isDone: Readonly<Record<NodeStatus, boolean>> = { waiting: false, running: false, finished: true, cached: true, failed: true, blocked: true, interrupted: true };

/** Where a run stands at `now` (milliseconds, of the server's clock). `nodes`: ids and types of what may run, for estimates. */
export function totalsOf(run: Run, now: number, state?: Pick<RunState, 'typicalMs'>, nodes: readonly { readonly id: NodeId; readonly type: string }[] = []): Totals {
  const all = Object.values(run.nodes);
  const done = all.filter(({ status }) => isDone[status]).length;
  const total = Math.max(run.total, done, 1);
  const work = workOf(run, total - all.filter(({ status }) => status !== 'waiting').length, now, state);
  const fraction = run.status === 'success' ? 1 : Math.min(0.99, work.doneMs / work.allMs);
  const leftMs = run.status === 'running' ? leftOf(run, now, state, nodes) : undefined;
  return { done, total, fraction, elapsedMs: run.ms ?? Math.max(0, now - run.startedAt), ...(leftMs === undefined ? {} : { leftMs }) };
}

export interface RunTotals extends Totals { readonly run: string }

/** The totals after others of the same run: an estimate that was too high waits until it is true, for a bar never goes back. */
export function totalsAfter(before: RunTotals | undefined, run: Run, now: number, state: Pick<RunState, 'typicalMs'>): RunTotals {
  const next = totalsOf(run, now, state);
  return { ...next, run: run.id, fraction: before?.run === run.id ? Math.max(before.fraction, next.fraction) : next.fraction };
}

export function fractionOf({ value, max }: Progress): number {
  return max > 0 ? Math.min(1, Math.max(0, value / max)) : 0;
}

/** Milliseconds a step, from the first count to the last; undefined before the second. */
export function msPerStep({ value, at, firstValue, firstAt }: Progress): number | undefined {
  return value > firstValue ? (at - firstAt) / (value - firstValue) : undefined;
}

/** Milliseconds until a node's count is full, at `now`. */
export function nodeLeftMs(progress: Progress, now: number): number | undefined {
  const pace = msPerStep(progress);
  return pace === undefined ? undefined : Math.max(0, pace * (progress.max - progress.value) - (now - progress.at));
}

/** What a node weighs before anything tells how long it takes: at least this, and as much as all that is done. */
const unknownMs = 1000;

/** A node weighs what it took or will take, so that a bar goes as the clock does: a decoder's milliseconds are not half of a run of minutes. What was cached weighs nothing. */
function workOf(run: Run, waiting: number, now: number, state: Pick<RunState, 'typicalMs'> | undefined): { readonly doneMs: number; readonly allMs: number } {
  const nodes = Object.values(run.nodes);
  const endedMs = nodes.reduce((sum, { status, ms = 0 }) => sum + (isDone[status] && status !== 'cached' ? ms : 0), 0);
  const unknown = Math.max(unknownMs, endedMs);
  let [doneMs, allMs] = [endedMs, endedMs + unknown * waiting];
  for (const node of nodes) {
    if (node.status !== 'running') continue;
    const elapsedMs = Math.max(0, now - (node.begunAt ?? now));
    doneMs += elapsedMs;
    allMs += wholeOf(node, elapsedMs, now, usualMs(state, node.type, node.device), unknown);
  }
  return { doneMs, allMs: Math.max(1, allMs) };
}

/** What a running node takes in all: by its pace, or its usual time (one that takes longer waits near its end), or its first step, which is under way still. */
function wholeOf({ progress }: NodeRun, elapsedMs: number, now: number, typicalMs: number | undefined, unknown: number): number {
  const leftMs = progress && nodeLeftMs(progress, now);
  if (leftMs !== undefined) return elapsedMs + leftMs;
  if (typicalMs !== undefined) return Math.max(typicalMs, elapsedMs / 0.9);
  return Math.max(unknown, elapsedMs / (progress === undefined ? 0.5 : Math.min(0.5, (progress.value + 1) / progress.max)));
}

function usualMs(state: Pick<RunState, 'typicalMs'> | undefined, type: string | undefined, device?: string): number | undefined {
  return type === undefined ? undefined : state?.typicalMs[`${type} ${device ?? ''}`] ?? state?.typicalMs[type];
}

/** Running nodes by their pace or their usual time, waiting ones by their usual time. */
function leftOf(run: Run, now: number, state: Pick<RunState, 'typicalMs'> | undefined, nodes: readonly { readonly id: NodeId; readonly type: string }[]): number | undefined {
  let left = 0;
  let isKnown = false;
  const add = (ms: number | undefined) => {
    if (ms === undefined) return;
    left += ms;
    isKnown = true;
  };
  for (const node of Object.values(run.nodes)) {
    if (node.status !== 'running') continue;
    const typical = usualMs(state, node.type, node.device);
    const byPace = node.progress === undefined ? undefined : nodeLeftMs(node.progress, now);
    add(byPace ?? (typical === undefined ? undefined : Math.max(0, typical - (now - (node.begunAt ?? now)))));
  }
  for (const { id, type } of nodes) if ((run.nodes[id]?.status ?? 'waiting') === 'waiting') add(usualMs(state, type));
  return isKnown ? left : undefined;
}

/** The run of a node: its own, or for an instance of a subgraph all that is inside (ids `12:3`) as one. */
export function nodeRunAt(run: Run | undefined, id: NodeId): NodeRun | undefined {
  if (run === undefined) return undefined;
  const own = run.nodes[id];
  if (own !== undefined) return own;
  const inside = Object.entries(run.nodes).filter(([other]) => other.startsWith(`${id}:`)).map(([, node]) => node);
  if (inside.length === 0) return undefined;
  const status = (['failed', 'interrupted', 'running', 'blocked', 'waiting', 'finished', 'cached'] as const).find((wanted) => inside.some((node) => node.status === wanted))!;
  const shown = inside.find((node) => node.status === status)!;
  const ms = inside.reduce((sum, node) => sum + (node.ms ?? 0), 0);
  return { ...shown, status, ms, movedBytes: inside.reduce((sum, node) => sum + node.movedBytes, 0), moves: inside.reduce<readonly Move[]>((moves, node) => addMoves(moves, node.moves ?? []), []), notices: inside.flatMap(({ notices }) => notices) };
}

export interface Transfers {
  readonly links: Readonly<Record<LinkId, readonly Move[]>>;
  /** What no single link explains: a model over several devices moves values within a node. */
  readonly nodes: Readonly<Record<NodeId, readonly Move[]>>;
}

/** Where what was moved is shown. A move to a node's device from that of just one node which feeds it belongs to their link. */
export function transfersOf({ nodes, links }: Pick<Layer, 'nodes' | 'links'>, runs: Readonly<Record<NodeId, NodeRun>>): Transfers {
  const byLink: Record<LinkId, Move[]> = {};
  const byNode: Record<NodeId, Move[]> = {};
  for (const [id, run] of Object.entries(runs)) {
    const incoming = (run.moves ?? []).length === 0 ? [] : (nodes[id]?.inputs ?? []).flatMap(({ link }) => (link === null || links[link] === undefined ? [] : [links[link]]));
    for (const move of run.moves ?? []) {
      const sources = ranOn(run, move.to) && move.from !== move.to ? incoming.filter(({ from }) => ranOn(runs[from], move.from)) : [];
      if (sources.length === 1) (byLink[sources[0]!.id] ??= []).push(move);
      else (byNode[id] ??= []).push(move);
    }
  }
  return { links: byLink, nodes: byNode };
}

/** A node that worked on several devices tells them as `cpu:0+cpu:1`. */
function ranOn(run: NodeRun | undefined, device: string): boolean {
  return run?.device?.split('+').includes(device) === true;
}

/** `12 MB cpu:0→cpu:1`. */
export function moveText({ bytes, from, to }: Move): string {
  return `${bytesText(bytes)} ${from}→${to}`;
}

/** A size as people read it: 900 B, 12 kB, 1.5 MB, 2.3 GB. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const at = bytes < 999_500 ? 0 : bytes < 999_500_000 ? 1 : 2;
  const value = bytes / 1000 ** (at + 1);
  return `${value < 9.95 ? Number(value.toFixed(1)) : Math.round(value)} ${['kB', 'MB', 'GB'][at]}`;
}

/** The first node that failed, to go to. */
export function failedNode(run: Run): NodeId | undefined {
  return Object.entries(run.nodes).find(([, { status }]) => status === 'failed')?.[0];
}

/** Nodes that run now, for the live region: the latest begun last. */
export function runningNodes(run: Run): readonly NodeId[] {
  return Object.entries(run.nodes).filter(([, { status }]) => status === 'running').sort(([, a], [, b]) => (a.begunAt ?? 0) - (b.begunAt ?? 0)).map(([id]) => id);
}

/** The seed that a node's input had in a run. */
export function seedOf(run: Run | undefined, node: NodeId, input: string): bigint | undefined {
  return run?.seeds.find((entry) => entry.node === node && entry.input === input)?.seed ?? (run?.nodes[node]?.seed);
}
