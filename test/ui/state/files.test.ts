// Other ways in and out: the API form, the clipboard between two browsers, tabs, drafts, settings.
import { describe, expect, test } from 'vitest';
import { isApiForm, promptJson } from '../../../engine/formats/api.ts';
import { encodeJson, isJsonObject, parseJson, type Json, type JsonObject } from '../../../engine/formats/json.ts';
import { convertWorkflow } from '../../../engine/formats/workflow.ts';
import { clipOf, readClipboard, writeClipboard } from '../../../ui/state/clipboard.ts';
import { runCommand } from '../../../ui/state/commands/commands.ts';
import { emptyDocument, rootLayer } from '../../../ui/state/document.ts';
import { History } from '../../../ui/state/history.ts';
import { indentOf, readWorkflowJson, readWorkflowText } from '../../../ui/state/read-any.ts';
import { selectAll, selectNodes } from '../../../ui/state/selection.ts';
import { changedSettings, defaultSettings, readSettings, settings } from '../../../ui/state/settings.ts';
import { changeTab, closeTab, draftOf, draftsToDrop, freeTitle, moveTab, noTabs, openTab, readDraft, titleOfPath, type Draft, type Tab } from '../../../ui/state/tabs.ts';
import { writeDocument } from '../../../ui/state/write-file.ts';
import { comfyTypes, ourTypes, pairs, readText } from './files.ts';
import { brokenRules, withoutRaw } from './invariants.ts';

const types = await ourTypes();
const apiOf = (document: Parameters<typeof writeDocument>[0], known = comfyTypes) => promptJson(convertWorkflow(writeDocument(document, known), known.definitions).prompt);

/** Order of nodes and inputs does not matter to a run, nor do inputs that the page invents. */
function plainPrompt(api: Json): string {
  const nodes = [...(api as JsonObject)].map(([id, node]) => {
    const inputs = [...((node as JsonObject).get('inputs') as JsonObject)].filter(([name]) => !((node as JsonObject).get('class_type') === 'PreviewAny' && name === 'preview'));
    return [id, new Map<string, Json>([['inputs', new Map(inputs.sort(([a], [b]) => (a < b ? -1 : 1)))], ['class_type', (node as JsonObject).get('class_type')!]])] as const;
  });
  return encodeJson(new Map(nodes.sort(([a], [b]) => (a < b ? -1 : 1))), { indent: 1 });
}

