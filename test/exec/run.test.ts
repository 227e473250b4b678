// Order, caching, demand and failure: each test is a graph and the log of its events.
import { describe, expect, it } from 'vitest';
import { blocked, defineNode, volatile } from '../../engine/graph/node.ts';
import { encodeJson, type Json } from '../../engine/formats/json.ts';
import { RefusedError } from '../../engine/exec/errors.ts';
import { ANY, INT, SEED, STRING } from '../../engine/graph/types.ts';
import { bench, graphOf, shown } from './harness.ts';

const sum = graphOf({
  1: ['Number', { value: 1 }],
  2: ['Number', { value: 2 }],
  3: ['Add', { a: ['1', 0], b: ['2', 0] }],
  4: ['Show', { value: ['3', 0] }],
});

describe('order', () => {
  it('runs sources first and tells everything', async () => {
    const { log } = await bench([]).run(sum);
    expect(log).toMatchInlineSnapshot(`
      [
        "started 4",
        "hits ",
        "begun 2",
        "finished 2",
        "begun 1",
        "finished 1",
        "begun 3",
        "finished 3",
        "begun 4",
        "shown 4 {values: [3]}",
        "finished 4",
        "ended success",
      ]
    `);
  });

  it('prefers outputs, then what feeds them', async () => {
    const { log } = await bench([]).run(graphOf({
      far: ['Number', { value: 1 }],
      mid: ['Add', { a: ['far', 0], b: ['far', 0] }],
      near: ['Add', { a: ['mid', 0], b: 1 }],
      out: ['Show', { value: ['near', 0] }],
      quick: ['Number', { value: 9 }],
      quickOut: ['Show', { value: ['quick', 0] }],
    }));
    expect(log.filter((line) => line.startsWith('begun'))).toMatchInlineSnapshot(`
      [
        "begun quick",
        "begun quickOut",
        "begun far",
        "begun mid",
        "begun near",
        "begun out",
      ]
    `);
  });
});

