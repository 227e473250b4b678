// What golden pairs do not show: subgraphs, group nodes, older files, dynamic prompts, bypass by type, circles, broken files.
import { describe, expect, test } from 'vitest';
import { promptJson, withInput } from '../../engine/formats/api.ts';
import { pickDynamicPrompt } from '../../engine/formats/dynamic-prompt.ts';
import { jsonOf, plainOf, type Json } from '../../engine/formats/json.ts';
import { readDefinitions } from '../../engine/formats/object-info.ts';
import { convertWorkflow, type ConversionOptions } from '../../engine/formats/workflow.ts';
import { changesBetween, writeValues } from '../../engine/formats/write-values.ts';

const node = (required: object, output: unknown[] = [], more: object = {}) => ({ input: { required, ...more }, output });
const definitions = readDefinitions(jsonOf({
  Load: node({ name: [['a', 'b']] }, ['MODEL', 'IMAGE']),
  Text: node({ text: ['STRING', { multiline: true, dynamicPrompts: true }], model: ['MODEL'] }, ['TEXT']),
  Sample: node({ model: ['MODEL'], seed: ['INT', { default: 0 }], steps: ['INT', { default: 20 }], positive: ['TEXT'] }, ['IMAGE'], { optional: { mask: ['MASK'], note: ['STRING', {}] } }),
  Picture: node({ image: [['x.png'], { image_upload: true }] }, ['IMAGE', 'MASK']),
  Two: node({ first: ['IMAGE'], second: ['MASK'], third: ['MASK'] }, ['MASK', 'IMAGE']),
  Any: node({ mask: ['MASK'], anything: ['*'] }, ['*']),
  Save: node({ images: ['IMAGE'] }),
  SaveMask: node({ mask: ['MASK'] }),
  Forced: node({ strength: ['FLOAT', { forceInput: true }], count: ['INT', {}], text: ['STRING', {}] }),
  NoControl: node({ seed: ['INT', { control_after_generate: false }], steps: ['INT', {}] }),
  Lists: node({ values: ['STRING', {}], choice: ['COMBO', { options: ['p', 'q'], control_after_generate: true }], last: ['BOOLEAN', {}] }),
}));

interface TestNode { id: number | string; type: string; mode?: number; title?: string; inputs?: object[]; outputs?: object[]; widgets_values?: unknown; properties?: object }

function convert(nodes: readonly TestNode[], links: readonly unknown[] = [], more: object = {}, options: ConversionOptions = {}) {
  const { prompt, notices, picks } = convertWorkflow(jsonOf({ nodes, links, ...more, version: 0.4 }), definitions, options);
  const plain = plainOf(promptJson(prompt)) as unknown as Record<string, { inputs: Record<string, unknown>; class_type: string; _meta: { title: string } }>;
  return { inputs: Object.fromEntries(Object.entries(plain).map(([id, { inputs }]) => [id, inputs])), plain, notices, picks };
}

const load = { id: 1, type: 'Load', outputs: [{ name: 'MODEL', type: 'MODEL', links: [] }, { name: 'IMAGE', type: 'IMAGE', links: [] }], widgets_values: ['a'] };
const link = (name: string, type: string, id: number | null) => ({ name, type, link: id });