describe('the API form', () => {
  const known = pairs.map((pair, i) => [i, pair.get('api')!] as const).filter(([, api]) => isApiForm(api) && [...(api as JsonObject).values()].every((node) => comfyTypes.get(String((node as JsonObject).get('class_type'))) !== undefined));
  test('there are prompts to try', () => expect(known.length).toBeGreaterThan(30));
  test.each(known)('prompt %i becomes a graph that runs the same', (_i, api) => {
    const { document } = readWorkflowJson(api, comfyTypes);
    expect(brokenRules(document)).toEqual([]);
    // what a prompt leaves out has a default in a graph
    const again = apiOf(document);
    const kept = new Map([...again].map(([id, node]) => {
      const asked = (api as JsonObject).get(id) as JsonObject;
      const inputs = [...((node as JsonObject).get('inputs') as JsonObject)].filter(([name]) => (asked.get('inputs') as JsonObject).has(name));
      return [id, new Map(node as JsonObject).set('inputs', new Map(inputs))] as const;
    }));
    expect(plainPrompt(kept)).toBe(plainPrompt(withoutLost(api as JsonObject)));
  });
  /** Links to nodes that are not in the prompt cannot be drawn. */
  const withoutLost = (api: JsonObject) => new Map([...api].map(([id, node]) => [id, new Map(node as JsonObject).set('inputs', new Map([...((node as JsonObject).get('inputs') as JsonObject)].filter(([, written]) => !Array.isArray(written) || api.has(String(written[0])))))]));

  test('is laid out from left to right, without overlaps; seeds stay', () => {
    const { document } = readWorkflowJson(known.toSorted(([, a], [, b]) => (b as JsonObject).size - (a as JsonObject).size)[0]![1], comfyTypes);
    const { nodes, links } = document.root;
    for (const { from, to } of Object.values(links)) expect(nodes[from]!.pos[0] + nodes[from]!.size[0]).toBeLessThan(nodes[to]!.pos[0]);
    const boxes = Object.values(nodes).map(({ pos, size }) => [pos[0], pos[1], pos[0] + size[0], pos[1] + size[1]] as const);
    const overlaps = boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]));
    expect(overlaps).toEqual([]);
    expect(Object.values(nodes).flatMap(({ controls }) => Object.values(controls).map(({ mode }) => mode)).every((mode) => mode === 'fixed')).toBe(true);
  });
  test('is found inside a history entry or request', () => {
    expect(Object.keys(readWorkflowJson(new Map([['prompt', known[0]![1]]]), comfyTypes).document.root.nodes).length).toBe((known[0]![1] as JsonObject).size);
  });
  test('keeps links to lists of undeclared inputs and devices', () => {
    const { document } = readWorkflowText('{"a":{"class_type":"Made.Up","inputs":{"x":["b",2],"y":{"__value__":[1,2]}},"_meta":{"title":"Mine","device":"cpu:1"}},"b":{"class_type":"Other","inputs":{}}}', types);
    expect(document.root.nodes['a']).toMatchObject({ title: 'Mine', inputs: [{ name: 'x', type: '*' }] });
    expect(document.root.nodes['b']!.outputs.length).toBe(3);
    expect(document.root.nodes['a']!.values['y']).toEqual([1n, 2n]);
    expect([...document.root.nodes['a']!.properties]).toContainEqual(['device', 'cpu:1']);
  });
});

describe('the clipboard', () => {
  const source = () => readWorkflowText(readText('workflows/edit.json'), types).document;
  test('carries a whole graph to another browser, where it runs the same', () => {
    const document = source();
    const text = writeClipboard(clipOf(document, selectAll(rootLayer, document.root))!, types);
    const history = new History(emptyDocument());
    const outcome = runCommand(history, { kind: 'paste', layer: rootLayer, clip: readClipboard(text, types)!, at: [1000, 1000] }, types);
    expect(outcome.ok && outcome.made.nodes!.length).toBe(Object.keys(document.root.nodes).length);
    expect(plainPrompt(apiOf(history.document, types))).toBe(plainPrompt(apiOf(document, types)));
    const left = Math.min(...Object.values(history.document.root.nodes).map(({ pos }) => pos[0]));
    expect(left).toBe(1000);
  });
  test('with inputs, copies are fed by what feeds the originals; without, by nothing', () => {
    const history = new History(source());
    const [target] = Object.values(history.document.root.links).map(({ to }) => to);
    const clip = readClipboard(writeClipboard(clipOf(history.document, selectNodes(rootLayer, [target!]))!, types), types)!;
    const links = (withInputs: boolean) => {
      const outcome = runCommand(history, { kind: 'paste', layer: rootLayer, clip, withInputs }, types);
      return outcome.ok ? history.document.root.nodes[outcome.made.nodes![0]!]!.inputs.filter(({ link }) => link !== null).length : -1;
    };
    const original = history.document.root.nodes[target!]!.inputs.filter(({ link }) => link !== null).length;
    expect([links(true), links(false)]).toEqual([original, 0]);
    expect(brokenRules(history.document)).toEqual([]);
  });
  test('nothing selected is nothing copied', () => expect(clipOf(source(), selectNodes(rootLayer, []))).toBeUndefined());
});

