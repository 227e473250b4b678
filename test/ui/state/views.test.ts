// Projections of the document: connections and their reasons, slots, outline, simple view, layout, selection.
import { describe, expect, test } from 'vitest';
import { bestInput, canConnect } from '../../../ui/state/connections.ts';
import { runCommand, type Command } from '../../../ui/state/commands/commands.ts';
import { rootLayer, type DocNode } from '../../../ui/state/document.ts';
import { History } from '../../../ui/state/history.ts';
import { alignedPositions, distributedPositions, snap, snapToOthers, tidyPositions } from '../../../ui/state/layout.ts';
import { say } from '../../../ui/state/messages.ts';
import { moveFocus, outlineRows } from '../../../ui/state/outline.ts';
import { readWorkflowText } from '../../../ui/state/read-any.ts';
import { addToSelection, boxOf, itemsInGroup, pruneSelection, selectDownstream, selectInBox, selectNodes, selectSameType, selectUpstream } from '../../../ui/state/selection.ts';
import { setField, simpleView, suggestForm } from '../../../ui/state/simple-view.ts';
import { inputSlots, outputTypeOf } from '../../../ui/state/slots.ts';
import { ourTypes, readText, workflowTexts } from './files.ts';

const types = await ourTypes();
const open = (path: string) => new History(readWorkflowText(readText(path), types).document);
const lab = () => {
  const history = open('workflows/text-to-image.json');
  const run = (command: Command) => runCommand(history, command, types);
  const add = (type: string) => {
    const outcome = run({ kind: 'addNode', layer: rootLayer, type, at: [0, 900] });
    return outcome.ok ? outcome.made.nodes![0]! : '';
  };
  const ask = (from: string, slot: number, to: string, input: string) => {
    const answer = canConnect(history.document, types, { layer: rootLayer, from: { node: from, slot }, to: { node: to, input } });
    return answer.ok ? 'ok' : say(answer.reason);
  };
  return { history, run, add, ask };
};

describe('connections', () => {
  test('are allowed by type, and refused with a reason', () => {
    const { add, ask } = lab();
    const [invert, preview, scale] = [add('ImageInvert'), add('PreviewAny'), add('ImageScale')];
    expect(ask('2', 0, invert, 'image')).toBe('ok');
    expect(ask('2', 1, preview, 'source')).toBe('ok');
    expect(ask('1', 0, invert, 'image')).toBe('BAGEL_MODEL does not fit IMAGE.');
    expect(ask('2', 0, '2', 'model')).toBe('A node cannot feed itself.');
    expect(ask('2', 9, invert, 'image')).toBe('This output does not exist.');
    expect(ask('2', 0, invert, 'nonsense')).toBe('This input does not exist.');
    expect(ask('99', 0, invert, 'image')).toBe('This output does not exist.');
    expect(ask(invert, 0, scale, 'image')).toBe('ok');
  });
  test('that would close a circle are refused, even over many nodes', () => {
    const { run, add, ask } = lab();
    const chain = Array.from({ length: 5 }, () => add('ImageInvert'));
    chain.slice(1).forEach((node, i) => run({ kind: 'connect', layer: rootLayer, from: { node: chain[i]!, slot: 0 }, to: { node, input: 'image' } }));
    expect(ask(chain[4]!, 0, chain[0]!, 'image')).toMatch(/^This would be a circle: .* already depends on this node\.$/);
    // an existing link may be laid the other way round when it is taken up for it
    const last = lab();
    const [a, b] = [last.add('ImageInvert'), last.add('ImageInvert')];
    last.run({ kind: 'connect', layer: rootLayer, from: { node: a, slot: 0 }, to: { node: b, input: 'image' } });
    const link = last.history.document.root.nodes[b]!.inputs[0]!.link!;
    expect(last.run({ kind: 'connect', layer: rootLayer, from: { node: b, slot: 0 }, to: { node: a, input: 'image' }, replaces: link }).ok).toBe(true);
  });
  test('a converter is named where one exists', () => {
    const { history } = lab();
    const latent = [...types.all].find(({ inputs, outputs }) => inputs.some(({ type }) => type === 'BAGEL_LATENT') && outputs.some(({ type }) => type === 'LATENT'));
    expect(latent).toBeDefined();
    const noise = runCommand(history, { kind: 'addNode', layer: rootLayer, type: 'Bagel.Noise', at: [0, 0] }, types);
    const back = runCommand(history, { kind: 'addNode', layer: rootLayer, type: types.all.find(({ inputs }) => inputs.some(({ type, widget }) => type === 'LATENT' && widget === undefined))!.type, at: [0, 0] }, types);
    const [from, to] = [noise, back].map((outcome) => (outcome.ok ? outcome.made.nodes![0]! : ''));
    const input = inputSlots(history.document, types, history.document.root.nodes[to!]!).find(({ type }) => type === 'LATENT')!.name;
    const answer = canConnect(history.document, types, { layer: rootLayer, from: { node: from!, slot: 0 }, to: { node: to!, input } });
    expect(answer).toMatchObject({ ok: false, fix: { type: latent!.type } });
  });
  test('a link to a widget is listed in the node, and the value is kept for when it goes', () => {
    const { history, run, add } = lab();
    const number = add('PrimitiveInt');
    expect(run({ kind: 'connect', layer: rootLayer, from: { node: number, slot: 0 }, to: { node: '2', input: 'steps' } }).ok).toBe(true);
    const linked = history.document.root.nodes['2']!.inputs.find(({ name }) => name === 'steps')!;
    expect(linked).toMatchObject({ widget: 'steps', type: 'INT' });
    run({ kind: 'disconnect', layer: rootLayer, link: linked.link! });
    expect(inputSlots(history.document, types, history.document.root.nodes['2']!).find(({ name }) => name === 'steps')!.link).toBeNull();
    expect(history.document.root.nodes['2']!.values['steps']).toBe(25n);
  });
  test('what nobody chose goes to the input that fits best', () => {
    const { history, add } = lab();
    const batch = add('ImageBatch');
    expect(bestInput(history.document, types, history.document.root, batch, 'IMAGE')).toBe('image1');
    expect(bestInput(history.document, types, history.document.root, '2', 'STRING')).toBe('prompt');
    expect(bestInput(history.document, types, history.document.root, batch, 'BAGEL_MODEL')).toBeUndefined();
  });
  test('a node dropped on a link goes between its ends; taken out, a reroute leaves them joined', () => {
    const { history, run, add } = lab();
    const invert = add('ImageInvert');
    const link = history.document.root.nodes['3']!.inputs[0]!.link!;
    expect(run({ kind: 'insertNode', layer: rootLayer, node: invert, link, moves: { nodes: { [invert]: [860, 60] } } }).ok).toBe(true);
    const feeds = () => history.document.root.links[history.document.root.nodes['3']!.inputs[0]!.link!]!.from;
    expect(feeds()).toBe(invert);
    const reroute = add('Reroute');
    run({ kind: 'insertNode', layer: rootLayer, node: reroute, link: history.document.root.nodes['3']!.inputs[0]!.link! });
    expect(feeds()).toBe(reroute);
    expect(outputTypeOf(history.document, types, history.document.root, reroute, 0)).toBe('IMAGE');
    run({ kind: 'removeItems', layer: rootLayer, nodes: [reroute] });
    expect(feeds()).toBe(invert);
  });
});

