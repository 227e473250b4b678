// Nodes that replace themselves by nodes: results, output nodes inside, caching, loops and cycles.
import { describe, expect, it } from 'vitest';
import type { Link } from '../../engine/graph/graph.ts';
import { blocked, defineNode } from '../../engine/graph/node.ts';
import { ANY, INT } from '../../engine/graph/types.ts';
import { bench, graphOf, shown } from './harness.ts';

/** a + b + c as two Adds. */
const Sum3 = defineNode({
  type: 'Sum3', category: 't', inputs: { a: { type: INT }, b: { type: INT }, c: { type: INT } }, outputs: [{ name: 'sum', type: INT }],
  run({ a, b, c }, context) {
    const build = context.expand();
    const first = build.node('Add', { a, b }, { id: 'first' });
    return build.finish([build.node('Add', { a: first.out(0), b: c }).out(0)]);
  },
});

/** n + (n - 1) + … + 1, each step an expansion. */
const Down = defineNode({
  type: 'Down', category: 't', inputs: { n: { type: INT }, total: { type: INT } }, outputs: [{ name: 'total', type: INT }],
  run({ n, total }, context) {
    if (n === 0) return [total];
    const build = context.expand();
    const next = build.node('Add', { a: total, b: n }, { id: 'add' });
    return build.finish([build.node('Down', { n: n - 1, total: next.out(0) }, { id: 'next' }).out(0)]);
  },
});

const sum3 = (c: number) => graphOf({ 1: ['Number', { value: 1 }], 2: ['Sum3', { a: ['1', 0], b: 2, c }], 3: ['Show', { value: ['2', 0] }] });

