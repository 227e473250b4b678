// The API form: what counts as a link, what comes back, and what a wrong shape is told.
import { describe, expect, test } from 'vitest';
import { findNode, fromGraph, isApiForm, linkOf, parsePrompt, promptJson, toGraph, withInput } from '../../engine/formats/api.ts';
import { applyForm, readForm } from '../../engine/formats/forms.ts';
import { encodeJson, jsonOf, parseJson, type Json } from '../../engine/formats/json.ts';
import { isWorkflow } from '../../engine/formats/workflow-file.ts';
import type { Graph } from '../../engine/graph/graph.ts';

const written = '{"10":{"inputs":{"seed":18446744073709551615,"cfg":8.0,"model":["2",0],"list":{"__value__":["2",0]},"bad":[2,0]},"class_type":"KSampler","_meta":{"title":"Sampler","device":"cpu:1"}},"2":{"inputs":{},"class_type":"Load"}}';

describe('API form', () => {
  test('comes back as it was written', () => {
    expect(encodeJson(promptJson(parsePrompt(parseJson(written))))).toBe(written);
  });

  test('becomes a graph in which wrapped lists are literals and lists that are no links are named', () => {
    const { graph, badLinks } = toGraph(parsePrompt(parseJson(written)));
    const asGraph: Graph = graph; // the engine's own type
    const node = asGraph.nodes.get('10')!;
    expect([...asGraph.nodes.keys()]).toEqual(['10', '2']);
    expect(node).toMatchObject({ id: '10', type: 'KSampler', title: 'Sampler', device: 'cpu:1' });
    expect([...node.inputs]).toEqual([
      ['seed', { literal: 18446744073709551615n }], ['cfg', { literal: 8 }], ['model', { link: { node: '2', output: 0 } }],
      ['list', { literal: ['2', 0n] }], ['bad', { link: { node: '', output: -1 } }],
    ]);
    expect(badLinks).toEqual([{ node: '10', input: 'bad', received: [2n, 0n] }]);
  });

  test('a graph written and read again is the same graph', () => {
    const { graph } = toGraph(parsePrompt(parseJson(written.replace(',"bad":[2,0]', ''))));
    expect(toGraph(parsePrompt(promptJson(fromGraph(graph)))).graph).toEqual(graph);
  });

  test.each([
    ['["4", 0]', true], ['["4", 1.0]', true], ['[4, 0]', false], ['["4", "0"]', false], ['["4"]', false], ['["4", 0, 0]', false],
    ['["4", -1]', false], ['["4", 0.5]', false], ['"4"', false], ['{"0":"4","1":0}', false], ['["4", 18446744073709551615]', false],
  ])('%s is a link: %s', (text, is) => expect(linkOf(parseJson(text)) !== undefined).toBe(is));

  test('tells the two forms apart', () => {
    const kinds = (value: unknown) => [isApiForm(jsonOf(value)), isWorkflow(jsonOf(value))];
    expect(kinds({ 1: { class_type: 'A', inputs: {} } })).toEqual([true, false]);
    expect(kinds({ 1: { class_type: 'A', inputs: {} }, 2: { inputs: {} } })).toEqual([true, false]);
    expect(kinds({ nodes: [], links: [] })).toEqual([false, true]);
    for (const other of [{}, [], 5, 'x', { 1: { class_type: 'A' }, note: 'x' }]) expect(kinds(other)).toEqual([false, false]);
  });

  test.each([
    ['[]', 'a prompt is an object of nodes by id, got a list of 0'],
    ['{"1": 5}', 'node "1": expected an object with class_type and inputs, got the number 5'],
    ['{"1": {"class_type": 5}}', 'node "1": class_type must be a text, got the number 5'],
    ['{"1": {"class_type": "A", "inputs": ["x"]}}', 'node "1": inputs must be an object of values by name, got a list of 1'],
  ])('refuses %s', (text, message) => expect(() => parsePrompt(parseJson(text))).toThrow(message));

  test('finds nodes by id, else by a title that is unique', () => {
    const prompt = parsePrompt(jsonOf({ 1: { class_type: 'A', _meta: { title: 'Cat' } }, 2: { class_type: 'A', _meta: { title: 'Dog' } }, 3: { class_type: 'A', _meta: { title: 'Dog' } } }));
    expect(findNode(prompt, '3')).toBe('3');
    expect(findNode(prompt, 'Cat')).toBe('1');
    expect(() => findNode(prompt, 'Dog')).toThrow('2 nodes have the title "Dog": use an id, one of 2, 3');
    expect(() => findNode(prompt, '7')).toThrow('no node has the id or title "7"; the nodes are 1 (Cat), 2 (Dog), 3 (Dog)');
  });

  test('withInput replaces a link, wraps lists and leaves the original alone', () => {
    const prompt = parsePrompt(parseJson(written));
    const changed = withInput(prompt, '10', 'model', [1n]);
    expect(changed.nodes.get('10')!.inputs.get('model')).toEqual(new Map([['__value__', [1n]]]));
    expect(prompt.nodes.get('10')!.inputs.get('model')).toEqual(['2', 0n]);
  });
});

describe('forms', () => {
  const workflow = (form: unknown) => jsonOf({ nodes: [], extra: { bagelgraph: { form } } });
  const prompt = parsePrompt(jsonOf({ 1: { class_type: 'A', inputs: { text: 'x' } } }));

  test('set inputs by name', () => {
    const form = readForm(workflow({ inputs: [{ name: 'prompt', node: 1, input: 'text' }], outputs: [{ name: 'image', node: '9' }] }))!;
    expect(form.outputs).toEqual([{ name: 'image', node: '9' }]);
    expect(applyForm(prompt, form, { prompt: 'a cat' }).nodes.get('1')!.inputs.get('text')).toBe('a cat');
  });

  test('an unknown name is answered with the names there are; a muted node is named', () => {
    const form = readForm(workflow({ inputs: [{ name: 'prompt', node: '1', input: 'text' }, { name: 'seed', node: '7', input: 'seed' }] }))!;
    expect(() => applyForm(prompt, form, { promt: 'x' })).toThrow('the form has no input "promt"; its inputs are prompt, seed');
    expect(() => applyForm(prompt, form, { seed: 5n })).toThrow('the form\'s input "seed" belongs to node 7, which is not in the workflow or is muted');
  });

  test('a workflow without a form has none', () => {
    for (const json of [jsonOf({ nodes: [] }), null, jsonOf({ extra: {} })] as Json[]) expect(readForm(json)).toBeUndefined();
  });

  test.each([
    [[], 'extra.bagelgraph.form must be an object with inputs and outputs, got a list of 0'],
    [{ inputs: 5 }, 'extra.bagelgraph.form.inputs must be a list, got the number 5'],
    [{ inputs: [{ name: 'a', node: '1' }] }, 'extra.bagelgraph.form.inputs[0] needs a text "input", got nothing'],
    [{ outputs: [{ name: 'a', node: '1' }, { name: 'a', node: '2' }] }, 'extra.bagelgraph.form.outputs names "a" twice'],
  ])('refuses %j', (form, message) => expect(() => readForm(workflow(form))).toThrow(message));
});
