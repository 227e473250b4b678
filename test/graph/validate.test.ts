// What can be wrong with a graph, and that what is good still runs.
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../engine/graph/graph.ts';
import { fits } from '../../engine/graph/fits.ts';
import { defineNode, type AnyNode, type Environment, type Type } from '../../engine/graph/node.ts';
import { sentence } from '../../engine/graph/problems.ts';
import { createRegistry } from '../../engine/graph/registry.ts';
import { ANY, BOOLEAN, COMBO, FLOAT, IMAGE, INT, SEED, STRING } from '../../engine/graph/types.ts';
import { validate } from '../../engine/graph/validate.ts';
import { basics, filesIn, graphOf } from '../exec/harness.ts';

const HELD: Type<object> = { name: 'HELD', held: () => [] };
const UNION: Type<number> = { name: 'IMAGE,FLOAT' };

const Source = defineNode({
  type: 'Source', category: 't', inputs: {}, outputs: [{ name: 'image', type: IMAGE }, { name: 'n', type: INT }, { name: 'f', type: FLOAT }, { name: 'any', type: ANY }, { name: 'held', type: HELD }],
  run: () => [{ width: 1, height: 1, batch: 1, channels: 3, data: new Float32Array(3) }, 1, 1, 1, {}],
});
const Sink = defineNode({
  type: 'Sink', category: 't', output: true,
  inputs: {
    n: { type: INT, optional: true, min: 0, max: 10 }, f: { type: FLOAT, optional: true, min: 0.5 }, s: { type: STRING, optional: true }, b: { type: BOOLEAN, optional: true },
    seed: { type: SEED, optional: true, min: 0, max: 18446744073709551615 }, image: { type: IMAGE, optional: true }, held: { type: HELD, optional: true }, union: { type: UNION, optional: true },
    pick: { type: COMBO, optional: true, choices: ['red', 'green', 'blue'] }, size: { type: INT, optional: true, choices: [1n, 2n] },
    file: { type: COMBO, optional: true, choices: async () => ['a.png', 'b.png'] }, hidden: { type: ANY, hidden: 'id' },
  },
  outputs: [], run: () => [],
});
const env: Environment = { files: filesIn('/nowhere'), devices: new Map() };
const check = (graph: Graph, options: { targets?: readonly string[]; nodes?: readonly AnyNode[] } = {}) =>
  validate(graph, createRegistry([{ name: 'test', nodes: [...basics, Source, Sink, ...(options.nodes ?? [])] }]), env, options.targets === undefined ? {} : { targets: options.targets });

/** Codes and sentences of what is wrong with one Sink beside a good one. */
async function wrong(inputs: Readonly<Record<string, unknown>>, nodes: readonly AnyNode[] = []): Promise<string[]> {
  const { problems, targets } = await check(graphOf({ s: ['Source'], good: ['Sink'], bad: ['Sink', inputs] }), { nodes });
  expect(targets).toEqual(problems.length === 0 ? ['good', 'bad'] : ['good']);
  return problems.map((problem) => `${problem.code} | ${sentence(problem)}`);
}

