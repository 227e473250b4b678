// Subgraphs made and taken apart change nothing of what runs: the same nodes with the same inputs, by the one conversion.
import { describe, expect, test } from 'vitest';
import { linkOf, promptJson } from '../../../engine/formats/api.ts';
import { encodeJson, parseJson, type Json, type JsonObject } from '../../../engine/formats/json.ts';
import { convertWorkflow } from '../../../engine/formats/workflow.ts';
import { runCommand } from '../../../ui/state/commands/commands.ts';
import { rootLayer, type Document } from '../../../ui/state/document.ts';
import { History } from '../../../ui/state/history.ts';
import type { NodeTypes } from '../../../ui/state/node-types.ts';
import { readWorkflowText } from '../../../ui/state/read-any.ts';
import { readDocument } from '../../../ui/state/read-file.ts';
import { simpleView } from '../../../ui/state/simple-view.ts';
import { inputSlots, valueOf } from '../../../ui/state/slots.ts';
import { upstreamOf } from '../../../ui/state/walk.ts';
import { writeDocument } from '../../../ui/state/write-file.ts';
import { brokenRules } from './invariants.ts';
import { comfyTypes, ourTypes, pairs, readText } from './files.ts';

const types = await ourTypes();

/** What runs: nodes by a name that ids do not change, with inputs; links as the names of their sources. */
function running(document: Document, known: NodeTypes, nameOf: (id: string) => string): string {
  const { prompt } = convertWorkflow(writeDocument(document, known), known.definitions);
  const nodes = [...promptJson(prompt)].map(([id, node]) => {
    const inputs = [...((node as JsonObject).get('inputs') as JsonObject)].map(([name, written]): [string, Json] => {
      const link = linkOf(written);
      return [name, link === undefined ? written : [nameOf(link.node), BigInt(link.output)]];
    }).sort(([a], [b]) => a.localeCompare(b));
    return [nameOf(id), new Map<string, Json>([['inputs', new Map(inputs)], ['class_type', (node as JsonObject).get('class_type')!]])] as const;
  });
  return encodeJson(new Map(nodes.sort(([a], [b]) => a.localeCompare(b))), { indent: 1 });
}

const usable = pairs.map((pair, i) => [i, pair.get('workflow') as JsonObject] as const).filter(([, workflow]) => {
  const { root, subgraphs } = readDocument(workflow, comfyTypes).document;
  // a primitive writes into the widgets of its own graph alone: a wall between them is another graph
  return Object.keys(root.nodes).length > 3 && Object.keys(subgraphs).length === 0 && !Object.values(root.nodes).some(({ type }) => type === 'PrimitiveNode' || /^workflow[>/]/.test(type));
});

test('there are workflows to try', () => expect(usable.length).toBeGreaterThan(15));

describe.each(usable.filter((_, i) => i % 4 === 0))('pair %i', (_i, workflow) => {
  test('any part made a subgraph and unpacked again runs the same', () => {
    const start = readDocument(workflow, comfyTypes).document;
    const before = running(start, comfyTypes, (id) => id);
    let made = 0;
    for (const [at, id] of Object.keys(start.root.nodes).entries()) {
      // a node with all that feeds it can always be a part; so can any one node
      for (const nodes of [[id], [...upstreamOf(start.root, [id])]]) {
        const history = new History(start);
        const outcome = runCommand(history, { kind: 'createSubgraph', layer: rootLayer, nodes, name: 'Part', id: `part-${at}` }, comfyTypes);
        if (!outcome.ok) {
          expect(outcome.reason.code).toBe('subgraph.gap');
          continue;
        }
        made++;
        const instance = outcome.made.nodes![0]!;
        expect(brokenRules(history.document)).toEqual([]);
        expect(running(history.document, comfyTypes, (run) => run.replace(`${instance}:`, ''))).toBe(before);
        const unpacked = runCommand(history, { kind: 'unpackSubgraph', layer: rootLayer, node: instance }, comfyTypes);
        expect(unpacked.ok && unpacked.made.nodes!.length).toBe(nodes.length);
        expect(history.document.subgraphs).toEqual({});
        // copies got new ids, in the order of the old ones
        const old = new Map(unpacked.ok ? [...nodes].sort((a, b) => Number(a) - Number(b)).map((node, i) => [unpacked.made.nodes![i]!, node]) : []);
        expect(running(history.document, comfyTypes, (run) => old.get(run) ?? run)).toBe(before);
      }
    }
    expect(made).toBeGreaterThan(0);
  });
});

