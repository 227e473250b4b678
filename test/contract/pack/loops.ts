// Loops as graphs that make themselves again: a loop's end clones all that lies between it and its start.
import { defineNode, type InnerInput, type LiveGraph, type NodeContext, type Type } from 'bagelgraph/graph/node';
import type { Link, NodeId } from 'bagelgraph/graph/graph';
import { ANY, BOOLEAN, INT } from 'bagelgraph/graph/types';
import { blocked } from 'bagelgraph/graph/node';
import { variants } from './variants.ts';

const category = 'Testing/Flow';
const FLOW_CONTROL: Type<unknown> = { name: 'FLOW_CONTROL' };
const carried = { type: ANY, optional: true } as const;
const anyOutputs = (count: number) => Array.from({ length: count }, () => ({ name: '*', type: ANY }));
const slots = [0, 1, 2, 3, 4];

const carried1to4 = { initial_value1: carried, initial_value2: carried, initial_value3: carried, initial_value4: carried } as const;
const openInputs = { condition: { type: BOOLEAN, default: true }, initial_value0: carried, ...carried1to4 } as const;

const TestWhileLoopOpen = defineNode({
  type: 'TestWhileLoopOpen', title: 'While Loop Open', category,
  inputs: openInputs,
  outputs: [{ name: 'FLOW_CONTROL', type: FLOW_CONTROL }, ...anyOutputs(5)],
  validate: variants(openInputs),
  run: (inputs) => ['stub', ...slots.map((i) => (inputs as Readonly<Record<string, unknown>>)[`initial_value${i}`] ?? null)],
});

const closeInputs = {
  flow_control: { type: FLOW_CONTROL, raw: true },
  condition: { type: BOOLEAN, ui: { forceInput: true } },
  initial_value0: carried, ...carried1to4,
  dynprompt: { type: ANY, hidden: 'graph' },
  unique_id: { type: ANY, hidden: 'id' },
} as const;

const TestWhileLoopClose = defineNode({
  type: 'TestWhileLoopClose', title: 'While Loop Close', category,
  inputs: closeInputs,
  outputs: anyOutputs(5),
  validate: variants(closeInputs),
  run({ flow_control: open, condition, ...rest }, context) {
    const values = slots.map((i) => (rest as Readonly<Record<string, unknown>>)[`initial_value${i}`] ?? null);
    return condition ? again(open.node, values, context) : values;
  },
});

/** Everything from the loop's start to its end once more, with the start's values as they are now. */
function again(open: NodeId, values: readonly unknown[], context: NodeContext): ReturnType<ReturnType<NodeContext['expand']>['finish']> {
  const { graph, node: close, call } = context;
  const body = between(graph, open, close);
  const localId = (id: NodeId) => (id === close ? 'Recurse' : id);
  const builder = context.expand();
  const clones = [...body].map((id) => {
    const { type, inputs } = graph.node(id)!;
    const cloned = new Map<string, unknown>();
    for (const [name, input] of inputs) {
      const link = linkOf(input);
      cloned.set(name, link === undefined ? ('value' in input ? input.value : input) : body.has(link.node) ? { node: `${close}.${call}.${localId(link.node)}`, output: link.output } : link);
    }
    if (id === open) values.forEach((value, i) => (value === null ? cloned.delete(`initial_value${i}`) : cloned.set(`initial_value${i}`, value)));
    return builder.node(type, Object.fromEntries(cloned), { id: localId(id), display: graph.display(id) });
  });
  const recurse = clones[[...body].indexOf(close)]!;
  return builder.finish(slots.map((i) => recurse.out(i)));
}

function linkOf(input: InnerInput): Link | undefined {
  return 'link' in input ? input.link : undefined;
}

/** The nodes upstream of `close` that are downstream of `open`, and both. */
function between(graph: LiveGraph, open: NodeId, close: NodeId): Set<NodeId> {
  const readers = new Map<NodeId, NodeId[]>();
  const upstream = new Set([close]);
  for (const id of upstream) {
    for (const input of graph.node(id)?.inputs.values() ?? []) {
      const source = linkOf(input)?.node;
      if (source === undefined) continue;
      readers.set(source, [...(readers.get(source) ?? []), id]);
      upstream.add(source);
    }
  }
  const body = new Set([open]);
  for (const id of body) for (const reader of readers.get(id) ?? []) body.add(reader);
  return body.add(close);
}

const forOpenInputs = { remaining: { type: INT, default: 1n, min: 0, max: 100_000, step: 1 }, initial_value0: carried, ...carried1to4 } as const;

const TestForLoopOpen = defineNode({
  type: 'TestForLoopOpen', title: 'For Loop Open', category,
  inputs: forOpenInputs,
  outputs: [{ name: 'FLOW_CONTROL', type: FLOW_CONTROL }, { name: 'remaining', type: INT }, ...anyOutputs(4)],
  validate: variants(forOpenInputs),
  run({ remaining: written, initial_value0: later, ...rest }, context) {
    const remaining = (later ?? written) as number;
    const values = rest as Readonly<Record<string, unknown>>;
    const builder = context.expand();
    builder.node('TestWhileLoopOpen', { condition: remaining > 0, initial_value0: remaining, ...values });
    return builder.finish(['stub', remaining, ...slots.slice(1).map((i) => values[`initial_value${i}`] ?? null)]);
  },
});

const passedOn = { type: ANY, optional: true, raw: true } as const;
const forCloseInputs = {
  flow_control: { type: FLOW_CONTROL, raw: true },
  initial_value1: passedOn, initial_value2: passedOn, initial_value3: passedOn, initial_value4: passedOn,
} as const;

const TestForLoopClose = defineNode({
  type: 'TestForLoopClose', title: 'For Loop Close', category,
  inputs: forCloseInputs,
  outputs: anyOutputs(4),
  validate: variants(forCloseInputs),
  run({ flow_control: open, ...links }, context) {
    const builder = context.expand();
    const remaining = builder.node('TestIntMathOperation', { operation: 'subtract', a: { node: open.node, output: 1 }, b: 1 });
    const goesOn = builder.node('TestToBoolNode', { value: remaining.out(0) });
    const close = builder.node('TestWhileLoopClose', { flow_control: open, condition: goesOn.out(0), initial_value0: remaining.out(0), ...links });
    return builder.finish(slots.slice(1).map((i) => close.out(i)));
  },
});

const blockerInputs = { input: { type: ANY }, block: { type: BOOLEAN }, verbose: { type: BOOLEAN, default: false } } as const;

const TestExecutionBlocker = defineNode({
  type: 'TestExecutionBlocker', title: 'Execution Blocker', category,
  inputs: blockerInputs,
  outputs: [{ name: 'output', type: ANY }],
  validate: variants(blockerInputs),
  run: ({ input, block, verbose }) => [block ? blocked(verbose ? 'Blocked Execution' : null) : input],
});

export const loops = [TestWhileLoopOpen, TestWhileLoopClose, TestForLoopOpen, TestForLoopClose, TestExecutionBlocker];
