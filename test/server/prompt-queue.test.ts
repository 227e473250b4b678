// The queue alone, under random orders: nothing is lost or doubled, and prompts start in the order that is listed.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PromptQueue, type QueuedPrompt } from '../../engine/server/comfy/queue.ts';

interface Rig { readonly queue: PromptQueue; readonly started: string[]; finishOne(): Promise<void> }

function rig(concurrency = 1): Rig {
  const started: string[] = [];
  const finishers: (() => void)[] = [];
  const queue = new PromptQueue({
    concurrency, isPaused: true,
    starting: () => undefined, saved: () => Promise.resolve(), changed: () => undefined, ended: () => undefined,
    run: (prompt) => new Promise((resolve) => {
      started.push(prompt.promptId);
      finishers.push(resolve);
    }),
  });
  return {
    queue, started,
    async finishOne() {
      finishers.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const prompt = (promptId: string, number: number): QueuedPrompt => ({ promptId, number, clientId: undefined, secrets: new Map() });
const ids = ({ queue }: Rig) => queue.pending.map(({ promptId }) => promptId);

const numbers = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noNaN: true, noDefaultInfinity: true }));
const words = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'gone');
const step = fc.oneof(
  fc.record({ kind: fc.constant('order' as const), ids: fc.array(words, { maxLength: 8 }) }),
  fc.record({ kind: fc.constant('number' as const), id: words, number: numbers }),
  fc.record({ kind: fc.constant('take' as const), id: fc.constantFrom('f', 'gone') }),
);

test('any orders and numbers: who was named comes first, the others stay as they were, and all run as listed', async () => {
  await fc.assert(fc.asyncProperty(fc.array(numbers, { minLength: 6, maxLength: 6 }), fc.array(step, { maxLength: 6 }), async (given, steps) => {
    const one = rig();
    one.queue.add(...given.map((number, i) => prompt('abcdef'[i]!, number)));
    for (const act of steps) {
      const before = ids(one);
      if (act.kind === 'number') one.queue.renumber(act.id, act.number);
      else if (act.kind === 'take') one.queue.take(new Set([act.id]));
      else {
        one.queue.order(act.ids);
        const named = [...new Set<string>(act.ids)].filter((id) => before.includes(id));
        expect(ids(one)).toEqual([...named, ...before.filter((id) => !named.includes(id))]);
      }
      expect(one.queue.pending.every((next, i) => i === 0 || one.queue.pending[i - 1]!.number <= next.number)).toBe(true);
    }
    const listed = ids(one);
    expect([...listed].sort().join('')).toMatch(/^abcdef?$/);
    one.queue.resume();
    await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < listed.length; i++) await one.finishOne();
    expect(one.started).toEqual(listed);
    expect(one.queue.remaining).toBe(0);
  }), { numRuns: 300 });
});

test('a stop waits for what runs and starts nothing, also what is resumed', async () => {
  const one = rig();
  one.queue.add(prompt('a', 1), prompt('b', 2));
  one.queue.resume();
  await new Promise((resolve) => setImmediate(resolve));
  let isIdle = false;
  const stopped = one.queue.stop().then(() => { isIdle = true; });
  one.queue.resume();
  await new Promise((resolve) => setImmediate(resolve));
  expect([one.started, isIdle]).toEqual([['a'], false]);
  await one.finishOne();
  await stopped;
  expect([one.started, ids(one)]).toEqual([['a'], ['b']]);
});

test('as many at once as there are devices: those whom nobody follows overlap, those of one client do not', async () => {
  const one = rig(2);
  const of = (promptId: string, number: number, clientId: string | undefined) => ({ ...prompt(promptId, number), clientId });
  one.queue.add(of('a', 1, undefined), of('b', 2, undefined), of('c', 3, 'page'), of('d', 4, 'page'), of('e', 5, undefined));
  one.queue.resume();
  await new Promise((resolve) => setImmediate(resolve));
  expect(one.started).toEqual(['a', 'b']);
  await one.finishOne();
  expect(one.started).toEqual(['a', 'b', 'c']);
  await one.finishOne();
  expect(one.started).toEqual(['a', 'b', 'c', 'e']);
  await one.finishOne();
  expect(one.started).toEqual(['a', 'b', 'c', 'e', 'd']);
});
