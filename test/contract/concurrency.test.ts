// The behaviours that ComfyUI's test_async_nodes.py looks at, as cases of our own: told from events, never from a clock.
import { describe, expect, test } from 'vitest';
import type { RunEvent } from '../../engine/exec/events.ts';
import { black, float, mask, mix, runner, save, sleep, white, type Prompt } from './runner.ts';

/** True when all nodes of a type had begun before one of them had finished. */
function overlapped(events: readonly RunEvent[], type: string): boolean {
  const nodes = new Set<string>();
  for (const event of events) if (event.kind === 'begun' && event.type === type) nodes.add(event.node);
  const first = events.findIndex((event) => event.kind === 'finished' && nodes.has(event.node));
  return nodes.size > 1 && events.slice(first).every((event) => event.kind !== 'begun' || event.type !== type);
}

describe('concurrent nodes', () => {
  test('hand on what they got, reporting progress', async () => {
    const result = await runner().run({ 1: black, 2: sleep('1', 0.05), 3: save('2') });
    expect(await result.pixels('3')).toEqual([0]);
    expect(result.events.filter((event) => event.kind === 'progress' && event.node === '2').at(-1)).toMatchObject({ value: 0.05, max: 0.05 });
  });

  test('run beside each other', async () => {
    const result = await runner().run({ 1: black, 2: white, 3: white, 4: sleep('1', 0.05), 5: sleep('2', 0.06), 6: sleep('3', 0.07), 7: ['TestVariadicAverage', { input1: ['4', 0], input2: ['5', 0], input3: ['6', 0] }], 8: save('7') });
    expect(overlapped(result.events, 'TestSleep')).toBe(true);
    expect(await result.pixels('8')).toEqual([170]);
  });

  test('others do not', async () => {
    const progress = (node: string) => ['TestSyncProgressUpdate', { value: [node, 0], sleep_seconds: float(0.03) }] as const;
    const result = await runner().run({ 1: black, 2: white, 3: progress('1'), 4: progress('2'), 5: save('3'), 6: save('4') });
    expect(result.status).toBe('success');
    expect(overlapped(result.events, 'TestSyncProgressUpdate')).toBe(false);
  });

  test('run beside each other inside an expansion', async () => {
    const seconds = { sleep1: float(0.05), sleep2: float(0.06), sleep3: float(0.07) };
    const result = await runner().run({ 1: black, 2: white, 3: white, 4: ['TestParallelSleep', { image1: ['1', 0], image2: ['2', 0], image3: ['3', 0], ...seconds }], 5: save('4') });
    expect(overlapped(result.events, 'TestSleep')).toBe(true);
    expect(await result.pixels('5')).toEqual([170]);
  });

  test('as many as an expansion makes', async () => {
    const many = await runner().run({ 1: black, 2: white, 3: ['TestDynamicAsyncGeneration', { image1: ['1', 0], image2: ['2', 0], num_async_nodes: 5, sleep_duration: float(0.1) }], 4: save('3') });
    expect(overlapped(many.events, 'TestSleep')).toBe(true);
    expect(await many.pixels('4')).toEqual([102]);
  });

  test('stay behind an input that nobody needs', async () => {
    const result = await runner().run({ 1: black, 2: white, 3: mask(0), 4: sleep('1', 0.01), 5: sleep('2', 5), 6: mix('4', '5', '3'), 7: save('6') });
    expect(result.ran.has('4')).toBe(true);
    expect(result.ran.has('5')).toBe(false);
  });

  test('are known the second time', async () => {
    const { run } = runner();
    const prompt: Prompt = { 1: black, 2: sleep('1', 0.01), 3: ['TestSleep', { value: ['2', 0], seconds: float(0.01) }], 4: save('3') };
    await run(prompt);
    expect([...(await run(prompt)).ran]).toEqual([]);
  });

  test('may use a thing each, and again nothing runs', async () => {
    const { run } = runner();
    const names = ['a', 'b', 'c', 'd', 'e'];
    const prompt: Prompt = {
      0: black,
      ...Object.fromEntries(names.flatMap((name) => [[name, ['TestAsyncResourceUser', { value: ['0', 0], resource_id: name, duration: float(0.02) }]], [`save ${name}`, save(name)]] as [string, Prompt[string]][])),
    };
    const first = await run(prompt);
    expect(first.status).toBe('success');
    expect(overlapped(first.events, 'TestAsyncResourceUser')).toBe(true);
    expect([...(await run(prompt)).ran]).toEqual([]);
  });

  test('mix with others', async () => {
    const result = await runner().run({ 1: white, 2: black, 3: mask(0.5), 4: sleep('1', 0.01), 5: sleep('2', 0.01), 6: mix('4', '5', '3'), 7: sleep('6', 0.01), 8: save('7') });
    expect((await result.pixels('8')).map(Math.floor)).toEqual([127]);
  });

  test('are called once for each value, all at once; a blocked one is left out', async () => {
    const result = await runner().run({
      1: black, 2: white, 3: ['StubInt', { value: 1 }], 4: ['StubInt', { value: 2 }],
      5: ['TestMakeListNode', { value1: ['3', 0], value2: ['4', 0] }], 6: ['TestIntConditions', { a: ['5', 0], b: 2, operation: '==' }],
      7: ['TestMakeListNode', { value1: ['1', 0], value2: ['2', 0] }], 8: ['TestExecutionBlocker', { input: ['7', 0], block: ['6', 0], verbose: false }],
      9: sleep('8', 0.02), 10: ['PreviewImage', { images: ['9', 0] }],
    });
    expect(result.status).toBe('success');
    expect(await result.pixels('10')).toEqual([0]);
  });
});