test('the form follows nodes into a subgraph and out again', () => {
  const start = readWorkflowText(readText('workflows/text-to-image.json'), types).document;
  const history = new History(start);
  const fields = () => simpleView(history.document, types).fields.map(({ name, value }) => [name, value]);
  const before = fields();
  expect(before).toContainEqual(['steps', 25n]);
  runCommand(history, { kind: 'createSubgraph', layer: rootLayer, nodes: ['2'], name: 'Draw', id: 'draw' }, types);
  expect(history.document.form!.inputs.find(({ name }) => name === 'steps')!.node).toBe('4:2');
  expect(fields()).toEqual(before);
  runCommand(history, { kind: 'unpackSubgraph', layer: rootLayer, node: '4' }, types);
  expect(fields()).toEqual(before);
  expect(simpleView(history.document, types).missing).toEqual([]);
});

test('a subgraph cannot be put into itself, nor a missing node be unpacked', () => {
  const history = new History(readWorkflowText(readText('workflows/text-to-image.json'), types).document);
  runCommand(history, { kind: 'createSubgraph', layer: rootLayer, nodes: ['1', '2'], name: 'All', id: 'all' }, types);
  expect(runCommand(history, { kind: 'addNode', layer: 'all', type: 'all', at: [0, 0] }, types)).toMatchObject({ ok: false, reason: { code: 'subgraph.inside-itself' } });
  expect(runCommand(history, { kind: 'addNode', layer: rootLayer, type: 'all', at: [0, 0] }, types).ok).toBe(true);
  expect(runCommand(history, { kind: 'unpackSubgraph', layer: rootLayer, node: '3' }, types)).toMatchObject({ ok: false, reason: { code: 'subgraph.not-one' } });
  // with its last instance the definition goes, and comes back with it
  runCommand(history, { kind: 'removeItems', layer: rootLayer, nodes: Object.values(history.document.root.nodes).filter(({ type }) => type === 'all').map(({ id }) => id) }, types);
  expect(Object.keys(history.document.subgraphs)).toEqual([]);
  history.undo();
  expect(Object.keys(history.document.subgraphs)).toEqual(['all']);
});

/** As ComfyUI saves one: its own ports, boundary links, a widget promoted by a port and one by its node's id. */
const saved = `{
 "id": "w", "revision": 3, "last_node_id": 12, "last_link_id": 9,
 "nodes": [
  {"id": 12, "type": "5a0b", "pos": [300, 40], "size": [210, 80], "flags": {}, "order": 1, "mode": 0,
   "inputs": [{"name": "image", "type": "IMAGE", "link": 8}, {"name": "sharpen_radius", "type": "INT", "widget": {"name": "sharpen_radius"}, "link": null}],
   "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [9]}],
   "properties": {"proxyWidgets": [["-1", "sharpen_radius"], ["3", "sigma"]]}, "widgets_values": [7, 0.5]},
  {"id": 10, "type": "LoadImage", "pos": [0, 0], "size": [270, 314], "flags": {}, "order": 0, "mode": 0, "inputs": [], "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [8]}, {"name": "MASK", "type": "MASK", "links": null}], "properties": {}, "widgets_values": ["a.png", "image"]},
  {"id": 11, "type": "SaveImage", "pos": [600, 0], "size": [270, 58], "flags": {}, "order": 2, "mode": 0, "inputs": [{"name": "images", "type": "IMAGE", "link": 9}], "outputs": [], "properties": {}, "widgets_values": ["x"]}],
 "links": [[8, 10, 0, 12, 0, "IMAGE"], [9, 12, 0, 11, 0, "IMAGE"]], "groups": [],
 "definitions": {"subgraphs": [{"id": "5a0b", "version": 1, "state": {"lastGroupId": 0, "lastNodeId": 3, "lastLinkId": 4, "lastRerouteId": 0}, "revision": 0, "config": {}, "name": "Sharper",
  "inputNode": {"id": -10, "bounding": [-200, 0, 120, 80]}, "outputNode": {"id": -20, "bounding": [500, 0, 120, 60]},
  "inputs": [{"id": "u1", "name": "image", "type": "IMAGE", "linkIds": [1], "pos": [-100, 20]}, {"id": "u2", "name": "sharpen_radius", "type": "INT", "linkIds": [3], "pos": [-100, 40]}],
  "outputs": [{"id": "u3", "name": "IMAGE", "type": "IMAGE", "linkIds": [2], "pos": [520, 20]}], "widgets": [],
  "nodes": [{"id": 3, "type": "ImageSharpen", "pos": [0, 0], "size": [270, 106], "flags": {}, "order": 0, "mode": 0,
   "inputs": [{"name": "image", "type": "IMAGE", "link": 1}, {"name": "sharpen_radius", "type": "INT", "widget": {"name": "sharpen_radius"}, "link": 3}], "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [2]}], "properties": {}, "widgets_values": [1, 1.0, 1.0]}],
  "groups": [], "links": [{"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 3, "target_slot": 0, "type": "IMAGE"}, {"id": 3, "origin_id": -10, "origin_slot": 1, "target_id": 3, "target_slot": 1, "type": "INT"}, {"id": 2, "origin_id": 3, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "IMAGE"}], "extra": {}}]},
 "config": {}, "extra": {}, "version": 0.4}`;