describe('the outline', () => {
  test('lists nodes as they would run, with inputs, sources and values', () => {
    const { history } = lab();
    const rows = outlineRows(history.document, types, rootLayer, new Set(['2']));
    expect(rows.filter(({ level }) => level === 1).map(({ node }) => node)).toEqual(['1', '2', '3']);
    expect(rows.find((row) => row.kind === 'input' && row.input === 'model')).toMatchObject({ source: { node: '1', label: 'model' } });
    expect(rows.find((row) => row.kind === 'input' && row.input === 'steps')).toMatchObject({ value: 25n, widget: { kind: 'integer' } });
    expect(rows.find((row) => row.kind === 'output')).toMatchObject({ targets: [{ node: '3', label: 'images' }] });
    const inside = rows.filter(({ level }) => level === 2);
    expect(inside.map(({ position }) => position)).toEqual(inside.map((_, i) => i + 1));
    expect(inside.every(({ setSize }) => setSize === inside.length)).toBe(true);
    expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length);
  });
  test('the focus moves by arrows and stays in the tree', () => {
    const { history } = lab();
    const rows = outlineRows(history.document, types, rootLayer, new Set(['2']));
    expect([moveFocus(rows, undefined, 'down'), moveFocus(rows, '1', 'up'), moveFocus(rows, '1', 'down'), moveFocus(rows, '2', 'child'), moveFocus(rows, '1', 'child'), moveFocus(rows, '2 in model', 'parent'), moveFocus(rows, '1', 'last'), moveFocus(rows, '3', 'first')])
      .toEqual(['1', '1', '2', '2 in model', '1', '2', '3', '1']);
  });
});

