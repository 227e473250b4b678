// What is read from a trace, on one written by hand: two frames of the page's own renderer beside another that does less.
import { expect, test } from 'vitest';
import { percentile, readTrace } from './trace.ts';

const own = { pid: 7, tid: 1 };
const task = (ms: number, forMs: number, thread = own) => ({ name: 'RunTask', ph: 'X', ts: ms * 1000, dur: forMs * 1000, ...thread });
const at = (name: string, ms: number, more: object = {}) => ({ name, ph: 'X', ts: ms * 1000, dur: 100, ...own, ...more });
const thread = (pid: number) => ({ name: 'thread_name', ph: 'M', ts: 0, pid, tid: 1, args: { name: 'CrRendererMain' } });
const latency = (ph: 'b' | 'e', ms: number, id: string, type?: string) => ({ name: 'EventLatency', ph, ts: ms * 1000, pid: 7, tid: 3, id2: { local: id }, args: type === undefined ? {} : { event_latency: { event_type: type } } });

const trace = readTrace(Buffer.from(JSON.stringify({
  traceEvents: [
    thread(7), thread(9),
    task(0, 10), at('FireAnimationFrame', 1), at('BeginCommitCompositorFrame', 9),
    task(12, 4), at('EventDispatch', 13, { args: { data: { type: 'keydown' } } }),
    task(20, 70), at('FireAnimationFrame', 21), at('UpdateLayoutTree', 22), at('Layout', 23), at('BeginCommitCompositorFrame', 80),
    task(5, 500, { pid: 9, tid: 1 }), task(5, 500, { pid: 7, tid: 2 }),
    latency('b', 1, 'a', 'MOUSE_DRAGGED'), latency('b', 2, 'b', 'MOUSE_PRESSED'), latency('e', 15, 'a'), latency('e', 16, 'b'),
    latency('b', 17, 'a', 'MOUSE_DRAGGED'), latency('e', 50, 'a'),
  ],
})));

test('a frame\'s work is what its own main thread did since the frame before', () => {
  expect(trace.frames).toEqual([1 + 4 + 60]);
});

test('work until a frame counts from the event', () => {
  expect(trace.workUntilFrame('keydown')).toEqual([3 + 60]);
  expect(trace.workUntilFrame('keyup')).toEqual([]);
});

test('latencies are those of the asked inputs, though identities come again', () => {
  expect(trace.latencies(/DRAGGED/)).toEqual([14, 33]);
});

test('styles, layouts and what is long over 50 ms', () => {
  expect(trace).toMatchObject({ styles: 1, layouts: 1, blockingMs: 20 });
});

test('percentiles of sorted values; of none there is none', () => {
  expect([percentile([3, 1, 2, 4], 0.5), percentile([3, 1, 2, 4], 0.95), percentile([], 0.5)]).toEqual([3, 4, Number.NaN]);
});
