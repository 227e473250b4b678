// What a trace of Chromium tells: how long the page's main thread works for each frame, how long an input takes to reach the screen, and
// how often styles and layout were computed. Knows no page.

interface TraceEvent {
  readonly name: string; readonly ph: string; readonly ts: number; readonly dur?: number; readonly pid: number; readonly tid: number;
  readonly id2?: { readonly local?: string };
  readonly args?: { readonly name?: string; readonly data?: { readonly type?: string }; readonly event_latency?: { readonly event_type?: string } };
}

export interface Trace {
  /** Milliseconds of main thread work (script, style, layout, paint) from one frame handed over to the next. */
  readonly frames: readonly number[];
  /** Milliseconds of main thread work from each event of a type (`keydown`) until the next frame is handed over, whatever the work was for. */
  workUntilFrame(type: string): readonly number[];
  /** Milliseconds from each pointer input of one of the types to the presentation of the frame that shows it: Chromium's EventLatency, which counts waiting for the frame. */
  latencies(types: RegExp): readonly number[];
  readonly styles: number;
  readonly layouts: number;
  /** Milliseconds by which tasks were longer than 50 ms, together. */
  readonly blockingMs: number;
}

export const traceCategories = ['toplevel', 'disabled-by-default-devtools.timeline', 'devtools.timeline', 'blink.user_timing'];
/** What `latencies` needs besides; it makes tracing dearer. */
export const latencyCategories = ['cc', 'benchmark', 'input'];

export function readTrace(trace: Buffer): Trace {
  const { traceEvents } = JSON.parse(trace.toString('utf8')) as { traceEvents: readonly TraceEvent[] };
  const events = mainThread(traceEvents);
  const tasks = events.filter(({ name, ph }) => ph === 'X' && name === 'RunTask');
  const outer = (tasks.length > 0 ? tasks : events.filter(({ name, ph }) => ph === 'X' && name === 'ThreadControllerImpl::RunTask')).toSorted((a, b) => a.ts - b.ts);
  const count = (sought: string) => events.filter(({ name, ph }) => name === sought && ph === 'X').length;
  return {
    frames: frameTimes(events, outer),
    workUntilFrame: (type) => workUntilFrame(events, outer, type),
    latencies: (types) => latencies(traceEvents.filter(({ pid }) => pid === events[0]?.pid), types),
    styles: count('UpdateLayoutTree'),
    layouts: count('Layout'),
    blockingMs: outer.reduce((sum, { dur = 0 }) => sum + Math.max(0, dur / 1000 - 50), 0),
  };
}

/** The page's own renderer is the one that was asked for frames most often. */
function mainThread(all: readonly TraceEvent[]): readonly TraceEvent[] {
  const mains = all.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain');
  const workOf = ({ pid, tid }: TraceEvent) => all.filter((event) => event.pid === pid && event.tid === tid);
  return mains.map(workOf).toSorted((a, b) => framesIn(b).length - framesIn(a).length)[0] ?? [];
}

const handedOver = (events: readonly TraceEvent[]): number[] => events.filter(({ name }) => name === 'BeginCommitCompositorFrame').map(({ ts }) => ts).toSorted((a, b) => a - b);

function frameTimes(events: readonly TraceEvent[], tasks: readonly TraceEvent[]): number[] {
  const ends = handedOver(events);
  return ends.slice(1).map((end, i) => workBetween(tasks, ends[i]!, end));
}

/** Milliseconds. */
const workBetween = (tasks: readonly TraceEvent[], start: number, end: number): number =>
  tasks.reduce((sum, { ts, dur = 0 }) => sum + Math.max(0, Math.min(end, ts + dur) - Math.max(start, ts)), 0) / 1000;

function workUntilFrame(events: readonly TraceEvent[], tasks: readonly TraceEvent[], type: string): number[] {
  const ends = handedOver(events);
  return events.filter(({ name, args }) => name === 'EventDispatch' && args?.data?.type === type).flatMap(({ ts: start }) => {
    const end = ends.find((ts) => ts > start);
    return end === undefined ? [] : [workBetween(tasks, start, end)];
  });
}

/** Beginnings and ends share an identity, which is used again after the end. */
function latencies(events: readonly TraceEvent[], types: RegExp): number[] {
  const begun = new Map<string | undefined, number>();
  const found: number[] = [];
  for (const { ph, ts, id2, args } of events.filter(({ name }) => name === 'EventLatency').toSorted((a, b) => a.ts - b.ts)) {
    if (ph === 'b' && types.test(args?.event_latency?.event_type ?? '')) begun.set(id2?.local, ts);
    const start = begun.get(id2?.local);
    if (ph !== 'e' || start === undefined) continue;
    found.push((ts - start) / 1000);
    begun.delete(id2?.local);
  }
  return found;
}

const framesIn = (events: readonly TraceEvent[]): readonly TraceEvent[] => events.filter(({ name }) => name === 'FireAnimationFrame');

export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