describe('values', () => {
  it.each<[Record<string, unknown>, string | undefined]>([
    [{ n: 5 }, undefined],
    [{ n: { literal: '7' }, f: { literal: '1e3' }, s: 5, b: { literal: 'false' }, seed: { literal: 18446744073709551615n }, pick: 'red', size: 2, file: 'b.png' }, undefined],
    [{ n: { literal: '3.5' } }, "invalid_input_type | Sink (node bad), input n: \"3.5\" is no INT: '3.5' is no whole number"],
    [{ n: { literal: null } }, 'invalid_input_type | Sink (node bad), input n: None is no INT: a whole number is needed, got null'],
    [{ n: -1 }, 'value_smaller_than_min | Sink (node bad), input n: -1 is below the least allowed value 0 (give a value from 0 to 10)'],
    [{ n: 11 }, 'value_bigger_than_max | Sink (node bad), input n: 11 is above the greatest allowed value 10 (give a value from 0 to 10)'],
    [{ seed: { literal: 18446744073709551616n } }, 'value_bigger_than_max | Sink (node bad), input seed: 18446744073709551616 is above the greatest allowed value 18446744073709551615 (give a value from 0 to 18446744073709551615)'],
    [{ f: { literal: 'nan' } }, 'invalid_input_type | Sink (node bad), input f: "nan" is no FLOAT: it lies in no range'],
    [{ f: { literal: 'inf' } }, undefined],
    [{ f: 0.25 }, 'value_smaller_than_min | Sink (node bad), input f: 0.25 is below the least allowed value 0.5 (give at least 0.5)'],
    [{ pick: 'rde' }, 'value_not_in_list | Sink (node bad), input pick: "rde" is not in the list (one of: red, green, blue)'],
    [{ size: 3 }, 'value_not_in_list | Sink (node bad), input size: 3 is not in the list (one of: 1, 2)'],
    [{ file: 'c.png' }, 'value_not_in_list | Sink (node bad), input file: "c.png" is not in the list (one of: a.png, b.png)'],
    [{ image: 5 }, 'invalid_input_type | Sink (node bad), input image: 5 is no IMAGE: it cannot be written down; connect a link'],
    [{ image: { literal: null } }, undefined],
    [{ union: 5 }, undefined],
  ])('%o', async (inputs, expected) => {
    expect(await wrong(inputs)).toEqual(expected === undefined ? [] : [expected]);
  });

  it('converts the good ones', async () => {
    const { constants } = await check(graphOf({ a: ['Sink', { n: { literal: '7' }, b: { literal: 'false' }, s: 5.0, seed: 3, union: 5 }] }));
    expect(constants.get('a')).toEqual(new Map<string, unknown>([['n', 7], ['b', true], ['s', '5'], ['seed', 3n], ['union', 5n]]));
  });
});

describe('links', () => {
  it.each<[Record<string, unknown>, string | undefined]>([
    [{ image: ['s', 0], n: ['s', 1], held: ['s', 4] }, undefined],
    [{ image: ['s', 3], union: ['s', 0] }, undefined],
    [{ union: ['s', 2] }, undefined],
    [{ union: ['s', 1] }, 'return_type_mismatch | Sink (node bad), input union: it takes IMAGE,FLOAT, but output 1 of Source (node s) gives INT'],
    [{ n: ['s', 0] }, 'return_type_mismatch | Sink (node bad), input n: it takes INT, but output 0 of Source (node s) gives IMAGE'],
    [{ n: ['gone', 0] }, 'bad_linked_input | Sink (node bad), input n: it is linked to node gone, which does not exist (connect another node or remove the link)'],
    [{ n: ['s', 5] }, 'bad_linked_input | Sink (node bad), input n: it is linked to output 5 of Source (node s), which has 5 (outputs are 0 image, 1 n, 2 f, 3 any, 4 held)'],
    [{ n: ['s', -1] }, 'bad_linked_input | Sink (node bad), input n: its link is none: [node id, slot number] is needed'],
    [{ n: ['s', 0.5] }, 'bad_linked_input | Sink (node bad), input n: its link is none: [node id, slot number] is needed'],
  ])('%o', async (inputs, expected) => {
    expect(await wrong(inputs)).toEqual(expected === undefined ? [] : [expected]);
  });

  it('carries what an edge needs for its own error bodies', async () => {
    const { problems } = await check(graphOf({ s: ['Source'], bad: ['Add', { a: ['s', 0], b: 1 }, { title: 'my sum' }], o1: ['Show', { value: ['bad', 0] }], o2: ['Show', { value: ['bad', 0] }] }));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({
      code: 'return_type_mismatch', node: 'bad', title: 'my sum', type: 'Add', input: 'a', spec: { type: INT }, receivedType: 'IMAGE', linked: { node: 's', output: 0 }, dependentOutputs: ['o1', 'o2'],
    });
  });

  it('wants required inputs, follows undeclared links only where the node takes them', async () => {
    const { problems, warnings, targets } = await check(graphOf({
      missing: ['Add', { a: 1 }], o1: ['Show', { value: ['missing', 0] }],
      extra: ['Number', { value: 1, more: ['gone', 0], text: 'dropped' }], o2: ['Show', { value: ['extra', 0] }],
      rest: ['List', { any: ['gone', 0] }], o3: ['Show', { value: ['rest', 0] }],
    }));
    expect(targets).toEqual(['o2']);
    expect(problems.map(sentence)).toEqual([
      'Add (node missing), input b: it is required (INT) (connect a link or give a value)',
      'List (node rest), input any: it is linked to node gone, which does not exist (connect another node or remove the link)',
    ]);
    expect(warnings.map(sentence)).toEqual(['Number (node extra), input more: there is no such input, so its link is dropped (inputs are value)']);
  });

  it('finds cycles, of one node too, and drops what hangs on them', async () => {
    const { problems, targets } = await check(graphOf({
      a: ['Add', { a: ['b', 0], b: 1 }], b: ['Add', { a: ['c', 0], b: 1 }], c: ['Add', { a: ['a', 0], b: 1 }], o: ['Show', { value: ['b', 0] }],
      self: ['Add', { a: ['self', 0], b: 1 }], o2: ['Show', { value: ['self', 0] }], good: ['Show', { value: 1 }],
    }));
    expect(targets).toEqual(['good']);
    expect(problems.map(sentence)).toEqual([
      'Add (node b): it depends on itself: b → c → a → b (remove one of these links)',
      'Add (node self): it depends on itself: self → self (remove one of these links)',
    ]);
  });
});