describe('expansion', () => {
  it('runs what a node built and gives its outputs', async () => {
    const { log } = await bench([Sum3]).run(sum3(3));
    expect(log).toMatchInlineSnapshot(`
      [
        "started 3",
        "hits ",
        "begun 1",
        "finished 1",
        "begun 2",
        "expanded 2 2.0.first 2.0.1",
        "begun 2.0.first",
        "finished 2.0.first",
        "begun 2.0.1",
        "finished 2.0.1",
        "finished 2",
        "begun 3",
        "shown 3 {values: [6]}",
        "finished 3",
        "ended success",
      ]
    `);
  });

  it('tells where an inner node belongs', async () => {
    const { events } = await bench([Sum3, Down]).run(graphOf({ 2: ['Down', { n: 2, total: 0 }], 3: ['Show', { value: ['2', 0] }] }));
    const begun = events.flatMap((event) => (event.kind === 'begun' ? [`${event.node} parent ${event.parent} display ${event.display} real ${event.real}`] : []));
    expect(begun).toMatchInlineSnapshot(`
      [
        "2 parent null display 2 real 2",
        "2.0.add parent 2 display 2 real 2",
        "2.0.next parent 2 display 2 real 2",
        "2.0.next.0.add parent 2.0.next display 2 real 2",
        "2.0.next.0.next parent 2.0.next display 2 real 2",
        "3 parent null display 3 real 3",
      ]
    `);
  });

  it('caches what is inside by content: only what changed runs', async () => {
    const { run } = bench([Sum3]);
    await run(sum3(3));
    expect((await run(sum3(3))).log.filter((line) => line.startsWith('begun'))).toEqual([]);
    const { log } = await run(sum3(4));
    expect(log.filter((line) => !line.startsWith('started'))).toMatchInlineSnapshot(`
      [
        "hits 1",
        "begun 2",
        "expanded 2 2.0.first 2.0.1",
        "reused 2.0.first null",
        "finished 2.0.first cached",
        "begun 2.0.1",
        "finished 2.0.1",
        "finished 2",
        "begun 3",
        "shown 3 {values: [7]}",
        "finished 3",
        "ended success",
      ]
    `);
  });

  it('knows an object that it was given by its origin, so that what is made of it is found again', async () => {
    let made = 0;
    const Make = defineNode({ type: 'Make', category: 't', inputs: {}, outputs: [{ name: 'o', type: ANY }], run: () => [{ made: ++made }] });
    let reads = 0;
    const Read = defineNode({
      type: 'Read', category: 't', inputs: { o: { type: ANY } }, outputs: [{ name: 'n', type: INT }],
      run: ({ o }) => [(reads++, (o as { made: number }).made)],
    });
    const Coarse = defineNode({
      type: 'Coarse', category: 't', inputs: { o: { type: ANY }, seed: { type: INT } }, outputs: [{ name: 'n', type: INT }],
      run({ o, seed }, context) {
        const build = context.expand();
        return build.finish([build.node('Add', { a: build.node('Read', { o }).out(0), b: seed }).out(0)]);
      },
    });
    const graph = (seed: number) => graphOf({ 1: ['Make'], 2: ['Coarse', { o: ['1', 0], seed }], 3: ['Show', { value: ['2', 0] }] });
    const { run } = bench([Make, Read, Coarse]);
    await run(graph(1));
    expect(shown(await run(graph(2)))).toEqual({ 3: '{values: [3]}' });
    expect(reads).toBe(1);
  });

  it('keys other raw values by the node that made them, the call, the inner node and the input', async () => {
    let reads = 0;
    const Read = defineNode({ type: 'Read', category: 't', inputs: { o: { type: ANY } }, outputs: [{ name: 'n', type: INT }], run: ({ o }) => [(reads++, (o as { n: number }).n)] });
    const Two = defineNode({
      type: 'Two', category: 't', inputs: { n: { type: INT } }, outputs: [{ name: 'n', type: INT }],
      run({ n }, context) {
        const build = context.expand();
        return build.finish([build.node('Add', { a: build.node('Read', { o: { n } }).out(0), b: build.node('Read', { o: { n: n + 1 } }).out(0) }).out(0)]);
      },
    });
    const graph = graphOf({
      1: ['Number', { value: 1 }], 2: ['Number', { value: 5 }], 3: ['List', { a: ['1', 0], b: ['2', 0] }], 4: ['Two', { n: ['3', 0] }], 5: ['Show', { value: ['4', 0] }],
    });
    const { run } = bench([Read, Two]);
    expect(shown(await run(graph))).toEqual({ 5: '{values: [3, 11]}' });
    await run(graph);
    expect(reads).toBe(4);
  });

  it('mixes values and expansions among the calls of a mapped node, and joins the lists of inner nodes', async () => {
    const Mixed = defineNode({
      type: 'Mixed', category: 't', inputs: { n: { type: INT } }, outputs: [{ name: 'v', type: INT }, { name: 'n', type: INT }],
      run({ n }, context) {
        if (n === 1) return [10, n];
        if (n === 2) return blocked('two');
        const build = context.expand();
        const pair = build.node('List', { a: build.node('Number', { value: n }).out(0), b: n + 1 });
        return build.finish([pair.out(0), n]);
      },
    });
    const result = await bench([Mixed]).run(graphOf({
      1: ['Number', { value: 1 }], 2: ['Number', { value: 2 }], 3: ['Number', { value: 3 }], l: ['List', { a: ['1', 0], b: ['2', 0], c: ['3', 0] }],
      4: ['Mixed', { n: ['l', 0] }], 5: ['Show', { value: ['4', 0] }], 6: ['Show', { value: ['4', 1] }],
    }));
    expect(shown(result)).toEqual({ 5: '{values: [10, 3, 4]}', 6: '{values: [1, 3]}' });
    expect(result.log.filter((line) => line.startsWith('blocked'))).toEqual(['blocked 5 call 1: two', 'blocked 6 call 1: two']);
  });

  it('runs output nodes inside, and the node waits for them', async () => {
    const Peek = defineNode({
      type: 'Peek', category: 't', inputs: { v: { type: INT } }, outputs: [{ name: 'v', type: INT }],
      run({ v }, context) {
        const build = context.expand();
        build.node('Show', { value: build.node('Add', { a: v, b: 100 }).out(0) }, { id: 'look', display: 'shown-here' });
        return build.finish([v]);
      },
    });
    const { log, events } = await bench([Peek]).run(graphOf({ 1: ['Peek', { v: 1 }], 2: ['Show', { value: ['1', 0] }] }));
    expect(log).toMatchInlineSnapshot(`
      [
        "started 2",
        "hits ",
        "begun 1",
        "expanded 1 1.0.1 1.0.look",
        "begun 1.0.1",
        "finished 1.0.1",
        "begun 1.0.look",
        "shown 1.0.look {values: [101]}",
        "finished 1.0.look",
        "finished 1",
        "begun 2",
        "shown 2 {values: [1]}",
        "finished 2",
        "ended success",
      ]
    `);
    expect(events.find((event) => event.kind === 'shown' && event.node === '1.0.look')).toMatchObject({ display: 'shown-here', parent: '1', real: '1' });
  });

  it('recurs 1,000 deep', async () => {
    const result = await bench([Down]).run(graphOf({ 1: ['Down', { n: 1000, total: 0 }], 2: ['Show', { value: ['1', 0] }] }));
    expect(shown(result)).toEqual({ 2: '{values: [500500]}' });
  });

  it('loops by links that it got raw', async () => {
    // While the counter is not 0: clone the body between `open` and this node, which ComfyUI's loop nodes do in the same way.
    const Open = defineNode({ type: 'Open', category: 't', inputs: { n: { type: INT }, value: { type: INT } }, outputs: [{ name: 'flow', type: ANY }, { name: 'n', type: INT }, { name: 'value', type: INT }], run: ({ n, value }) => ['stub', n, value] });
    const Close = defineNode({
      type: 'Close', category: 't',
      inputs: { flow: { type: ANY, raw: true }, body: { type: ANY, raw: true }, n: { type: INT }, value: { type: INT }, self: { type: ANY, hidden: 'id' } },
      outputs: [{ name: 'value', type: INT }],
      run({ flow, body, n, value }, context) {
        if (n <= 1) return [value];
        const build = context.expand();
        const open = build.node('Open', { n: n - 1, value }, { id: 'open' });
        const node = context.graph.node((body as Link).node)!;
        const inputs = Object.fromEntries([...node.inputs].map(([name, input]) => {
          if ('link' in input) return [name, input.link.node === (flow as Link).node ? open.out(input.link.output) : input.link];
          return [name, 'literal' in input ? Number(input.literal) : input.value];
        }));
        const again = build.node(node.type, inputs, { id: 'body', display: (body as Link).node });
        return build.finish([build.node('Close', { flow: open.out(0), body: again.out(0), n: open.out(1), value: again.out(0) }, { id: 'again' }).out(0)]);
      },
    });
    const graph = (n: number) => graphOf({
      open: ['Open', { n, value: 1 }], body: ['Add', { a: ['open', 2], b: 5 }],
      close: ['Close', { flow: ['open', 0], body: ['body', 0], n: ['open', 1], value: ['body', 0] }], out: ['Show', { value: ['close', 0] }],
    });
    for (const policy of ['bytes', 'none'] as const) {
      expect(shown(await bench([Open, Close], { cache: { policy } }).run(graph(4)))).toEqual({ out: '{values: [21]}' });
    }
  });
});

