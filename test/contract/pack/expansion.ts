// Nodes that replace themselves by nodes, in each of the ways a node may answer.
import { defineNode } from 'bagelgraph/graph/node';
import { FLOAT, IMAGE, INT } from 'bagelgraph/graph/types';
import { imageOf } from './pixels.ts';

const category = 'Testing/Nodes';
const small = { width: 512, height: 512, batch_size: 1 };

/** Its expansion is a cycle of two mixers. */
const TestDynamicDependencyCycle = defineNode({
  type: 'TestDynamicDependencyCycle', title: 'Dynamic Dependency Cycle', category,
  inputs: { input1: { type: IMAGE }, input2: { type: IMAGE } },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run({ input1, input2 }, context) {
    const graph = context.expand();
    const mask = graph.node('StubMask', { value: 0.5, ...small });
    const second = { link: { node: `${context.node}.${context.call}.mix2`, output: 0 } };
    const mix1 = graph.node('TestLazyMixImages', { image1: input1, image2: second, mask: mask.out(0) });
    const mix2 = graph.node('TestLazyMixImages', { image1: mix1.out(0), image2: input2, mask: mask.out(0) }, { id: 'mix2' });
    return graph.finish([mix2.out(0)]);
  },
});

const TestMixedExpansionReturns = defineNode({
  type: 'TestMixedExpansionReturns', title: 'Mixed Expansion Returns', category,
  inputs: { input1: { type: FLOAT } },
  outputs: [{ name: 'IMAGE', type: IMAGE }, { name: 'IMAGE', type: IMAGE }],
  run({ input1 }, context) {
    const white = imageOf(1);
    if (input1 <= 0.1) return [imageOf(0.1), white];
    const graph = context.expand();
    // an expansion that adds nothing
    if (input1 <= 0.2) return graph.finish([imageOf(0.2), white]);
    const mask = graph.node('StubMask', { value: 0.3, ...small });
    const dark = graph.node('StubImage', { content: 'BLACK', ...small });
    const light = graph.node('StubImage', { content: 'WHITE', ...small });
    const mix = graph.node('TestLazyMixImages', { image1: dark.out(0), image2: light.out(0), mask: mask.out(0) });
    return graph.finish([mix.out(0), white]);
  },
});

const seconds = { type: FLOAT, default: 0.5, min: 0, max: 10, step: 0.01 } as const;

const TestParallelSleep = defineNode({
  type: 'TestParallelSleep', title: 'Parallel Sleep', category: 'Testing/Async',
  output: true,
  inputs: {
    image1: { type: IMAGE }, image2: { type: IMAGE }, image3: { type: IMAGE },
    sleep1: seconds, sleep2: seconds, sleep3: seconds,
    unique_id: { type: INT, hidden: 'id' },
  },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run({ image1, image2, image3, sleep1, sleep2, sleep3 }, context) {
    const graph = context.expand();
    const sleepers = ([[image1, sleep1], [image2, sleep2], [image3, sleep3]] as const).map(([value, time]) => graph.node('TestSleep', { value, seconds: time }));
    const mean = graph.node('TestVariadicAverage', Object.fromEntries(sleepers.map((sleeper, i) => [`input${i + 1}`, sleeper.out(0)])));
    return graph.finish([mean.out(0)]);
  },
});

const TestDynamicAsyncGeneration = defineNode({
  type: 'TestDynamicAsyncGeneration', title: 'Dynamic Async Generation', category: 'Testing/Async',
  inputs: {
    image1: { type: IMAGE }, image2: { type: IMAGE },
    num_async_nodes: { type: INT, default: 3n, min: 1, max: 10 },
    sleep_duration: { type: FLOAT, default: 0.2, min: 0.1, max: 1, step: 0.1 },
  },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run({ image1, image2, num_async_nodes: count, sleep_duration: time }, context) {
    const graph = context.expand();
    const sleepers = Array.from({ length: count }, (_, i) => graph.node('TestSleep', { value: i % 2 === 0 ? image1 : image2, seconds: time }));
    if (sleepers.length === 1) return graph.finish([sleepers[0]!.out(0)]);
    const mean = graph.node('TestVariadicAverage', Object.fromEntries(sleepers.map((sleeper, i) => [`input${i + 1}`, sleeper.out(0)])));
    return graph.finish([mean.out(0)]);
  },
});

export const expansion = [TestDynamicDependencyCycle, TestMixedExpansionReturns, TestParallelSleep, TestDynamicAsyncGeneration];