describe('whole graphs', () => {
  it('refuses unknown node types with names that are near', async () => {
    const { refusal, targets } = await check(graphOf({ 1: ['Nmber', { value: 1 }, { title: 'count' }], 2: ['Show', { value: ['1', 0] }] }));
    expect(targets).toEqual([]);
    expect(refusal).toMatchObject({ code: 'invalid_prompt', node: '1', type: 'Nmber', title: 'count', message: 'Nmber "count" (node 1): there is no node type Nmber', hint: 'did you mean Number?' });
  });

  it('refuses what has no output or no good one', async () => {
    expect((await check(graphOf({ 1: ['Number', { value: 1 }] }))).refusal).toMatchObject({ code: 'prompt_no_outputs' });
    expect((await check(graphOf({ 1: ['Sink'] }), { targets: [] })).refusal).toMatchObject({ code: 'prompt_no_outputs', message: 'none of the nodes asked for (an empty list) is an output node' });
    const { refusal, problems } = await check(graphOf({ 1: ['Show'] }));
    expect(refusal).toMatchObject({ code: 'prompt_outputs_failed_validation', message: 'no output can be made: Show (node 1), input value: it is required (*) (connect a link or give a value)' });
    expect(problems).toHaveLength(1);
  });

  it('looks only at what the targets need', async () => {
    const graph = graphOf({ 1: ['Sink'], 2: ['Show', { value: ['gone', 0] }], 3: ['Number', { value: 1 }] });
    expect(await check(graph, { targets: ['1', '3', 'nothing'] })).toMatchObject({ targets: ['1'], problems: [] });
  });

  it('names devices that are not there', async () => {
    const { problems } = await check(graphOf({ 1: ['Sink', {}, { device: 'gpu:9' }], 2: ['Sink'] }));
    expect(problems.map(sentence)).toEqual(['Sink (node 1): there is no device gpu:9 (no device was opened)']);
  });

  it('walks chains of 20,000 nodes', async () => {
    const length = 20_000;
    const nodes = Object.fromEntries(Array.from({ length }, (_, i) => [`n${i}`, i === 0 ? ['Number', { value: 'x' }] : ['Add', { a: [`n${i - 1}`, 0], b: 1 }]])) as Record<string, [string, Record<string, unknown>]>;
    const { problems } = await check(graphOf({ ...nodes, o: ['Show', { value: [`n${length - 1}`, 0] }] }));
    expect(problems).toMatchObject([{ node: 'n0', dependentOutputs: ['o'] }]);
  });
});