describe('cache', () => {
  it('runs nothing the second time, and shows again what outputs showed', async () => {
    const { run } = bench([]);
    await run(sum);
    const second = await run(sum);
    expect(second.log).toMatchInlineSnapshot(`
      [
        "started 4",
        "hits 1 2 3 4",
        "reused 4 {values: [3]}",
        "finished 4 cached",
        "ended success",
      ]
    `);
    expect(shown(second)).toEqual({ 4: '{values: [3]}' });
  });

  it('runs only what is downstream of a changed literal', async () => {
    const { run } = bench([]);
    await run(sum);
    const changed = graphOf({
      1: ['Number', { value: 1 }], 2: ['Number', { value: 5 }], 3: ['Add', { a: ['1', 0], b: ['2', 0] }], 4: ['Show', { value: ['3', 0] }],
    });
    const second = await run(changed);
    expect(second.log).toMatchInlineSnapshot(`
      [
        "started 4",
        "hits 1",
        "begun 2",
        "finished 2",
        "begun 3",
        "finished 3",
        "begun 4",
        "shown 4 {values: [6]}",
        "finished 4",
        "ended success",
      ]
    `);
    expect(shown(second)).toEqual({ 4: '{values: [6]}' });
  });

  it('finds results whatever the ids are', async () => {
    const { run } = bench([]);
    await run(sum);
    const { log } = await run(graphOf({ x: ['Number', { value: { literal: '1' } }], y: ['Number', { value: 2 }], z: ['Add', { a: ['x', 0], b: ['y', 0] }], o: ['Show', { value: ['z', 0] }] }));
    expect(log.filter((line) => line.startsWith('begun'))).toEqual([]);
  });

  it('shares one result among equal nodes of a graph', async () => {
    const { log } = await bench([]).run(graphOf({
      1: ['Number', { value: 7 }], 2: ['Number', { value: 7 }], 3: ['Show', { value: ['1', 0] }], 4: ['Show', { value: ['2', 0] }],
    }));
    expect(log).toMatchInlineSnapshot(`
      [
        "started 3 4",
        "hits ",
        "begun 1",
        "finished 1",
        "begun 3",
        "shown 3 {values: [7]}",
        "finished 3",
        "reused 4 {values: [7]}",
        "finished 4 cached",
        "ended success",
      ]
    `);
  });

  it('keeps nodes apart that are keyed by themselves', async () => {
    let runs = 0;
    const Own = defineNode({ type: 'Own', category: 't', keyedBy: 'node', inputs: {}, outputs: [{ name: 'n', type: INT }], run: () => [++runs] });
    const graph = graphOf({ 1: ['Own'], 2: ['Own'], 3: ['Add', { a: ['1', 0], b: ['2', 0] }], 4: ['Show', { value: ['3', 0] }] });
    const { run } = bench([Own]);
    expect(shown(await run(graph))).toEqual({ 4: '{values: [3]}' });
    await run(graph);
    expect(runs).toBe(2);
  });

  it('runs a volatile node and what follows it each time; a fingerprint decides otherwise', async () => {
    let runs = 0;
    let print: string | typeof volatile = volatile;
    const Clock = defineNode({ type: 'Clock', category: 't', inputs: {}, outputs: [{ name: 'n', type: INT }], fingerprint: () => print, run: () => [++runs] });
    const graph = graphOf({ 1: ['Clock'], 2: ['Show', { value: ['1', 0] }] });
    const { run } = bench([Clock]);
    await run(graph);
    expect(shown(await run(graph))).toEqual({ 2: '{values: [2]}' });
    print = 'a';
    await run(graph);
    await run(graph);
    expect(runs).toBe(3);
    print = 'b';
    expect(shown(await run(graph))).toEqual({ 2: '{values: [4]}' });
  });

  it('gives fingerprints literals only, and runs a node whose fingerprint fails', async () => {
    const seen: unknown[] = [];
    const Look = defineNode({
      type: 'Look', category: 't', inputs: { a: { type: INT }, b: { type: INT } }, outputs: [{ name: 'n', type: INT }],
      fingerprint(constants) {
        seen.push(constants);
        throw new Error('no');
      },
      run: ({ a, b }) => [a * b],
    });
    const result = await bench([Look]).run(graphOf({ 1: ['Number', { value: 3 }], 2: ['Look', { a: ['1', 0], b: 4 }], 3: ['Show', { value: ['2', 0] }] }));
    expect(shown(result)).toEqual({ 3: '{values: [12]}' });
    expect(seen).toEqual([{ b: 4 }]);
  });
});

describe('cache policies', () => {
  const one = (value: number) => graphOf({ 1: ['Number', { value }], 2: ['Show', { value: ['1', 0] }] });
  const begun = (log: readonly string[]) => log.filter((line) => line.startsWith('begun')).length;

  it('none keeps nothing', async () => {
    const { run, engine } = bench([], { cache: { policy: 'none' } });
    await run(one(1));
    expect(begun((await run(one(1))).log)).toBe(2);
    expect(engine.cacheStats().entries).toBe(0);
  });

  it('classic keeps what the current prompt has', async () => {
    const { run, engine } = bench([], { cache: { policy: 'classic' } });
    await run(one(1));
    expect(begun((await run(one(1))).log)).toBe(0);
    await run(one(2));
    expect(engine.cacheStats().entries).toBe(2);
    expect(begun((await run(one(1))).log)).toBe(2);
  });

  it('lru keeps the last prompts', async () => {
    const { run } = bench([], { cache: { policy: 'lru', entries: 4 } });
    for (const value of [1, 2]) await run(one(value));
    expect(begun((await run(one(1))).log)).toBe(0);
    await run(one(3));
    expect(begun((await run(one(1))).log)).toBe(0);
    expect(begun((await run(one(2))).log)).toBe(2);
  });

  it('bytes keeps to its budget, the least recently used go first', async () => {
    const Big = defineNode({ type: 'Big', category: 't', inputs: { n: { type: INT } }, outputs: [{ name: 'a', type: ANY }], run: ({ n }) => [new Float32Array(1000).fill(n)] });
    const big = (n: number) => graphOf({ 1: ['Big', { n }], 2: ['Show', { value: ['1', 0] }] });
    const { run, engine } = bench([Big], { cache: { policy: 'bytes', budgetBytes: 12_000 } });
    for (const n of [1, 2]) await run(big(n));
    await run(big(1));
    await run(big(3));
    expect(engine.cacheStats().bytes).toBeLessThanOrEqual(12_000);
    expect((await run(big(1))).log).toContain('hits 1 2');
    expect((await run(big(2))).log).not.toContain('hits 1 2');
    await engine.clear();
    expect(engine.cacheStats()).toEqual({ entries: 0, bytes: 0 });
  });
});