describe('widget values', () => {
  test('a seed is followed by its control; optional widgets come last; extras of other versions are ignored', () => {
    const { inputs } = convert([{ id: 1, type: 'Sample', widgets_values: [7, 'randomize', 30, 'hello', 'upload', 99] }]);
    expect(inputs[1]).toEqual({ seed: 7, steps: 30, note: 'hello' });
  });

  test('files from before the control existed are read too; what is missing is the default', () => {
    expect(convert([{ id: 1, type: 'Sample', widgets_values: [7, 30] }]).inputs[1]).toEqual({ seed: 7, steps: 30, note: '' });
    expect(convert([{ id: 1, type: 'Sample' }]).inputs[1]).toEqual({ seed: 0, steps: 20, note: '' });
    expect(convert([{ id: 1, type: 'NoControl', widgets_values: [7, 30] }]).inputs[1]).toEqual({ seed: 7, steps: 30 });
  });

  test('values by name, in either key', () => {
    expect(convert([{ id: 1, type: 'Sample', widgets_values: { steps: 5, seed: 6 } }]).inputs[1]).toEqual({ seed: 6, steps: 5, note: '' });
    const named = { id: 1, type: 'Sample', widgets_values: [1, 'fixed', 2, ''], widgets_values_named: { seed: 8, steps: 9 } };
    expect(convert([named]).inputs[1]).toEqual({ seed: 8, steps: 9, note: '' });
  });

  test('the upload button of a picture and the filter of a controlled list are no values', () => {
    const { inputs } = convert([{ id: 1, type: 'Picture', widgets_values: ['y.png', 'image'] }, { id: 2, type: 'Lists', widgets_values: [['1', 0], 'q', 'fixed', '', true] }]);
    expect(inputs[1]).toEqual({ image: 'y.png' });
    expect(inputs[2]).toEqual({ values: { __value__: ['1', 0] }, choice: 'q', last: true });
  });

  test('older files keep an entry for an input that is a socket by force', () => {
    expect(convert([{ id: 1, type: 'Forced', widgets_values: [0.5, 3, 'x'] }]).inputs[1]).toEqual({ count: 3, text: 'x' });
    expect(convert([{ id: 1, type: 'Forced', widgets_values: [3, 'x'] }]).inputs[1]).toEqual({ count: 3, text: 'x' });
  });

  test('a linked widget keeps its place among the values', () => {
    const sample = { id: 2, type: 'Sample', inputs: [link('model', 'MODEL', null), { ...link('seed', 'INT', 1), widget: { name: 'seed' } }], widgets_values: [7, 'fixed', 30, 'n'] };
    const any = { id: 3, type: 'Any', outputs: [{ name: '*', type: '*' }] };
    expect(convert([sample, any], [[1, 3, 0, 2, 1, 'INT']]).inputs[2]).toEqual({ seed: ['3', 0], steps: 30, note: 'n' });
  });

  test('64-bit seeds survive', () => {
    const { prompt } = convertWorkflow(jsonOf({ nodes: [{ id: 1, type: 'Sample', widgets_values: [18446744073709551615n, 'fixed', 1] }], links: [] }), definitions);
    expect(prompt.nodes.get('1')!.inputs.get('seed')).toBe(18446744073709551615n);
  });
});