describe('expansion gone wrong', () => {
  const Knot = defineNode({
    type: 'Knot', category: 't', inputs: {}, outputs: [{ name: 'v', type: INT }],
    run(_inputs, context) {
      const build = context.expand();
      const a = build.node('Add', { a: 1, b: { node: `${context.node}.0.b`, output: 0 } }, { id: 'a' });
      return build.finish([build.node('Add', { a: a.out(0), b: 1 }, { id: 'b' }).out(0)]);
    },
  });
  const Snake = defineNode({
    type: 'Snake', category: 't', inputs: {}, outputs: [{ name: 'v', type: INT }],
    run(_inputs, context) {
      const build = context.expand();
      return build.finish([build.node('Add', { a: 1, b: { node: context.node, output: 0 } }, { id: 'bite' }).out(0)]);
    },
  });
  const Forever = defineNode({
    type: 'Forever', category: 't', inputs: {}, outputs: [{ name: 'v', type: INT }],
    run(_inputs, context) {
      const build = context.expand();
      return build.finish([build.node('Forever', {}).out(0)]);
    },
  });
  const failing = async (type: string) => {
    const { status, failure } = await bench([Knot, Snake, Forever]).run(graphOf({ 1: [type], 2: ['Show', { value: ['1', 0] }] }));
    expect(status).toBe('error');
    return failure;
  };

  it('finds cycles inside, through itself, and by endless repetition, and blames the node that made them', async () => {
    expect(await failing('Knot')).toMatchObject({ node: '1', name: 'DependencyCycle', reason: 'dependency cycle: 1.0.a → 1.0.b → 1.0.a' });
    expect(await failing('Snake')).toMatchObject({ node: '1', name: 'DependencyCycle' });
    expect(await failing('Forever')).toMatchObject({ node: '1', name: 'DependencyCycle' });
  });

  it('refuses ids that exist, links to nothing and unknown types', async () => {
    const by = (expand: (parent: string) => [string, string, { link?: Link; value?: unknown }]) => defineNode({
      type: 'Bad', category: 't', inputs: {}, outputs: [{ name: 'v', type: ANY }],
      run(_inputs, context) {
        const [id, type, input] = expand(context.node);
        return { kind: 'expansion' as const, nodes: new Map([[id, { type, inputs: new Map([['value', input as { value: unknown }]]) }]]), outputs: [{ link: { node: id, output: 0 } }] };
      },
    });
    const reason = async (node: ReturnType<typeof by>) => (await bench([node]).run(graphOf({ 1: ['Bad'], 2: ['Show', { value: ['1', 0] }] }))).failure?.reason;
    expect(await reason(by(() => ['2', 'Number', { value: 1 }]))).toBe('the expansion of node 1 adds a node 2, but there is one; use ids from context.expand()');
    expect(await reason(by(() => ['x', 'Numbre', { value: 1 }]))).toBe('the expansion of node 1 adds a node of type Numbre, which is not loaded');
    expect(await reason(by(() => ['x', 'Number', { link: { node: 'nowhere', output: 0 } }]))).toBe('node x (Number) is linked to node nowhere, which does not exist');
    expect(await reason(by(() => ['x', 'Number', { link: { node: '2', output: 0 } }]))).toBe('dependency cycle: 2 → 1 → x → 2');
  });
});
