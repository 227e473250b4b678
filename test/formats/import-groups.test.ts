// Old group nodes written as subgraphs: a run is the same before and after, what is not known stays, and doing it twice changes nothing.
import { describe, expect, test } from 'vitest';
import { promptJson } from '../../engine/formats/api.ts';
import { importGroupNodes } from '../../engine/formats/import-groups.ts';
import { encodeJson, jsonOf, plainOf, type JsonObject } from '../../engine/formats/json.ts';
import { readDefinitions } from '../../engine/formats/object-info.ts';
import { convertWorkflow } from '../../engine/formats/workflow.ts';

const node = (required: object, output: unknown[] = [], more: object = {}) => ({ input: { required, ...more }, output });
const definitions = readDefinitions(jsonOf({
  Load: node({ name: [['a', 'b']] }, ['MODEL', 'IMAGE']),
  Text: node({ text: ['STRING', { multiline: true }], model: ['MODEL'] }, ['TEXT']),
  Sample: node({ model: ['MODEL'], seed: ['INT', { default: 0 }], steps: ['INT', { default: 20 }], positive: ['TEXT'] }, ['IMAGE'], { optional: { note: ['STRING', {}] } }),
  Save: node({ images: ['IMAGE'] }),
  Steps: node({ steps: ['INT', {}] }, ['INT']),
}));

const input = (name: string, type: string, link: number | null = null, more: object = {}) => ({ name, type, link, ...more });
const file = (nodes: object[], links: unknown[], groupNodes: object, more: object = {}) => jsonOf({ last_node_id: 9, last_link_id: 9, nodes, links, groups: [], config: {}, extra: { ds: { scale: 1 }, groupNodes }, version: 0.4, ...more }) as JsonObject;
const api = (json: JsonObject) => plainOf(promptJson(convertWorkflow(json, definitions).prompt)) as unknown as Record<string, { class_type: string; inputs: Record<string, unknown> }>;
const inputsOf = (json: JsonObject) => Object.fromEntries(Object.entries(api(json)).map(([id, { inputs }]) => [id, inputs]));

const load = { id: 1, type: 'Load', outputs: [{ name: 'MODEL', type: 'MODEL', links: [1, 2] }, { name: 'IMAGE', type: 'IMAGE', links: [] }], widgets_values: ['a'] };
const save = { id: 8, type: 'Save', inputs: [input('images', 'IMAGE', 3)] };
const draw = {
  nodes: [
    { type: 'Text', pos: [0, 0], size: { 0: 200, 1: 100 }, inputs: [input('model', 'MODEL')], outputs: [{ name: 'TEXT', type: 'TEXT', links: [] }], widgets_values: ['inner'], properties: { kept: true }, color: '#322' },
    { type: 'Sample', pos: [300, 0], inputs: [input('model', 'MODEL'), input('positive', 'TEXT'), input('steps', 'INT', null, { widget: { name: 'steps' } })], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [] }], widgets_values: [1, 'fixed', 2] },
  ],
  links: [[0, 0, 1, 1, 5, 'TEXT'], [null, 0, 0, 0, 4, 'MODEL']], external: [], config: { 0: { input: { text: { name: 'prompt' } } } },
};
const instance = { id: 7, type: 'workflow>Draw', pos: [10, 20], mode: 0, inputs: [input('model', 'MODEL', 1), input('Sample model', 'MODEL', 2), input('steps', 'INT', null, { widget: { name: 'steps' } })], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [3] }], widgets_values: ['a text', 99, 'randomize', 'a note'] };
const links = [[1, 1, 0, 7, 0, 'MODEL'], [2, 1, 0, 7, 1, 'MODEL'], [3, 7, 0, 8, 0, 'IMAGE']];
const primitive = {
  nodes: [
    { type: 'PrimitiveNode', title: 'Count', outputs: [{ name: 'INT', type: 'INT' }], widgets_values: [5, 'fixed'] },
    { type: 'Steps', inputs: [input('steps', 'INT', null, { widget: { name: 'steps' } })], outputs: [{ name: 'INT', type: 'INT' }], widgets_values: [1] },
    { type: 'Steps', inputs: [input('steps', 'INT', null, { widget: { name: 'steps' } })], outputs: [{ name: 'INT', type: 'INT' }], widgets_values: [2] },
  ],
  links: [[0, 0, 1, 0], [0, 0, 2, 0]],
};