describe('a subgraph as ComfyUI saves it', () => {
  const read = () => new History(readWorkflowText(saved, comfyTypes).document);
  const api = (history: History) => convertWorkflow(writeDocument(history.document, comfyTypes), comfyTypes.definitions).prompt.nodes;

  test('shows its ports and promoted values, and is written back as it was', () => {
    const { document } = read();
    expect(brokenRules(document)).toEqual([]);
    const [image, radius] = inputSlots(document, comfyTypes, document.root.nodes['12']!);
    expect([image!.name, image!.widget, radius!.name, radius!.widget!.kind, valueOf(document.root.nodes['12']!, radius!)]).toEqual(['image', undefined, 'sharpen_radius', 'integer', 7n]);
    expect(encodeJson(writeDocument(document, comfyTypes))).toBe(encodeJson(parseJson(saved)));
  });
  test('an edit of the instance reaches the run, and leaves the definition as it is', () => {
    const history = read();
    runCommand(history, { kind: 'setValue', layer: rootLayer, node: '12', input: 'sharpen_radius', value: 9n }, comfyTypes);
    expect(api(history).get('12:3')!.inputs.get('sharpen_radius')).toBe(9n);
    expect(api(history).get('12:3')!.inputs.get('sigma')).toBe(0.5);
    const written = writeDocument(history.document, comfyTypes);
    expect(encodeJson(written.get('definitions')!)).toBe(encodeJson((parseJson(saved) as JsonObject).get('definitions')!));
  });
  test('a widget promoted by its owner is shown with it, is edited on the instance, and takes no link', () => {
    const history = read();
    const shown = () => inputSlots(history.document, comfyTypes, history.document.root.nodes['12']!).at(-1)!;
    expect(shown()).toMatchObject({ name: '3 sigma', label: 'Image Sharpen: sigma', owner: '3', link: null, widget: { kind: 'float', initial: 1, controls: 0 } });
    expect(valueOf(history.document.root.nodes['12']!, shown())).toBe(0.5);
    runCommand(history, { kind: 'setValue', layer: rootLayer, node: '12', input: '3 sigma', value: 0.75 }, comfyTypes);
    expect(valueOf(history.document.root.nodes['12']!, shown())).toBe(0.75);
    expect(api(history).get('12:3')!.inputs.get('sigma')).toBe(0.75);
    const again = new History(readWorkflowText(encodeJson(writeDocument(history.document, comfyTypes)), comfyTypes).document);
    expect(again.document.root.nodes['12']!.values).toEqual({ sharpen_radius: 7n, '3 sigma': 0.75 });
    expect(runCommand(history, { kind: 'connect', layer: rootLayer, from: { node: '10', slot: 0 }, to: { node: '12', input: '3 sigma' } }, comfyTypes)).toMatchObject({ ok: false, reason: { code: 'connect.no-input' } });
    runCommand(history, { kind: 'rename', layer: '5a0b', node: '3', title: 'Crisp' }, comfyTypes);
    expect(shown().label).toBe('Crisp: sigma');
  });
  test('an edit inside reaches the run', () => {
    const history = read();
    runCommand(history, { kind: 'setValue', layer: '5a0b', node: '3', input: 'alpha', value: 2.5 }, comfyTypes);
    expect(api(history).get('12:3')!.inputs.get('alpha')).toBe(2.5);
    runCommand(history, { kind: 'unpackSubgraph', layer: rootLayer, node: '12' }, comfyTypes);
    expect(api(history).get('13')!.inputs).toEqual(new Map<string, Json>([['image', ['10', 0n]], ['sharpen_radius', 7n], ['sigma', 0.5], ['alpha', 2.5]]));
  });
});