describe('links', () => {
  const chain = (mode: number, type: string, consumer: TestNode, slot: number) => convert([
    load, { id: 5, type: 'Picture', outputs: [{ name: 'IMAGE', type: 'IMAGE' }, { name: 'MASK', type: 'MASK' }] },
    { id: 2, type, mode, inputs: type === 'Two' ? [link('first', 'IMAGE', 1), link('second', 'MASK', 2), link('third', 'MASK', 3)] : [link('mask', 'MASK', 2), link('anything', '*', 1)], outputs: type === 'Two' ? [{ name: 'MASK', type: 'MASK' }, { name: 'IMAGE', type: 'IMAGE' }] : [{ name: '*', type: '*' }] },
    consumer,
  ], [[1, 1, 1, 2, 0, 'IMAGE'], [2, 5, 1, 2, 1, 'MASK'], [3, 5, 1, 2, 2, 'MASK'], [4, 2, slot, 3, 0, '*']]).inputs[3];

  test('a bypassed node passes the input of the same place if the types agree, else the first of the type', () => {
    expect(chain(4, 'Two', { id: 3, type: 'SaveMask', inputs: [link('mask', 'MASK', 4)] }, 0)).toEqual({ mask: ['5', 1] }); // slot 0 is an IMAGE
    expect(chain(4, 'Two', { id: 3, type: 'Save', inputs: [link('images', 'IMAGE', 4)] }, 1)).toEqual({ images: ['1', 1] }); // slot 1 is a MASK
    expect(chain(4, 'Two', { id: 3, type: 'Text', inputs: [link('model', 'MODEL', 4)] }, 0)).toEqual({ text: '' }); // none fits
    expect(chain(4, 'Any', { id: 3, type: 'Save', inputs: [link('images', 'IMAGE', 4)] }, 0)).toEqual({ images: ['1', 1] }); // `*` fits
    expect(chain(4, 'Two', { id: 3, type: 'Any', inputs: [link('mask', 'MASK', null), link('anything', '*', 4)] }, 1)).toEqual({ anything: ['5', 1] }); // `*` takes the same place
  });

  test('a muted node takes its consumers\' inputs with it, and says so', () => {
    const { inputs, notices } = convert([{ ...load, mode: 2 }, { id: 3, type: 'Save', inputs: [link('images', 'IMAGE', 1)] }], [[1, 1, 1, 3, 0, 'IMAGE']]);
    expect(inputs).toEqual({ 3: {} });
    expect(notices).toEqual(['node 3 (Save), input images: dropped, for node 1 (Load) is muted']);
  });

  test('a primitive writes its value through reroutes', () => {
    const { inputs } = convert([
      { id: 1, type: 'PrimitiveNode', outputs: [{ name: 'INT', type: 'INT', links: [1] }], widgets_values: [42, 'fixed'] },
      { id: 2, type: 'Reroute', inputs: [link('', '*', 1)], outputs: [{ name: '', type: 'INT', links: [2] }] },
      { id: 3, type: 'Sample', inputs: [{ ...link('steps', 'INT', 2), widget: { name: 'steps' } }], widgets_values: [1, 'fixed', 2] },
    ], [[1, 1, 0, 2, 0, '*'], [2, 2, 0, 3, 0, 'INT']]);
    expect(inputs).toEqual({ 3: { seed: 1, steps: 42, note: '' } });
  });

  test('a circle of reroutes is an error that names the node', () => {
    const reroute = (id: number, from: number) => ({ id, type: 'Reroute', inputs: [link('', '*', from)], outputs: [{ name: '', type: '*' }] });
    expect(() => convert([reroute(1, 1), reroute(2, 2), { id: 3, type: 'Save', inputs: [link('images', 'IMAGE', 3)] }], [[1, 2, 0, 1, 0, '*'], [2, 1, 0, 2, 0, '*'], [3, 1, 0, 3, 0, '*']]))
      .toThrow('node 3 (Save), input images: its link runs in a circle');
  });

  test('20,000 reroutes in a row are followed', () => {
    const count = 20_000;
    const reroutes = Array.from({ length: count }, (_, i) => ({ id: i + 10, type: 'Reroute', inputs: [link('', '*', i + 1)], outputs: [{ name: '', type: '*' }] }));
    const links = reroutes.map((_, i) => [i + 1, i === 0 ? 1 : i + 9, i === 0 ? 1 : 0, i + 10, 0, 'IMAGE']);
    const { inputs } = convert([load, ...reroutes, { id: 2, type: 'Save', inputs: [link('images', 'IMAGE', count + 1)] }], [...links, [count + 1, count + 9, 0, 2, 0, 'IMAGE']]);
    expect(inputs[2]).toEqual({ images: ['1', 1] });
  });

  test('links that lead nowhere are dropped with a notice; null links and odd entries are tolerated', () => {
    const { inputs, notices } = convert([{ id: 3, type: 'Save', inputs: [link('images', 'IMAGE', 7)] }, { id: 4, type: 'SaveMask', inputs: [link('mask', 'MASK', 8)] }], [null, [7, 99, 0, 3, 0, 'IMAGE'], 'x', []]);
    expect(inputs).toEqual({ 3: {}, 4: {} });
    expect(notices).toEqual(['node 3 (Save), input images: dropped, for link 7 comes from node 99, which is not in the file', 'node 4 (SaveMask), input mask: dropped, for link 8 is not in the file']);
  });

  test('schema 1: links as objects, ids as texts', () => {
    const { inputs } = convert([{ ...load, id: 'loader' }, { id: 'end', type: 'Save', inputs: [link('images', 'IMAGE', 1)] }], [{ id: 1, origin_id: 'loader', origin_slot: 1, target_id: 'end', target_slot: 0, type: 'IMAGE' }], { version: 1, state: {} });
    expect(inputs).toEqual({ loader: { name: 'a' }, end: { images: ['loader', 1] } });
  });

  test('a node of unknown type is passed on with its links and named values', () => {
    const { plain, notices } = convert([load, { id: 2, type: 'Vanished', title: 'Old', inputs: [link('image', 'IMAGE', 1)], widgets_values: { scale: 2 } }], [[1, 1, 1, 2, 0, 'IMAGE']]);
    expect(plain[2]).toEqual({ class_type: 'Vanished', inputs: { scale: 2, image: ['1', 1] }, _meta: { title: 'Old' } });
    expect(notices).toEqual(['node 2: the type "Vanished" is unknown, so only its links could be read']);
  });
});