describe('tabs', () => {
  const tab = (id: string, path?: string): Tab => ({ id, title: id, ...(path === undefined ? {} : { file: { path, indent: 2 } }) });
  test('open once a file, close to the neighbour, move, and come back', () => {
    let state = ['a', 'b', 'c'].reduce((next, id) => openTab(next, tab(id, `${id}.json`)), noTabs);
    state = openTab(state, tab('other', 'a.json'));
    expect([state.tabs.length, state.active]).toEqual([3, 'a']);
    state = closeTab(state, 'a');
    expect([state.active, state.closed.map(({ id }) => id)]).toEqual(['b', ['a']]);
    state = moveTab(openTab(state, state.closed[0]!), 'a', 0);
    expect([state.tabs.map(({ id }) => id), state.closed]).toEqual([['a', 'b', 'c'], []]);
    state = changeTab(closeTab(closeTab(state, 'c'), 'b'), 'a', { title: 'new' });
    expect(closeTab(state, 'a')).toMatchObject({ tabs: [] });
    expect(closeTab(state, 'a').active).toBeUndefined();
    expect([freeTitle(state, 'new'), freeTitle(state, 'x'), titleOfPath('deep/er/cat.json')]).toEqual(['new 2', 'x', 'cat']);
  });
  test('a draft brings back the document, and anything else is no draft', () => {
    const { document } = readWorkflowText(readText('workflows/edit.json'), types);
    const draft = draftOf(tab('a'), document, types, true, 5);
    const stored = structuredClone(draft) as unknown;
    expect(withoutRaw(readWorkflowText(readDraft(stored)!.text, types).document)).toEqual(withoutRaw(document));
    for (const other of [undefined, null, 5, {}, { ...draft, version: 2 }, { ...draft, text: 5 }, { ...draft, tab: {} }]) expect(readDraft(other)).toBeUndefined();
  });
  test('old clean drafts make room, dirty and open ones never go', () => {
    const draft = (id: string, savedAt: number, isDirty: boolean): Draft => ({ version: 1, tab: tab(id), text: 'x'.repeat(100), isDirty, savedAt });
    expect(draftsToDrop([draft('new', 4, false), draft('old', 1, false), draft('dirty', 0, true), draft('open', 0, false)], new Set(['open']), 500)).toEqual(['old', 'new']);
  });
});

test('settings: what fits is taken, the rest stays at its default; few are stored', () => {
  expect(readSettings({ theme: 'dark', language: 'klingon', runCount: 1e9, grid: false, __proto__: { snap: 'off' }, more: 1 })).toEqual({ ...defaultSettings, theme: 'dark', grid: false });
  expect(readSettings('x')).toEqual(defaultSettings);
  expect(changedSettings({ ...defaultSettings, theme: 'light' })).toEqual({ theme: 'light' });
  expect(Object.keys(settings).length).toBeLessThanOrEqual(25);
});

test('the indentation of a file is known', () => expect([indentOf('{\n "a": 1}'), indentOf('{\n    "a": 1}'), indentOf('{"a":1}'), indentOf('')]).toEqual([1, 4, 0, 0]));

test('a new document is written as a file of its own that ComfyUI knows', () => {
  const history = new History(emptyDocument());
  runCommand(history, { kind: 'addNode', layer: rootLayer, type: 'KSampler', at: [10.126, 20] }, comfyTypes);
  const written = writeDocument(history.document, comfyTypes);
  const [node] = written.get('nodes') as readonly JsonObject[];
  expect([...written.keys()]).toEqual(['last_node_id', 'last_link_id', 'nodes', 'links', 'groups', 'config', 'extra', 'version']);
  expect(encodeJson(node!.get('widgets_values')!)).toMatch(/^\[0,"randomize",20,8\.0,"\w*",?/);
  expect(encodeJson(node!.get('pos')!)).toBe('[10.13,20]');
  expect(isJsonObject(node!.get('widgets_values_named')) && (node!.get('widgets_values_named') as JsonObject).get('control_after_generate')).toBe('randomize');
  expect(parseJson(encodeJson(written))).toEqual(written);
});
