// Old group nodes in the editor: opened as subgraphs, with their values; edits reach the run; what is not installed is kept.
import { expect, test } from 'vitest';
import { encodeJson, jsonOf, plainOf } from '../../../engine/formats/json.ts';
import { promptJson } from '../../../engine/formats/api.ts';
import { convertWorkflow } from '../../../engine/formats/workflow.ts';
import { runCommand } from '../../../ui/state/commands/commands.ts';
import { rootLayer } from '../../../ui/state/document.ts';
import { History } from '../../../ui/state/history.ts';
import { readWorkflowText } from '../../../ui/state/read-any.ts';
import { inputSlots, titleOf, valueOf } from '../../../ui/state/slots.ts';
import { writeDocument } from '../../../ui/state/write-file.ts';
import { comfyTypes } from './files.ts';
import { brokenRules } from './invariants.ts';

const socket = (name: string, type: string, link: number | null = null) => ({ name, type, link });
/** As the old editor saved it: nodes without ids, links by index, two groups of which one is used. */
const group = {
  nodes: [
    { type: 'ImageSharpen', pos: [0, 0], size: { 0: 270, 1: 106 }, flags: {}, order: 1, mode: 0, inputs: [socket('image', 'IMAGE')], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [] }], properties: {}, widgets_values: [1, 1, 1], index: 0 },
    { type: 'SaveImage', pos: [320, 0], size: { 0: 270, 1: 58 }, flags: {}, order: 2, mode: 0, inputs: [socket('images', 'IMAGE')], properties: {}, widgets_values: ['inner'], index: 1 },
  ],
  links: [[null, 0, 0, 0, 3, 'IMAGE'], [0, 0, 1, 0, 4, 'IMAGE']], external: [], config: { 1: { input: { filename_prefix: { name: 'name' } } } },
};
const file = JSON.stringify({
  last_node_id: 12, last_link_id: 8,
  nodes: [
    { id: 10, type: 'ImageInvert', pos: [0, 0], size: [270, 60], flags: {}, order: 0, mode: 0, inputs: [socket('image', 'IMAGE')], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [8] }], properties: {} },
    { id: 12, type: 'workflow>Sharp', pos: [300, 0], size: [270, 200], flags: {}, order: 1, mode: 0, inputs: [socket('image', 'IMAGE', 8)], outputs: [], properties: {}, widgets_values: [7, 0.5, 2.5, 'out'] },
  ],
  links: [[8, 10, 0, 12, 0, 'IMAGE']], groups: [], config: {}, extra: { groupNodes: { Sharp: group, Unused: group } }, version: 0.4,
});
const read = () => readWorkflowText(file, comfyTypes);
const api = (history: History) => plainOf(promptJson(convertWorkflow(writeDocument(history.document, comfyTypes), comfyTypes.definitions).prompt)) as unknown as Record<string, { inputs: object }>;

test('a group node is opened as a subgraph with its values', () => {
  const { document, notices } = read();
  expect(notices.map(({ code, params }) => [code, params])).toEqual([['file.groups-imported', { names: 'Sharp' }]]);
  expect(brokenRules(document)).toEqual([]);
  const instance = document.root.nodes['12']!;
  expect(titleOf(document, comfyTypes, instance)).toBe('Sharp');
  expect(inputSlots(document, comfyTypes, instance).map((slot) => [slot.label, slot.widget?.kind, valueOf(instance, slot)])).toEqual([
    ['image', undefined, undefined], ['sharpen_radius', 'integer', 7n], ['sigma', 'float', 0.5], ['alpha', 'float', 2.5], ['name', 'text', 'out'],
  ]);
  expect(Object.values(document.subgraphs[instance.type]!.layer.nodes).map(({ id, type, pos }) => [id, type, pos])).toEqual([['0', 'ImageSharpen', [0, 0]], ['1', 'SaveImage', [320, 0]]]);
});

test('it runs as before; what is edited reaches the run; saved and opened again it is the same', () => {
  const history = new History(read().document);
  const before = plainOf(promptJson(convertWorkflow(jsonOf(JSON.parse(file)), comfyTypes.definitions).prompt)) as unknown as ReturnType<typeof api>;
  expect(api(history)).toEqual(before);
  expect(before['12:0']!.inputs).toEqual({ image: ['10', 0], sharpen_radius: 7, sigma: 0.5, alpha: 2.5 });
  const saved = encodeJson(writeDocument(history.document, comfyTypes));
  expect(encodeJson(writeDocument(readWorkflowText(saved, comfyTypes).document, comfyTypes))).toBe(saved);
  runCommand(history, { kind: 'setValue', layer: rootLayer, node: '12', input: 'name', value: 'better' }, comfyTypes);
  expect(api(history)['12:1']!.inputs).toMatchObject({ filename_prefix: 'better' });
  runCommand(history, { kind: 'unpackSubgraph', layer: rootLayer, node: '12' }, comfyTypes);
  expect(Object.values(api(history)).map(({ inputs }) => inputs)).toContainEqual({ image: ['10', 0], sharpen_radius: 7, sigma: 0.5, alpha: 2.5 });
  // the group that nothing uses stays in the file
  expect(plainOf(writeDocument(history.document, comfyTypes))).toMatchObject({ extra: { groupNodes: { Unused: group } } });
});

test('a group with a type that is not installed is kept, and said', () => {
  const odd = file.replace('"ImageSharpen"', '"Unheard"');
  const { document, notices } = readWorkflowText(odd, comfyTypes);
  expect(notices.map(({ code }) => code)).toEqual(['file.groups-kept', 'file.unknown-types']);
  expect(encodeJson(writeDocument(document, comfyTypes))).toBe(encodeJson(jsonOf(JSON.parse(odd))));
});