describe('subgraphs', () => {
  const uuid = '6c5f7a4e-0000-4000-8000-000000000001';
  const inner = {
    id: uuid, name: 'Draw', inputs: [{ id: 'i0', name: 'model', type: 'MODEL', linkIds: [1, 2] }, { id: 'i1', name: 'text', type: 'STRING', linkIds: [3] }], outputs: [{ id: 'o0', name: 'IMAGE', type: 'IMAGE', linkIds: [5] }],
    inputNode: { id: -10 }, outputNode: { id: -20 },
    nodes: [
      { id: 2, type: 'Sample', inputs: [link('model', 'MODEL', 2), link('positive', 'TEXT', 4)], widgets_values: [3, 'fixed', 9] },
      { id: 1, type: 'Text', inputs: [link('model', 'MODEL', 1), { ...link('text', 'STRING', 3), widget: { name: 'text' } }], widgets_values: ['inner text'] },
    ],
    links: [
      { id: 1, origin_id: -10, origin_slot: 0, target_id: 1, target_slot: 0, type: 'MODEL' }, { id: 2, origin_id: -10, origin_slot: 0, target_id: 2, target_slot: 0, type: 'MODEL' },
      { id: 3, origin_id: -10, origin_slot: 1, target_id: 1, target_slot: 1, type: 'STRING' }, { id: 4, origin_id: 1, origin_slot: 0, target_id: 2, target_slot: 1, type: 'TEXT' },
      { id: 5, origin_id: 2, origin_slot: 0, target_id: -20, target_slot: 0, type: 'IMAGE' },
    ],
  };
  const outer = (instance: object, subgraphs: object[] = [inner]) => convert([
    load,
    { id: 7, type: uuid, inputs: [link('model', 'MODEL', 1), { ...link('text', 'STRING', null), widget: { name: 'text' } }], outputs: [{ name: 'IMAGE', type: 'IMAGE' }], ...instance } as TestNode,
    { id: 8, type: 'Save', inputs: [link('images', 'IMAGE', 2)] },
  ], [[1, 1, 0, 7, 0, 'MODEL'], [2, 7, 0, 8, 0, 'IMAGE']], { definitions: { subgraphs } });

  test('inner nodes run under the ids of their instances, and links cross its walls', () => {
    expect(outer({ widgets_values: [] }).inputs).toEqual({
      1: { name: 'a' }, 8: { images: ['7:2', 0] },
      '7:2': { seed: 3, steps: 9, note: '', model: ['1', 0], positive: ['7:1', 0] },
      '7:1': { text: 'inner text', model: ['1', 0] },
    });
  });

  test('an instance\'s widget decides where its input is unlinked', () => {
    expect(outer({ widgets_values: ['from outside'] }).inputs['7:1']).toEqual({ text: 'from outside', model: ['1', 0] });
  });

  test('promoted widgets (proxyWidgets) reach inner nodes that no input leads to', () => {
    const { inputs } = outer({ properties: { proxyWidgets: [['-1', 'text'], ['2', 'steps']] }, widgets_values: ['hello', 77] });
    expect(inputs['7:1']).toMatchObject({ text: 'hello' });
    expect(inputs['7:2']).toMatchObject({ steps: 77, seed: 3 });
  });

  test('a muted instance takes its inside with it; a bypassed one passes links on by type', () => {
    expect(outer({ mode: 2 }).inputs).toEqual({ 1: { name: 'a' }, 8: {} });
    expect(outer({ mode: 4 }).inputs).toEqual({ 1: { name: 'a' }, 8: {} }); // no IMAGE comes in
  });

  test('a file that leaves unlinked widget inputs out is matched by name', () => {
    const { inputs } = outer({ inputs: [link('model', 'MODEL', 1)], widgets_values: ['kept'] });
    expect(inputs['7:1']).toEqual({ text: 'kept', model: ['1', 0] });
  });

  test('subgraphs nest, and values reach through two walls', () => {
    const shell = {
      id: 'shell', name: 'Shell', inputs: [{ name: 'model', type: 'MODEL' }, { name: 'words', type: 'STRING' }], outputs: [{ name: 'IMAGE', type: 'IMAGE' }],
      nodes: [{ id: 3, type: uuid, inputs: [link('model', 'MODEL', 1), { ...link('text', 'STRING', 2), widget: { name: 'text' } }] }],
      links: [{ id: 1, origin_id: -10, origin_slot: 0, target_id: 3, target_slot: 0 }, { id: 2, origin_id: -10, origin_slot: 1, target_id: 3, target_slot: 1 }, { id: 3, origin_id: 3, origin_slot: 0, target_id: -20, target_slot: 0 }],
    };
    const { inputs } = outer({ type: 'shell', inputs: [link('model', 'MODEL', 1)], widgets_values: ['deep'] }, [inner, shell]);
    expect(inputs['7:3:1']).toEqual({ text: 'deep', model: ['1', 0] });
    expect(inputs[8]).toEqual({ images: ['7:3:2', 0] });
  });

  test('one that contains itself is refused', () => {
    const endless = { id: 'endless', name: 'Endless', inputs: [], outputs: [], nodes: [{ id: 1, type: 'endless' }], links: [] };
    expect(() => outer({ type: 'endless' }, [endless])).toThrow('subgraph "Endless" contains itself (node 7:1)');
  });
});

