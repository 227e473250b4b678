// The story of a run as a fold of its events: what it made, how long each node took, what it counted. Knows events only.
import type { Json } from '../formats/json.ts';
import type { NodeId } from '../graph/graph.ts';
import type { Failure, Place, RunEvent, RunStatus } from './events.ts';

export interface ShownOutput extends Place {
  readonly type: string;
  readonly ui: Json;
}

export interface Timing {
  readonly node: NodeId;
  readonly ms: number;
  readonly cached: boolean;
}

export interface RunRecord {
  readonly run: string;
  readonly status: RunStatus | 'running';
  /** Milliseconds since the epoch; `endedAt` is 0 while it runs. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** The first seed written in the graph, or else the first a node was given. */
  readonly seed: bigint | undefined;
  /** What nodes showed, by node, in the order it came. */
  readonly outputs: ReadonlyMap<NodeId, ShownOutput>;
  readonly timings: readonly Timing[];
  readonly counts: Readonly<Record<string, number>>;
  /** Generated text by node. */
  readonly texts: ReadonlyMap<NodeId, string>;
  readonly notices: readonly string[];
  /** Calls that were skipped; the message says why, if there is one. */
  readonly blocked: readonly { readonly node: NodeId; readonly message: string | null }[];
  readonly failure: (Failure & Place) | undefined;
  readonly targets: readonly NodeId[];
}

export interface Recorder {
  event(event: RunEvent): void;
  /** The story so far; later events do not change it. */
  record(): RunRecord;
}

export function createRecorder(): Recorder {
  let run = '';
  let status: RunStatus | 'running' = 'running';
  let startedAt = 0;
  let endedAt = 0;
  let writtenSeed: bigint | undefined;
  let givenSeed: bigint | undefined;
  let failure: (Failure & Place) | undefined;
  let targets: readonly NodeId[] = [];
  const outputs = new Map<NodeId, ShownOutput>();
  const timings = new Map<NodeId, Timing>();
  const counts: Record<string, number> = {};
  const texts = new Map<NodeId, string>();
  const notices: string[] = [];
  const blocked: { node: NodeId; message: string | null }[] = [];

  function event(event: RunEvent): void {
    switch (event.kind) {
      case 'started':
        run = event.run;
        startedAt = event.at;
        targets = event.targets;
        writtenSeed = event.seeds[0]?.seed;
        break;
      case 'hits': for (const node of event.nodes) timings.set(node, { node, ms: 0, cached: true }); break;
      case 'begun': givenSeed ??= event.seed; break;
      case 'finished': timings.set(event.node, { node: event.node, ms: event.ms, cached: event.cached }); break;
      case 'shown':
      case 'reused':
        if (event.ui !== null) outputs.set(event.node, { node: event.node, display: event.display, parent: event.parent, real: event.real, type: event.type, ui: event.ui });
        break;
      case 'counted': counts[event.name] = (counts[event.name] ?? 0) + event.by; break;
      case 'text': texts.set(event.node, (texts.get(event.node) ?? '') + event.delta); break;
      case 'notice': notices.push(event.message); break;
      case 'blocked': blocked.push({ node: event.node, message: event.message }); break;
      case 'failed': failure = event; break;
      case 'ended':
        status = event.status;
        endedAt = event.at;
        break;
      default: break;
    }
  }

  return {
    event,
    record: () => ({
      run, status, startedAt, endedAt, seed: writtenSeed ?? givenSeed, outputs: new Map(outputs), timings: [...timings.values()], counts: { ...counts },
      texts: new Map(texts), notices: [...notices], blocked: [...blocked], failure, targets,
    }),
  };
}