describe('demand', () => {
  it('runs only the targets and what they need', async () => {
    const { log } = await bench([]).run(graphOf({
      1: ['Number', { value: 1 }], 2: ['Show', { value: ['1', 0] }], 3: ['Fail', { value: 1 }], 4: ['Show', { value: ['3', 0] }],
    }), { targets: ['2'] });
    expect(log).toMatchInlineSnapshot(`
      [
        "started 2",
        "hits ",
        "begun 1",
        "finished 1",
        "begun 2",
        "shown 2 {values: [1]}",
        "finished 2",
        "ended success",
      ]
    `);
  });

  it('drops bad outputs and runs good ones', async () => {
    const result = await bench([]).run(graphOf({ 1: ['Number', { value: 1 }], 2: ['Show', { value: ['1', 0] }], 3: ['Show', { value: ['gone', 0] }] }));
    expect(result.status).toBe('success');
    expect(shown(result)).toEqual({ 2: '{values: [1]}' });
    expect(result.problems.map(({ message }) => message)).toEqual(['Show (node 3), input value: it is linked to node gone, which does not exist']);
  });

  it('refuses a graph with nothing to run', async () => {
    await expect(bench([]).run(graphOf({ 1: ['Number', { value: 1 }] }))).rejects.toThrow(RefusedError);
  });

  const Choose = defineNode({
    type: 'Choose', category: 't', inputs: { which: { type: INT }, a: { type: ANY, lazy: true }, b: { type: ANY, lazy: true } }, outputs: [{ name: 'value', type: ANY }],
    needs: ({ which, a, b }) => [...(which !== 1 && a === undefined ? ['a'] : []), ...(which !== 0 && b === undefined ? ['b'] : [])],
    run: ({ which, a, b }) => [which === 0 ? a : which === 1 ? b : `${String(a)}+${String(b)}`],
  });

  it('follows lazy links only when they are needed', async () => {
    const { log } = await bench([Choose]).run(graphOf({
      1: ['Number', { value: 1 }], 2: ['Fail', { value: 0 }], 3: ['Choose', { which: 0, a: ['1', 0], b: ['2', 0] }], 4: ['Show', { value: ['3', 0] }],
    }));
    expect(log).toMatchInlineSnapshot(`
      [
        "started 4",
        "hits ",
        "begun 3",
        "begun 1",
        "finished 1",
        "attempt 2 3",
        "finished 3",
        "begun 4",
        "shown 4 {values: [1]}",
        "finished 4",
        "ended success",
      ]
    `);
  });

  it('asks for every call of a mapped node', async () => {
    const result = await bench([Choose]).run(graphOf({
      1: ['List', { x: ['10', 0], y: ['11', 0], z: ['12', 0] }], 10: ['Number', { value: 0 }], 11: ['Number', { value: 1 }], 12: ['Number', { value: 2 }],
      a: ['Number', { value: 5 }], b: ['Number', { value: 6 }],
      3: ['Choose', { which: ['1', 0], a: ['a', 0], b: ['b', 0] }], 4: ['Show', { value: ['3', 0] }],
    }));
    expect(shown(result)).toEqual({ 4: '{values: [5, 6, 5+6]}' });
  });

  it('says when a node needs an input it does not have', async () => {
    const Odd = defineNode({ type: 'Odd', category: 't', inputs: { a: { type: ANY, lazy: true } }, outputs: [{ name: 'v', type: ANY }], needs: () => ['c'], run: () => [1] });
    const { failure } = await bench([Odd]).run(graphOf({ 1: ['Number', { value: 1 }], 2: ['Odd', { a: ['1', 0] }], 3: ['Show', { value: ['2', 0] }] }));
    expect(failure?.message).toBe('Odd (node 2): it needs an input c, which it does not have');
  });
});