describe('the simple view', () => {
  test.each(workflowTexts.filter(([path]) => path.startsWith('workflows/')))('%s shows every input and output of its form', (_path, text) => {
    const { document } = readWorkflowText(text, types);
    const view = simpleView(document, types);
    expect([view.missing, view.fields.length, view.results.length]).toEqual([[], document.form!.inputs.length, document.form!.outputs.length]);
    expect(view.description).not.toBe('');
  });
  test('a field sets its value', () => {
    const { history, run } = lab();
    const field = () => simpleView(history.document, types).fields.find(({ name }) => name === 'prompt')!;
    run(setField(field(), 'a blue square'));
    expect(field().value).toBe('a blue square');
  });
  test('any workflow gets one: texts, seeds, sizes and outputs', () => {
    const { history } = lab();
    const { form, ...without } = history.document;
    expect(form).toBeDefined();
    expect(suggestForm(without, types)).toMatchObject({ inputs: [{ input: 'prompt' }, { input: 'seed' }, { input: 'width' }, { input: 'height' }, { input: 'steps' }].map((entry) => expect.objectContaining(entry) as object), outputs: [{ node: '3' }] });
  });
  test('marks are steps of the history; names stay apart; a deleted node goes from it', () => {
    const { history, run } = lab();
    run({ kind: 'unmark', node: '2', input: 'seed' });
    run({ kind: 'markInput', node: '3', input: 'filename_prefix', name: 'prompt' });
    expect(history.document.form!.inputs.map(({ name }) => name)).toContain('prompt 2');
    expect(run({ kind: 'setForm', form: { inputs: [{ name: 'a', node: '2', input: 'seed' }, { name: 'a', node: '2', input: 'steps' }], outputs: [] } })).toMatchObject({ ok: false, reason: { code: 'form.name-taken' } });
    run({ kind: 'removeItems', layer: rootLayer, nodes: ['2'] });
    expect(history.document.form!.inputs.map(({ node }) => node)).toEqual(['1', '3']);
    while (history.undo());
    expect(history.document.form!.inputs.find(({ name }) => name === 'seed')).toBeDefined();
  });
});

describe('layout', () => {
  const node = (id: string, x: number, y: number, width = 100, height = 50) => ({ id, pos: [x, y], size: [width, height], flags: {} }) as unknown as DocNode;
  test('aligns and distributes', () => {
    const nodes = [node('a', 0, 0), node('b', 40, 200, 50), node('c', 300, 90)];
    expect(Object.fromEntries(alignedPositions(nodes, 'left'))).toEqual({ a: [0, 0], b: [0, 200], c: [0, 90] });
    expect(Object.fromEntries(alignedPositions(nodes, 'right'))).toEqual({ a: [300, 0], b: [350, 200], c: [300, 90] });
    expect(Object.fromEntries(alignedPositions(nodes, 'top'))).toEqual({ a: [0, 0], b: [40, 0], c: [300, 0] });
    expect(Object.fromEntries(distributedPositions(nodes, 'x'))).toEqual({ a: [0, 0], b: [175, 200], c: [300, 90] });
    expect(distributedPositions(nodes.slice(0, 2), 'x').size).toBe(0);
  });
  test('snaps to a grid and to others', () => {
    expect(snap([13, -6])).toEqual([10, -10]);
    expect(snapToOthers([103, 0, 50, 50], [[0, 0, 100, 40]])).toEqual({ by: [-3, 0], guides: [{ axis: 'x', at: 100 }, { axis: 'y', at: 0 }] });
    expect(snapToOthers([500, 500, 10, 10], [[0, 0, 100, 40]])).toEqual({ by: [0, 0], guides: [] });
  });
  test('tidy puts sources left of targets, overlaps nothing, keeps the corner, and is at rest the second time', () => {
    for (const [, text] of workflowTexts) {
      const { document } = readWorkflowText(text, types);
      const places = tidyPositions(document.root);
      const placed = Object.values(document.root.nodes).map((other) => ({ ...other, pos: places.get(other.id)! }));
      const layer = { ...document.root, nodes: Object.fromEntries(placed.map((other) => [other.id, other])) };
      for (const { from, to } of Object.values(layer.links)) expect(places.get(from)![0]).toBeLessThan(places.get(to)![0]);
      const boxes = placed.map(boxOf);
      expect(boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3]))).toEqual([]);
      expect(tidyPositions(layer)).toEqual(places);
    }
  });
});

test('selections grow by links and type, by boxes, and shrink to what exists', () => {
  const { history, run, add } = lab();
  const { root } = history.document;
  expect(selectUpstream(selectNodes(rootLayer, ['3']), root).nodes.toSorted()).toEqual(['1', '2', '3']);
  expect(selectDownstream(selectNodes(rootLayer, ['2']), root).nodes.toSorted()).toEqual(['2', '3']);
  const other = add('SaveImage');
  expect(selectSameType(selectNodes(rootLayer, ['3']), history.document.root).nodes).toEqual(['3', other]);
  expect(selectInBox(rootLayer, root, [390, 700, 100, -700]).nodes).toEqual(['2']);
  expect(selectInBox(rootLayer, root, [390, 0, 100, 700], true).nodes).toEqual([]);
  expect(addToSelection(selectNodes(rootLayer, ['1', '2']), selectNodes(rootLayer, ['2', '3']), true).nodes).toEqual(['1', '3']);
  run({ kind: 'addGroup', layer: rootLayer, title: 'g', nodes: ['1', '2'] });
  const [group] = Object.values(history.document.root.groups);
  expect(itemsInGroup(history.document.root, group!).nodes).toEqual(['1', '2']);
  run({ kind: 'removeItems', layer: rootLayer, nodes: ['1'] });
  expect(pruneSelection(selectNodes(rootLayer, ['1', '2']), history.document.root).nodes).toEqual(['2']);
});
