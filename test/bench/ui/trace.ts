// How long the page's main thread works for each frame: read from a trace of Chromium. Script, style, layout and paint are all in it.

interface TraceEvent { readonly name: string; readonly ph: string; readonly ts: number; readonly dur?: number; readonly pid: number; readonly tid: number; readonly args?: { readonly name?: string } }

export const traceCategories = ['toplevel', 'disabled-by-default-devtools.timeline', 'devtools.timeline', 'blink.user_timing'];

/** Milliseconds of main thread work between one frame's beginning and the next's, for every frame in which the page drew. */
export function frameTimes(trace: Buffer): number[] {
  const { traceEvents } = JSON.parse(trace.toString('utf8')) as { traceEvents: readonly TraceEvent[] };
  const mains = traceEvents.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain');
  const workOf = ({ pid, tid }: TraceEvent) => traceEvents.filter((event) => event.pid === pid && event.tid === tid);
  // the page's own renderer is the one that was asked for frames most often
  const events = mains.map(workOf).toSorted((a, b) => framesIn(b).length - framesIn(a).length)[0] ?? [];
  const frames = framesIn(events).map(({ ts }) => ts).toSorted((a, b) => a - b);
  const tasks = events.filter(({ name, ph }) => ph === 'X' && name === 'RunTask');
  const outer = tasks.length > 0 ? tasks : events.filter(({ name, ph }) => ph === 'X' && name === 'ThreadControllerImpl::RunTask');
  const times: number[] = new Array<number>(Math.max(0, frames.length - 1)).fill(0);
  let at = 0;
  for (const { ts, dur = 0 } of outer.toSorted((a, b) => a.ts - b.ts)) {
    // a frame begins inside the task that draws it, so a task belongs to the frame that begins before it ends
    while (at + 1 < frames.length && frames[at + 1]! <= ts + dur) at++;
    if (at < times.length && frames[at]! <= ts + dur) times[at]! += dur / 1000;
  }
  return times;
}

const framesIn = (events: readonly TraceEvent[]): readonly TraceEvent[] => events.filter(({ name }) => name === 'FireAnimationFrame');

export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