describe('checks that take time', () => {
  const checked = (value: number, threshold: number): Prompt => ({ 1: ['TestAsyncValidation', { value: float(value), threshold: float(threshold) }], 2: save('1') });

  test('accept', async () => {
    expect((await (await runner().run(checked(5, 10))).pixels('2')).map(Math.floor)).toEqual([127]);
  });

  test('refuse', async () => {
    expect((await runner().check(checked(5, 3))).problems).toMatchObject([{ node: '1', code: 'custom_validation_failed', reason: 'Value 5 exceeds 3' }]);
    expect((await runner().check({ 1: ['TestAsyncValidationError', { value: float(15), max_value: float(10) }], 2: save('1') })).problems).toHaveLength(1);
  });

  test('of lazy inputs', async () => {
    const result = await runner().run({ 1: black, 2: white, 3: ['TestAsyncLazyCheck', { input1: ['1', 0], input2: ['2', 0], condition: true }], 4: save('3') });
    expect([result.ran.has('1'), result.ran.has('2')]).toEqual([true, false]);
  });
});

describe('failures', () => {
  test('of a concurrent node name it, and the next run works', async () => {
    const { run } = runner();
    const failed = await run({ 1: black, 2: ['TestAsyncError', { value: ['1', 0], error_after: float(0.01) }], 3: save('2') });
    expect(failed).toMatchObject({ status: 'error', failure: { node: '2', type: 'TestAsyncError' } });
    expect((await run({ 1: black, 2: sleep('1', 0.01), 3: save('2') })).status).toBe('success');
  });

  test('of another stop the one that waits', async () => {
    const failed = await runner().run({ 1: black, 2: sleep('1', 60), 3: ['TestSyncError', { value: ['1', 0] }], 4: save('2'), 5: save('3') });
    expect(failed).toMatchObject({ status: 'error', failure: { node: '3', type: 'TestSyncError' } });
    expect(failed.events.some((event) => event.kind === 'finished' && event.node === '2')).toBe(false);
  });

  test('that are timeouts', async () => {
    const prompt = (needed: number): Prompt => ({ 1: black, 2: ['TestAsyncTimeout', { value: ['1', 0], timeout: float(0.15), operation_time: float(needed) }], 3: save('2') });
    expect((await runner().run(prompt(0.1))).status).toBe('success');
    expect(await runner().run(prompt(5))).toMatchObject({ status: 'error', failure: { node: '2', reason: 'Operation timed out after 0.15 seconds' } });
  });

  test('an interrupt ends a wait', async () => {
    const stop = new AbortController();
    const result = await runner().run({ 1: black, 2: sleep('1', 60), 3: save('2') }, { signal: stop.signal, emit: (event) => { if (event.kind === 'progress') stop.abort(); } });
    expect(result.status).toBe('interrupted');
    expect(result.events.filter((event) => event.kind === 'interrupted')).toMatchObject([{ node: '2' }]);
  });
});