describe('lists', () => {
  it('maps over lists; short ones repeat their last value', async () => {
    const result = await bench([]).run(graphOf({
      1: ['Number', { value: 1 }], 2: ['Number', { value: 2 }], 3: ['Number', { value: 3 }],
      a: ['List', { x: ['1', 0], y: ['2', 0], z: ['3', 0] }], b: ['List', { x: ['1', 0], y: ['3', 0] }],
      s: ['Add', { a: ['a', 0], b: ['b', 0] }], o: ['Show', { value: ['s', 0] }],
    }));
    expect(shown(result)).toEqual({ o: '{values: [2, 5, 6]}' });
  });

  it('does nothing over an empty list, and says so', async () => {
    const { log, status } = await bench([]).run(graphOf({ 1: ['List'], 2: ['Show', { value: ['1', 0] }] }));
    expect(status).toBe('success');
    expect(log).toContain('notice 2 value brought an empty list, so Show had nothing to do');
  });

  it('refuses results that do not fit the outputs', async () => {
    const Two = defineNode({ type: 'Two', category: 't', inputs: {}, outputs: [{ name: 'v', type: ANY }], run: () => [1, 2] as unknown as [unknown] });
    const { failure } = await bench([Two]).run(graphOf({ 1: ['Two'], 2: ['Show', { value: ['1', 0] }] }));
    expect(failure?.message).toBe('Two (node 1): it returned 2 values for 1 outputs; return an array with one value for each output');
  });

  it('hands out seeds exactly, written and linked', async () => {
    const Seed = defineNode({ type: 'Seed', category: 't', inputs: { seed: { type: SEED } }, outputs: [{ name: 'v', type: STRING }], run: ({ seed }) => [`${typeof seed} ${seed}`] });
    const { run } = bench([Seed]);
    const written = await run(graphOf({ 1: ['Seed', { seed: { literal: 18446744073709551615n } }], 2: ['Show', { value: ['1', 0] }] }));
    expect(shown(written)).toEqual({ 2: '{values: [bigint 18446744073709551615]}' });
    expect(written.seed).toBe(18446744073709551615n);
    const linked = await run(graphOf({ 0: ['Number', { value: 7 }], 1: ['Seed', { seed: ['0', 0] }], 2: ['Show', { value: ['1', 0] }] }));
    expect(shown(linked)).toEqual({ 2: '{values: [bigint 7]}' });
    expect(linked.seed).toBe(7n);
  });
});

describe('blocked', () => {
  const Gate = defineNode({
    type: 'Gate', category: 't', inputs: { value: { type: INT }, limit: { type: INT }, message: { type: ANY, optional: true } }, outputs: [{ name: 'v', type: INT }],
    run: ({ value, limit, message }) => (value > limit ? blocked(message === undefined ? null : String(message)) : [value]),
  });
  const graph = (message?: string) => graphOf({
    1: ['Number', { value: 1 }], 2: ['Number', { value: 9 }], l: ['List', { x: ['1', 0], y: ['2', 0] }],
    3: ['Gate', { value: ['l', 0], limit: 5, ...(message === undefined ? {} : { message }) }], 4: ['Add', { a: ['3', 0], b: 1 }], 5: ['Show', { value: ['4', 0] }],
  });

  it('skips the calls that depend on it, quietly', async () => {
    const result = await bench([Gate]).run(graph());
    expect(shown(result)).toEqual({ 5: '{values: [2]}' });
    expect(result.log.filter((line) => line.startsWith('blocked'))).toEqual(['blocked 4 call 1: null', 'blocked 5 call 1: null']);
    expect(result.status).toBe('success');
  });

  it('tells its message once', async () => {
    const { log } = await bench([Gate]).run(graph('too large'));
    expect(log.filter((line) => line.startsWith('blocked'))).toEqual(['blocked 4 call 1: too large', 'blocked 5 call 1: null']);
  });

  it('is told again when nothing else could be cached', async () => {
    const { run } = bench([Gate]);
    const whole = graphOf({ 1: ['Number', { value: 9 }], 3: ['Gate', { value: ['1', 0], limit: 5, message: 'no' }], 5: ['Show', { value: ['3', 0] }] });
    await run(whole);
    const second = await run(whole);
    expect(second.blocked).toEqual([{ node: '5', message: 'no' }]);
  });
});