describe('group nodes', () => {
  const group = {
    nodes: [
      { type: 'Text', inputs: [link('model', 'MODEL', null)], outputs: [{ name: 'TEXT', type: 'TEXT' }], widgets_values: ['inner'] },
      { type: 'Sample', inputs: [link('model', 'MODEL', null), link('positive', 'TEXT', null), { ...link('steps', 'INT', null), widget: { name: 'steps' } }], outputs: [{ name: 'IMAGE', type: 'IMAGE' }], widgets_values: [1, 'fixed', 2] },
    ],
    links: [[0, 0, 1, 1, 5, 'TEXT'], [null, 0, 0, 0, 4, 'MODEL']], external: [], config: { 0: { input: { text: { name: 'prompt' } } } },
  };

  test('become their inner nodes: widgets by order, inputs by name', () => {
    const { inputs } = convert([
      load,
      { id: 7, type: 'workflow>Draw', inputs: [link('model', 'MODEL', 1), link('Sample model', 'MODEL', 2), { ...link('steps', 'INT', null), widget: { name: 'steps' } }], outputs: [{ name: 'IMAGE', type: 'IMAGE' }], widgets_values: ['a text', 99, 'randomize', 'a note'] },
      { id: 8, type: 'Save', inputs: [link('images', 'IMAGE', 3)] },
    ], [[1, 1, 0, 7, 0, 'MODEL'], [2, 1, 0, 7, 1, 'MODEL'], [3, 7, 0, 8, 0, 'IMAGE']], { extra: { groupNodes: { Draw: group } } });
    expect(inputs).toEqual({
      1: { name: 'a' }, 8: { images: ['7:1', 0] },
      '7:0': { text: 'a text', model: ['1', 0] },
      '7:1': { seed: 99, steps: 2, note: 'a note', model: ['1', 0], positive: ['7:0', 0] },
    });
  });
});

test('a primitive inside a group takes the value that the group shows', () => {
  const group = {
    nodes: [
      { type: 'PrimitiveNode', title: 'Count', outputs: [{ name: 'INT', type: 'INT' }], widgets_values: [5, 'fixed'] },
      { type: 'NoControl', inputs: [{ ...link('steps', 'INT', null), widget: { name: 'steps' } }], widgets_values: [1, 2] },
    ],
    links: [[0, 0, 1, 0]],
  };
  const { inputs } = convert([{ id: 7, type: 'workflow/Count', widgets_values: [33, 'fixed', 44] }], [], { extra: { groupNodes: { Count: group } } });
  expect(inputs).toEqual({ '7:1': { seed: 44, steps: 33 } });
});

describe('dynamic prompts', () => {
  const text = (value: string) => ({ id: 1, type: 'Text', widgets_values: [value] });

  test('are picked, the same each time, and recorded', () => {
    const first = convert([text('a {red|blue} ball')]);
    expect(['a red ball', 'a blue ball']).toContain(first.inputs[1]!['text']);
    expect(first.picks).toEqual([{ node: '1', input: 'text', written: 'a {red|blue} ball', picked: first.inputs[1]!['text'] }]);
    expect(convert([text('a {red|blue} ball')]).picks).toEqual(first.picks);
  });

  test('a seed decides, and every choice turns up', () => {
    const picked = Array.from({ length: 60 }, (_, seed) => pickDynamicPrompt('{a|b|{c|d}}{|!}', BigInt(seed)));
    expect([...new Set(picked)].sort()).toEqual(['a', 'a!', 'b', 'b!', 'c', 'c!', 'd', 'd!']);
    expect(pickDynamicPrompt('{a|b}', 5n)).toBe(pickDynamicPrompt('{a|b}', 5n));
  });

  test.each([
    ['no choice', 'no choice'], ['\\{a\\|b\\}', '{a|b}'], ['a | b }', 'a | b }'], ['{only}', 'only'], ['x // gone\ny', 'x \ny'], ['x /* a\nb */y', 'x y'], ['', ''], ['{', ''], ['end\\', 'end\\'],
  ])('%j is %j', (written, picked) => expect(pickDynamicPrompt(written)).toBe(picked));

  test('only widgets that ask for it are read so', () => {
    expect(convert([{ id: 1, type: 'Sample', widgets_values: [1, 'fixed', 2, '{a|b}'] }]).inputs[1]!['note']).toBe('{a|b}');
  });
});

