// Lists of values, and accumulations: lists that travel as one value.
import { defineNode, type InputSpecs, type Type } from 'bagelgraph/graph/node';
import { ANY, INT } from 'bagelgraph/graph/types';
import { variants } from './variants.ts';

const category = 'Testing/Lists';
const optional = { type: ANY, optional: true } as const;

interface Accumulation { readonly accum: readonly unknown[] }
const ACCUMULATION: Type<Accumulation> = { name: 'ACCUMULATION' };
const accumulation = { type: ACCUMULATION } as const;
const accumulated = { name: 'ACCUMULATION', type: ACCUMULATION } as const;

const names = Array.from({ length: 9 }, (_, i) => `value${i + 1}`);
const listInputs: InputSpecs = Object.fromEntries(names.map((name, i) => [name, i === 0 ? { type: ANY } : optional]));

const TestMakeListNode = defineNode({
  type: 'TestMakeListNode', title: 'Make List', category,
  inputs: listInputs,
  outputs: [{ name: '*', type: ANY, list: true }],
  validate: variants(listInputs),
  run: (inputs) => [names.filter((name) => name in inputs).map((name) => (inputs as Readonly<Record<string, unknown>>)[name])],
});

const addInputs = { to_add: { type: ANY }, accumulation: { type: ACCUMULATION, optional: true } } as const;

const TestAccumulateNode = defineNode({
  type: 'TestAccumulateNode', title: 'Accumulate', category,
  inputs: addInputs, outputs: [accumulated], validate: variants(addInputs),
  run: ({ to_add: value, accumulation: before }) => [{ accum: [...(before?.accum ?? []), value] }],
});

const TestAccumulationHeadNode = defineNode({
  type: 'TestAccumulationHeadNode', title: 'Accumulation Head', category,
  inputs: { accumulation }, outputs: [accumulated, { name: '*', type: ANY }], validate: variants({ accumulation }),
  run: ({ accumulation: { accum } }) => [{ accum: accum.slice(1) }, accum[0] ?? null],
});

const TestAccumulationTailNode = defineNode({
  type: 'TestAccumulationTailNode', title: 'Accumulation Tail', category,
  inputs: { accumulation }, outputs: [accumulated, { name: '*', type: ANY }],
  run: ({ accumulation: { accum } }) => [{ accum: accum.slice(0, -1) }, accum.at(-1) ?? null],
});

const TestAccumulationToListNode = defineNode({
  type: 'TestAccumulationToListNode', title: 'Accumulation to List', category,
  inputs: { accumulation }, outputs: [{ name: '*', type: ANY, list: true }], validate: variants({ accumulation }),
  run: ({ accumulation: { accum } }) => [accum],
});

const listInput = { list: { type: ANY } } as const;

const TestListToAccumulationNode = defineNode({
  type: 'TestListToAccumulationNode', title: 'List to Accumulation', category,
  inputs: listInput, outputs: [accumulated], wholeLists: true, validate: variants(listInput),
  run: ({ list }) => [{ accum: list as readonly unknown[] }],
});

const TestAccumulationGetLengthNode = defineNode({
  type: 'TestAccumulationGetLengthNode', title: 'Accumulation Length', category,
  inputs: { accumulation }, outputs: [{ name: 'INT', type: INT }], validate: variants({ accumulation }),
  run: ({ accumulation: { accum } }) => [accum.length],
});

const index = { type: INT, default: 0n, step: 1 } as const;
const getInputs = { accumulation, index } as const;

const TestAccumulationGetItemNode = defineNode({
  type: 'TestAccumulationGetItemNode', title: 'Accumulation Get Item', category,
  inputs: getInputs, outputs: [{ name: '*', type: ANY }], validate: variants(getInputs),
  run: ({ accumulation: { accum }, index: at }) => [accum[placeIn(accum, at)]],
});

const setInputs = { accumulation, index, value: { type: ANY } } as const;

const TestAccumulationSetItemNode = defineNode({
  type: 'TestAccumulationSetItemNode', title: 'Accumulation Set Item', category,
  inputs: setInputs, outputs: [accumulated], validate: variants(setInputs),
  run: ({ accumulation: { accum }, index: at, value }) => [{ accum: accum.with(placeIn(accum, at), value) }],
});

/** Counted from the end below zero. */
function placeIn(list: readonly unknown[], at: number): number {
  const place = at < 0 ? at + list.length : at;
  if (place < 0 || place >= list.length) throw new RangeError(`there is no item ${at} in a list of ${list.length}`);
  return place;
}

export const lists = [
  TestMakeListNode, TestAccumulateNode, TestAccumulationHeadNode, TestAccumulationTailNode, TestAccumulationToListNode,
  TestListToAccumulationNode, TestAccumulationGetLengthNode, TestAccumulationGetItemNode, TestAccumulationSetItemNode,
];