describe('checks of nodes', () => {
  const seen: unknown[] = [];
  const Checked = defineNode({
    type: 'Checked', category: 't', output: true, inputs: { a: { type: INT, max: 5 }, b: { type: FLOAT, max: 5 }, c: { type: STRING, optional: true } }, outputs: [], run: () => [],
    validate: {
      inputs: ['a', 'b'],
      async check(known) {
        seen.push(known);
        return known['a'] === 7 ? 'seven is not wanted' : true;
      },
    },
  });
  const Typed = defineNode({
    type: 'Typed', category: 't', output: true, inputs: { a: { type: IMAGE }, b: { type: INT, optional: true } }, outputs: [], run: () => [],
    validate: { inputs: ['a'], types: true, check: (_known, types) => types['a'] === 'FLOAT' || `Invalid type of a: ${types['a']}` },
  });
  const Broken = defineNode({
    type: 'Broken', category: 't', output: true, inputs: { a: { type: INT } }, outputs: [], run: () => [],
    validate: { inputs: 'all', check: () => { throw new RangeError('oops'); } },
  });
  const nodes = [Checked, Typed, Broken];

  it('get literals as values and links as nothing, and switch the ranges off for what they take', async () => {
    seen.length = 0;
    const { targets, problems } = await check(graphOf({ n: ['Number', { value: 1 }], 1: ['Checked', { a: 9, b: ['n', 0], c: 'x' }], 2: ['Checked', { a: { literal: '7' }, b: 1.5 }] }), { nodes });
    expect(seen).toEqual([{ a: 9, b: undefined }, { a: 7, b: 1.5 }]);
    expect(targets).toEqual([]);
    expect(problems.map(sentence)).toEqual([
      'Checked (node 1), input b: it takes FLOAT, but output 0 of Number (node n) gives INT',
      'Checked (node 2): seven is not wanted',
    ]);
    expect(problems[1]).toMatchObject({ code: 'custom_validation_failed', inputs: ['a', 'b'], reason: 'seven is not wanted' });
  });

  it('replace the match of types when they take them', async () => {
    const { targets, problems } = await check(graphOf({ s: ['Source'], 1: ['Typed', { a: ['s', 2] }], 2: ['Typed', { a: ['s', 1] }] }), { nodes });
    expect(targets).toEqual(['1']);
    expect(problems.map(sentence)).toEqual(['Typed (node 2), input a: Invalid type of a: INT']);
  });

  it('are a problem of the node when they throw', async () => {
    const { problems } = await check(graphOf({ 1: ['Broken', { a: 1 }] }), { nodes });
    expect(problems).toMatchObject([{ code: 'exception_during_validation', exception: { name: 'RangeError', message: 'oops' }, message: 'Broken (node 1): its check failed: oops' }]);
  });
});

describe('registry', () => {
  const node = (type: string, aliases: readonly string[] = []): AnyNode => defineNode({ type, aliases, category: 't', inputs: {}, outputs: [], run: () => [] });

  it('finds by exact name and alias', () => {
    const registry = createRegistry([{ name: 'a', nodes: [node('One', ['Uno'])] }, { name: 'b', nodes: [node('Two')] }]);
    expect(registry.get('Uno')?.type).toBe('One');
    expect(registry.get('one')).toBeUndefined();
    expect(registry.packOf('Two')).toBe('b');
    expect(registry.nearest('oxo')).toEqual([]);
    expect(registry.nearest('tow')).toEqual(['Two']);
    expect(registry.nearest('twoo')).toEqual(['Two']);
    expect(registry.all().map(({ type }) => type)).toEqual(['One', 'Two']);
  });

  it('refuses a name that two nodes claim', () => {
    expect(() => createRegistry([{ name: 'a', nodes: [node('One')] }, { name: 'b', nodes: [node('Two', ['One'])] }])).toThrow(
      'node type One is declared in pack a and in pack b (alias of Two); rename one, or load only one of the packs');
    expect(() => createRegistry([{ name: 'a', nodes: [node('One'), node('One')] }])).toThrow('node type One is declared twice in pack a');
  });
});

describe('fits', () => {
  it.each([
    ['INT', 'INT', true], ['INT', 'FLOAT', false], ['INT', '*', true], ['*', 'INT', true], ['FLOAT', 'IMAGE,FLOAT', true], ['INT', 'IMAGE,FLOAT', false], ['MASK,INT', 'IMAGE,INT', true], ['image', 'IMAGE', false],
  ])('%s to %s: %s', (from, to, expected) => {
    expect(fits({ name: from }, { name: to })).toBe(expected);
  });

  it('knows lists of names', () => {
    expect(fits({ name: 'IMAGE' }, { name: 'x', oneOf: ['IMAGE', 'STRING'] })).toBe(true);
  });
});