describe('broken files', () => {
  test.each([
    [5, 'a workflow is an object with a list of nodes, got the number 5'],
    [{ nodes: {} }, 'workflow: "nodes" must be a list, got an object'],
    [{ nodes: [5] }, 'workflow: nodes[0] must be an object, got the number 5'],
    [{ nodes: [{ id: 1 }] }, 'workflow: nodes[0] needs a text "type", got nothing'],
    [{ nodes: [{ type: 'Save' }] }, 'workflow: nodes[0] (Save) has no id'],
    [{ nodes: [{ id: 1, type: 'Save' }, { id: '1', type: 'Save' }] }, 'workflow: two nodes have the id 1'],
    [{ nodes: [{ id: 1, type: 'Save', inputs: 'x' }] }, 'node 1: "inputs" must be a list, got the text "x"'],
    [{ nodes: [], definitions: { subgraphs: [{}] } }, 'definitions.subgraphs: an entry has no id'],
  ])('%j is refused', (workflow, message) => expect(() => convertWorkflow(jsonOf(workflow), definitions)).toThrow(message));

  test('one bad definition harms only its own nodes', () => {
    const some = readDefinitions(jsonOf({ Bad: 5, Save: node({ images: ['IMAGE'] }) }));
    expect(some('Save')?.inputs).toHaveLength(1);
    expect(() => some('Bad')).toThrow('object_info of Bad must be an object, got the number 5');
  });

  test('a server that sorts its keys does no harm: input_order decides', () => {
    const sorted = readDefinitions(jsonOf({ A: { input: { required: { a: ['INT'], b: ['INT'] } }, input_order: { required: ['b', 'a', 'gone'] } } }));
    expect(sorted('A')!.inputs.map(({ name }) => name)).toEqual(['b', 'a']);
  });
});

describe('writing values back', () => {
  const workflow = (values: unknown) => jsonOf({
    nodes: [
      { id: 1, type: 'PrimitiveNode', outputs: [{ name: 'INT', type: 'INT', links: [5] }], widgets_values: [42, 'fixed'] },
      { id: 3, type: 'Sample', inputs: [{ ...link('steps', 'INT', 5), widget: { name: 'steps' } }], widgets_values: values },
    ],
    links: [[5, 1, 0, 3, 0, 'INT']],
  });
  const inputs = (json: Json) => plainOf(promptJson(convertWorkflow(json, definitions).prompt)) as unknown as Record<string, { inputs: unknown }>;

  test.each([[[7, 'randomize', 30, 'old']], [[7, 30, 'old']], [[7]], [[]], [undefined], [{ seed: 7, steps: 30, note: 'old' }]])('the values are read again from %j', (values) => {
    const written = writeValues(workflow(values), [{ node: '3', input: 'seed', value: 9n }, { node: '3', input: 'note', value: 'new' }], definitions);
    expect(inputs(written)[3]!.inputs).toEqual({ seed: 9, steps: 42, note: 'new' });
  });

  test('a set input loses its link, at both ends and in the table', () => {
    const written = writeValues(workflow([7, 'fixed', 30, '']), [{ node: '3', input: 'steps', value: 5n }], definitions);
    expect(inputs(written)[3]!.inputs).toEqual({ seed: 7, steps: 5, note: '' });
    expect(JSON.stringify(plainOf(written))).toContain('"links":[]}],"widgets_values":[42');
    expect((plainOf(written) as { links: unknown }).links).toEqual([]);
  });

  test('what changed between two prompts is found, and written back it makes the second', () => {
    const before = convertWorkflow(workflow([7, 'fixed', 30, '']), definitions).prompt;
    const after = withInput(withInput(before, '3', 'note', ['a', 'b']), '3', 'seed', 8n);
    const changes = changesBetween(before, after);
    expect(changes).toEqual([{ node: '3', input: 'seed', value: 8n }, { node: '3', input: 'note', value: ['a', 'b'] }]);
    expect(promptJson(convertWorkflow(writeValues(workflow([7, 'fixed', 30, '']), changes, definitions), definitions).prompt)).toEqual(promptJson(after));
  });
});
