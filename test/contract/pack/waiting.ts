// Nodes that take time: concurrent ones, failing ones, and ones that tell how far they are.
import { setTimeout as wait } from 'node:timers/promises';
import { defineNode, type NodeContext } from 'bagelgraph/graph/node';
import { ANY, BOOLEAN, FLOAT, IMAGE, INT, STRING } from 'bagelgraph/graph/types';
import { imageOf } from './pixels.ts';

const category = 'Testing/Async';
const value = { type: ANY } as const;
const outputs = [{ name: '*', type: ANY }] as const;
const tickMs = 10;

/** Waits, and reports progress up to `max` on the way. */
async function sleep(seconds: number, max: number, context: NodeContext): Promise<void> {
  const began = performance.now();
  for (;;) {
    const elapsed = (performance.now() - began) / 1000;
    if (elapsed >= seconds) break;
    await context.progress((elapsed / seconds) * max, max);
    await wait(Math.min(tickMs, (seconds - elapsed) * 1000), undefined, { signal: context.signal });
  }
  await context.progress(max, max);
}

const TestSleep = defineNode({
  type: 'TestSleep', title: 'Sleep', category, concurrent: true,
  inputs: { value, seconds: { type: FLOAT, default: 1, min: 0, max: 9999, step: 0.01 }, unique_id: { type: ANY, hidden: 'id' } },
  outputs,
  async run({ value: passed, seconds }, context) {
    await sleep(seconds, seconds, context);
    return [passed];
  },
});

const TestAsyncError = defineNode({
  type: 'TestAsyncError', title: 'Async Error', category, concurrent: true,
  inputs: { value, error_after: { type: FLOAT, default: 0.1, min: 0, max: 10 } },
  outputs,
  async run({ error_after: seconds }, { signal }): Promise<[unknown]> {
    await wait(seconds * 1000, undefined, { signal });
    throw new Error('Intentional async execution error for testing');
  },
});

const TestSyncError = defineNode({
  type: 'TestSyncError', title: 'Sync Error', category,
  inputs: { value }, outputs,
  run(): [unknown] {
    throw new Error('Intentional sync execution error for testing');
  },
});

const TestAsyncTimeout = defineNode({
  type: 'TestAsyncTimeout', title: 'Async Timeout', category, concurrent: true,
  inputs: { value, timeout: { type: FLOAT, default: 1, min: 0.1, max: 10 }, operation_time: { type: FLOAT, default: 2, min: 0.1, max: 10 } },
  outputs,
  async run({ value: passed, timeout, operation_time: needed }, { signal }) {
    await wait(Math.min(timeout, needed) * 1000, undefined, { signal });
    if (needed > timeout) throw new Error(`Operation timed out after ${timeout} seconds`);
    return [passed];
  },
});

const lazy = { type: ANY, lazy: true } as const;

const TestAsyncLazyCheck = defineNode({
  type: 'TestAsyncLazyCheck', title: 'Async Lazy Check', category,
  inputs: { input1: lazy, input2: lazy, condition: { type: BOOLEAN, default: true } },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  async needs({ input1, input2, condition }) {
    await wait(50);
    if (condition === true) return input1 === undefined ? ['input1'] : [];
    return input2 === undefined ? ['input2'] : [];
  },
  run: () => [imageOf(1)],
});

const busy = new Set<string>();

const TestAsyncResourceUser = defineNode({
  type: 'TestAsyncResourceUser', title: 'Async Resource User', category, concurrent: true,
  inputs: { value, resource_id: { type: STRING, default: 'resource_0' }, duration: { type: FLOAT, default: 0.1, min: 0, max: 1 } },
  outputs,
  async run({ value: passed, resource_id: id, duration }, { signal }) {
    if (busy.has(id)) throw new Error(`Resource ${id} is already in use`);
    busy.add(id);
    try {
      await wait(duration * 1000, undefined, { signal });
      return [passed];
    } finally {
      busy.delete(id);
    }
  },
});

const TestAsyncBatchProcessing = defineNode({
  type: 'TestAsyncBatchProcessing', title: 'Async Batch Processing', category, concurrent: true,
  inputs: { images: { type: IMAGE }, process_time_per_item: { type: FLOAT, default: 0.1, min: 0, max: 1 } },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  async run({ images, process_time_per_item: seconds }, context) {
    for (let i = 1; i <= images.batch; i++) {
      await wait(seconds * 1000, undefined, { signal: context.signal });
      await context.progress(i, images.batch);
    }
    return [{ ...images, data: images.data.map((v) => 1 - v) }];
  },
});

/** At most two at once in the whole process. */
const places = { free: 2, waiting: [] as (() => void)[] };

const TestAsyncConcurrentLimit = defineNode({
  type: 'TestAsyncConcurrentLimit', title: 'Async Concurrent Limit', category, concurrent: true,
  inputs: { value, duration: { type: FLOAT, default: 0.5, min: 0, max: 10 }, node_id: { type: INT, default: 0n } },
  outputs,
  async run({ value: passed, duration }, { signal }) {
    if (places.free === 0) await new Promise<void>((resolve) => places.waiting.push(resolve));
    else places.free--;
    try {
      await wait(duration * 1000, undefined, { signal });
      return [passed];
    } finally {
      const next = places.waiting.shift();
      if (next === undefined) places.free++;
      else next();
    }
  },
});

const sleepSeconds = { type: FLOAT, default: 1, min: 0, max: 10, step: 0.01 } as const;

const TestAsyncProgressUpdate = defineNode({
  type: 'TestAsyncProgressUpdate', title: 'Async Progress Update', category, concurrent: true,
  inputs: { value, sleep_seconds: sleepSeconds }, outputs,
  async run({ value: passed, sleep_seconds: seconds }, context) {
    await sleep(seconds, 1, context);
    return [passed];
  },
});

const TestSyncProgressUpdate = defineNode({
  type: 'TestSyncProgressUpdate', title: 'Sync Progress Update', category,
  inputs: { value, sleep_seconds: sleepSeconds }, outputs,
  async run({ value: passed, sleep_seconds: seconds }, context) {
    await sleep(seconds, 1, context);
    return [passed];
  },
});

export const waiting = [
  TestSleep, TestAsyncError, TestSyncError, TestAsyncTimeout, TestAsyncLazyCheck, TestAsyncResourceUser,
  TestAsyncBatchProcessing, TestAsyncConcurrentLimit, TestAsyncProgressUpdate, TestSyncProgressUpdate,
];