const cases: Readonly<Record<string, JsonObject>> = {
  'widgets, sockets, a converted widget': file([load, instance, save], links, { Draw: draw }),
  'the other spelling': file([load, { ...instance, type: 'workflow/Draw' }, save], links, { Draw: draw }),
  'values by name': file([load, { ...instance, widgets_values: undefined, widgets_values_named: { prompt: 'named', seed: 3 } }, save], links, { Draw: draw }),
  'two instances': file([load, instance, { ...instance, id: 6, widgets_values: ['another', 5, 'fixed', ''], inputs: [], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [4] }] }, save, { ...save, id: 9, inputs: [input('images', 'IMAGE', 4)] }], [...links, [4, 6, 0, 9, 0, 'IMAGE']], { Draw: draw }),
  'a muted one': file([load, { ...instance, mode: 2 }, save], links, { Draw: draw }),
  'a bypassed one': file([load, { ...instance, mode: 4 }, save], links, { Draw: draw }),
  'a primitive inside that feeds two': file([{ id: 7, type: 'workflow/Count', widgets_values: [33, 'fixed'], outputs: [{ name: 'INT', type: 'INT' }, { name: 'INT', type: 'INT' }] }], [], { Count: primitive }),
  'one in another': file([{ id: 7, type: 'workflow/Outer', inputs: [input('model', 'MODEL', 1)], widgets_values: [4], outputs: [] }, load], [[1, 1, 0, 7, 0, 'MODEL']], {
    Draw: draw, Outer: { nodes: [{ ...instance, inputs: [input('model', 'MODEL'), input('Sample model', 'MODEL')], outputs: [{ name: 'IMAGE', type: 'IMAGE' }] }, { type: 'Save', inputs: [input('images', 'IMAGE')] }, { type: 'Steps', outputs: [{ name: 'INT', type: 'INT' }], widgets_values: [9] }], links: [[0, 0, 1, 0, 7, 'IMAGE']] },
  }),
  'one in a subgraph': file([{ id: 3, type: 'box', inputs: [] }], [], { Draw: draw }, { definitions: { subgraphs: [{ id: 'box', name: 'Box', inputs: [], outputs: [], nodes: [{ ...instance, inputs: [], outputs: [] }], links: [] }] } }),
};

describe('a group node written as a subgraph', () => {
  test.each(Object.entries(cases))('runs the same: %s', (_, before) => {
    const { json, imported, kept } = importGroupNodes(before, definitions);
    expect(imported.length).toBeGreaterThan(0);
    expect(kept).toEqual([]);
    expect(encodeJson(json)).not.toMatch(/workflow[>/]|groupNodes/);
    expect(api(json)).toEqual(api(before));
  });

  test('its definition keeps what its nodes had, and its instance a value for each widget', () => {
    const { json } = importGroupNodes(cases['widgets, sockets, a converted widget']!, definitions);
    const plain = plainOf(json) as unknown as { nodes: Record<string, unknown>[]; definitions: { subgraphs: { id: string; name: string; nodes: Record<string, unknown>[]; inputs: { name: string; linkIds: number[] }[]; links: Record<string, unknown>[] }[] }; extra: object };
    const [definition] = plain.definitions.subgraphs;
    expect(definition!.id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-8[\da-f]{3}-[\da-f]{12}$/);
    expect(definition!.name).toBe('Draw');
    expect(definition!.inputs.map(({ name }) => name)).toEqual(['prompt', 'model', 'seed', 'note', 'Sample model', 'steps']);
    expect(definition!.nodes[0]).toMatchObject({ id: 0, pos: [0, 0], color: '#322', properties: { kept: true }, widgets_values: ['inner'] });
    // the converted widget shows its inside's value: the group held none for it
    expect(plain.nodes[1]).toMatchObject({ id: 7, type: definition!.id, pos: [10, 20], widgets_values: ['a text', 99, 'a note', null] });
    expect(plain.extra).toEqual({ ds: { scale: 1 } });
    expect(inputsOf(json)['7:1']).toEqual({ seed: 99, steps: 2, note: 'a note', model: ['1', 0], positive: ['7:0', 0] });
  });

  test('is the same each time, and done once is enough', () => {
    const before = cases['widgets, sockets, a converted widget']!;
    const { json } = importGroupNodes(before, definitions);
    expect(encodeJson(importGroupNodes(before, definitions).json)).toBe(encodeJson(json));
    expect(importGroupNodes(json, definitions)).toEqual({ json, imported: [], kept: [] });
  });
});

describe('stays as it is', () => {
  test('a group with a type that is not installed, also inside another; those that are known are written', () => {
    const odd = { nodes: [{ type: 'Unheard', widgets_values: [1] }], links: [] };
    const around = { nodes: [{ type: 'workflow>Odd' }], links: [] };
    const before = file([load, instance, save, { id: 2, type: 'workflow>Odd' }, { id: 3, type: 'workflow/Around' }], links, { Draw: draw, Odd: odd, Around: around, Unused: draw });
    const { json, imported, kept } = importGroupNodes(before, definitions);
    expect([imported, kept]).toEqual([['Draw'], ['Odd', 'Around']]);
    expect(plainOf(json)).toMatchObject({ extra: { groupNodes: { Odd: odd, Around: around, Unused: draw } } });
    expect((json.get('nodes') as readonly JsonObject[])[3]).toBe((before.get('nodes') as readonly JsonObject[])[3]);
  });
  test('a group that holds itself, a file of a broken shape, a file without groups', () => {
    const endless = file([{ id: 2, type: 'workflow>Endless' }], [], { Endless: { nodes: [{ type: 'workflow>Endless' }], links: [] } });
    expect(importGroupNodes(endless, definitions)).toEqual({ json: endless, imported: [], kept: ['Endless'] });
    const broken = file([{ id: 2, type: 'workflow>X' }], [], { X: { nodes: 5, links: [] } });
    expect(importGroupNodes(broken, definitions).json).toBe(broken);
    const plain = jsonOf({ nodes: [load], links: [] }) as JsonObject;
    expect(importGroupNodes(plain, definitions).json).toBe(plain);
  });
});
