// A Chrome trace (chrome://tracing, ui.perfetto.dev) of a run's events: a lane for each device and the host, expansions as spans over what they made.
import type { RunEvent } from './events.ts';

interface TraceEvent {
  readonly name: string;
  readonly ph: 'X' | 'i' | 'C' | 'M' | 'b' | 'e';
  readonly ts: number;
  readonly pid: number;
  readonly tid: number;
  readonly dur?: number;
  readonly id?: string;
  readonly cat?: string;
  readonly s?: 't';
  readonly args?: Readonly<Record<string, unknown>>;
}

export interface Trace {
  event(event: RunEvent): void;
  /** The file's text. */
  json(): string;
}

/** Collects the events of one or more runs. Times count from the first event. */
export function createTrace(): Trace {
  const events: TraceEvent[] = [];
  const lanes = new Map<string, number>();
  const open = new Map<string, { readonly name: string; readonly tid: number; readonly at: number }>();
  const expanded = new Map<string, string>();
  const counts = new Map<string, number>();
  let origin: number | undefined;

  const lane = (name: string): number => {
    let tid = lanes.get(name);
    if (tid === undefined) {
      lanes.set(name, (tid = lanes.size + 1));
      events.push({ name: 'thread_name', ph: 'M', ts: 0, pid: 1, tid, args: { name } });
    }
    return tid;
  };
  /** Concurrent nodes overlap, and slices of one lane must not: each takes the first such lane that is free. */
  const laneOf = (device: string): number => {
    if (device !== 'concurrent') return lane(device);
    const busy = new Set([...open.values()].map(({ tid }) => tid));
    for (let n = 1; ; n++) if (!busy.has(lane(`concurrent ${n}`))) return lane(`concurrent ${n}`);
  };
  const close = (node: string, ts: number, args: Readonly<Record<string, unknown>>): void => {
    const slice = open.get(node);
    if (slice === undefined) return;
    open.delete(node);
    events.push({ name: slice.name, ph: 'X', ts: slice.at, dur: ts - slice.at, pid: 1, tid: slice.tid, args: { node, ...args } });
  };

  function event(event: RunEvent): void {
    origin ??= event.at;
    const ts = (event.at - origin) * 1000;
    const mark = (name: string, args: Readonly<Record<string, unknown>>, node: string) => events.push({ name, ph: 'i', s: 't', ts, pid: 1, tid: open.get(node)?.tid ?? lane('host'), args });
    switch (event.kind) {
      case 'begun':
        open.set(event.node, { name: `${event.title} (${event.node})`, tid: laneOf(event.device), at: ts });
        break;
      case 'expanded': {
        const name = open.get(event.node)?.name ?? event.node;
        if (!expanded.has(event.node)) events.push({ name, ph: 'b', cat: 'expansion', id: event.node, ts, pid: 1, tid: 0 });
        expanded.set(event.node, name);
        close(event.node, ts, { expanded: event.nodes.length });
        break;
      }
      case 'finished':
        if (event.cached) mark('reused', { node: event.node }, event.node);
        close(event.node, ts, { ms: event.ms });
        if (expanded.has(event.node)) events.push({ name: expanded.get(event.node)!, ph: 'e', cat: 'expansion', id: event.node, ts, pid: 1, tid: 0 });
        break;
      case 'failed': close(event.node, ts, { failed: event.reason }); break;
      case 'progress': mark('progress', { value: event.value, max: event.max }, event.node); break;
      case 'notice': mark('notice', { message: event.message }, event.node); break;
      case 'moved': mark('moved', { bytes: event.bytes, from: event.from, to: event.to }, event.node); break;
      case 'counted':
        counts.set(event.name, (counts.get(event.name) ?? 0) + event.by);
        events.push({ name: event.name, ph: 'C', ts, pid: 1, tid: 0, args: { [event.name]: counts.get(event.name) } });
        break;
      case 'ended':
        for (const node of [...open.keys()]) close(node, ts, { ended: event.status });
        break;
      default: break;
    }
  }

  return { event, json: () => JSON.stringify({ traceEvents: events, displayTimeUnit: 'ms' }) };
}