describe('failure', () => {
  it('names node, call and values, and keeps what was done', async () => {
    const { run } = bench([]);
    const graph = graphOf({ 1: ['Number', { value: 1 }], 2: ['Fail', { value: ['1', 0], message: 'boom' }, { title: 'the bad one' }], 3: ['Show', { value: ['2', 0] }] });
    const first = await run(graph);
    expect(first.log).toMatchInlineSnapshot(`
      [
        "started 3",
        "hits ",
        "begun 1",
        "finished 1",
        "begun 2",
        "failed 2: Fail "the bad one" (node 2): boom",
        "ended error",
      ]
    `);
    expect(first.failure).toMatchObject({ node: '2', type: 'Fail', title: 'the bad one', name: 'RangeError', reason: 'boom', call: 0, inputs: { value: '1', message: '"boom"' } });
    expect(first.failure?.stack).toContain('RangeError: boom');
    expect((await run(graph)).log).toContain('hits 1');
  });

  it('stops and awaits what runs beside it before the last event', async () => {
    let wasAborted = false;
    const Slow = defineNode({
      type: 'Slow', category: 't', concurrent: true, output: true, inputs: {}, outputs: [],
      run: (_inputs, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => setTimeout(() => {
        wasAborted = true;
        reject(new Error('stopped'));
      }, 20))),
    });
    const { log } = await bench([Slow]).run(graphOf({ 1: ['Slow'], 2: ['Fail', { value: 1 }], 3: ['Show', { value: ['2', 0] }] }));
    expect(wasAborted).toBe(true);
    expect(log).toMatchInlineSnapshot(`
      [
        "started 1 3",
        "hits ",
        "begun 1",
        "begun 2",
        "failed 2: Fail (node 2): it failed",
        "ended error",
      ]
    `);
  });

  it('hands on what a receiver throws', async () => {
    await expect(bench([]).run(sum, { emit: () => { throw new Error('receiver'); } })).rejects.toThrow('receiver');
  });
});

describe('cancel', () => {
  it('tells at once, waits for the node and ends', async () => {
    const controller = new AbortController();
    const { log, status } = await bench([]).run(graphOf({ 1: ['Sleep', { value: 1, ms: 10_000 }], 2: ['Show', { value: ['1', 0] }] }), {
      signal: controller.signal,
      emit: (event) => void (event.kind === 'begun' && setTimeout(() => controller.abort(), 5)),
    });
    expect(status).toBe('interrupted');
    expect(log).toEqual(['started 2', 'hits ', 'begun 1', 'interrupted 1', 'ended interrupted']);
  });

  it('does not begin when it was cancelled while waiting', async () => {
    const { log } = await bench([]).run(sum, { signal: AbortSignal.abort() });
    expect(log).toEqual(['started 4', 'hits ', 'ended interrupted']);
  });

  it('reaches a node that does nothing but report progress', async () => {
    const Steps = defineNode({
      type: 'Steps', category: 't', output: true, inputs: {}, outputs: [],
      async run(_inputs, context) {
        for (let i = 0; ; i++) await context.progress(i, Infinity);
      },
    });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 30);
    const { status } = await bench([Steps]).run(graphOf({ 1: ['Steps'] }), { signal: controller.signal });
    expect(status).toBe('interrupted');
  });
});

describe('concurrent nodes', () => {
  it('overlap, others do not', async () => {
    const order: string[] = [];
    const result = await bench([]).run(graphOf({
      1: ['Sleep', { value: 1, ms: 60 }], 2: ['Sleep', { value: 2, ms: 61 }], 3: ['Sleep', { value: 3, ms: 62 }],
      4: ['Add', { a: ['1', 0], b: ['2', 0] }], 5: ['Add', { a: ['3', 0], b: ['4', 0] }], 6: ['Show', { value: ['5', 0] }],
    }), { emit: (event) => void ((event.kind === 'begun' || event.kind === 'finished') && Number(event.node) <= 3 && order.push(event.kind)) });
    expect(order).toEqual(['begun', 'begun', 'begun', 'finished', 'finished', 'finished']);
    expect(shown(result)).toEqual({ 6: '{values: [6]}' });
  });

  it('runs one after another: two runs of an engine', async () => {
    const { engine, run } = bench([]);
    const [first, second] = await Promise.all([run(sum), run(sum)]);
    expect(first.timings.map(({ cached }) => cached)).toEqual([false, false, false, false]);
    expect(second.timings.every(({ cached }) => cached)).toBe(true);
    expect(engine.queueLength).toBe(0);
  });
});

describe('the door of a node', () => {
  it('carries progress, text, notices and counts; previews only when someone looks', async () => {
    let previews = 0;
    const Talk = defineNode({
      type: 'Talk', category: 't', output: true, inputs: { id: { type: STRING, hidden: 'id' }, prompt: { type: ANY, hidden: 'prompt' } }, outputs: [],
      async run({ id, prompt }, context) {
        for (let i = 1; i <= 3; i++) {
          await context.progress(i, 3, async () => {
            previews++;
            return { width: 1, height: 1, batch: 1, channels: 3, data: new Float32Array(3) };
          });
        }
        context.text('hel');
        context.text('lo');
        context.notice(`I am ${id}, asked ${String(prompt)}`);
        context.count('pass');
        context.count('pass', 2);
        return [];
      },
    });
    const graph = graphOf({ 1: ['Talk'] });
    const first = await bench([Talk]).run(graph, { request: { prompt: 'please', extras: new Map() } });
    expect(first.log).toMatchInlineSnapshot(`
      [
        "started 1",
        "hits ",
        "begun 1",
        "progress 1 1/3",
        "progress 1 2/3",
        "progress 1 3/3",
        "text 1 hel",
        "text 1 lo",
        "notice 1 I am 1, asked please",
        "counted pass 1",
        "counted pass 2",
        "finished 1",
        "ended success",
      ]
    `);
    expect(previews).toBe(0);
    expect(first.counts).toEqual({ pass: 3 });
    expect(first.texts).toEqual(new Map([['1', 'hello']]));
    const second = await bench([Talk]).run(graph, { wantsPreviews: () => true });
    expect(previews).toBe(1);
    expect(second.events.filter((event) => event.kind === 'progress' && event.preview !== undefined)).toHaveLength(1);
  });
});

describe('what nodes show', () => {
  // packs in JavaScript have no compiler that would tell them of Maps
  const Showing = (ui: unknown) => defineNode({ type: 'Showing', category: 't', output: true, inputs: {}, outputs: [], run: (_, context) => { context.show(ui as Json); return []; } });
  const show = async (ui: unknown) => bench([Showing(ui)]).run(graphOf({ 1: ['Showing', {}] }));

  it('may be plain objects', async () => {
    const result = await show({ text: ['a'], counts: [{ n: 5, share: 0.5 }], none: undefined });
    expect(encodeJson([...result.known.values()][0]!.ui)).toBe('{"text":["a"],"counts":[{"n":5,"share":0.5}]}');
    expect(encodeJson([...(await show(new Map<string, unknown>([['share', [5]], ['more', [{ n: 5 }]]]))).known.values()][0]!.ui)).toBe('{"share":[5.0],"more":[{"n":5}]}');
  });

  it('fails the node where it is no JSON', async () => {
    const result = await show({ draw: () => 1 });
    expect([result.status, result.failure?.real, result.failure?.message]).toEqual(['error', '1', 'Showing (node 1): a function cannot be written as JSON']);
  });
});
