// The projection of documents into litegraph's graph, without a browser: faults of litegraph that are about data, and that what is
// drawn always is what the document says.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { parseJson } from '../../../engine/formats/json.ts';
import { pathUnder } from '../../../ui/canvas/draw/path.ts';
import { Scene } from '../../../ui/canvas/scene.ts';
import { SceneGraph } from '../../../ui/canvas/stage.ts';
import { runCommand, type Command } from '../../../ui/state/commands/commands.ts';
import { rootLayer, type Document } from '../../../ui/state/document.ts';
import { History } from '../../../ui/state/history.ts';
import { readNodeTypes } from '../../../ui/state/node-types.ts';
import { readWorkflowText } from '../../../ui/state/read-any.ts';
import { chain, objectInfo, workflow } from './graphs.ts';

const types = readNodeTypes(parseJson(objectInfo));

function open(text: string) {
  const history = new History(readWorkflowText(text, types).document);
  const scene = new Scene({ hasOutput: () => false });
  scene.show(history.document, rootLayer, types);
  history.subscribe(({ document, patches }) => scene.apply(document, patches));
  return { history, scene, run: (command: Command) => runCommand(history, command, types) };
}

const many = (count: number) => workflow(Array.from({ length: count }, (_, i) => ({ id: i + 1, type: 'Invert', pos: [(i % 40) * 200, Math.floor(i / 40) * 100], inputs: [{ name: 'image', type: 'IMAGE', link: i === 0 ? null : i }], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [i + 1] }] })),
  Array.from({ length: count - 1 }, (_, i) => [i + 1, i + 1, 0, i + 2, 0, 'IMAGE']));

test('fault 1: more than a thousand nodes are drawn', () => {
  const { scene } = open(many(1200));
  expect(scene.nodes).toHaveLength(1200);
  expect(scene.links()).toHaveLength(1199);
});

test('fault 2: positions and sizes are numbers as they are, also when a file has them as objects', () => {
  const { scene } = open(workflow([{ id: 1, type: 'Invert', pos: { 0: 123.456, 1: -7.1 }, size: { 0: 333.3, 1: 200.7 } }], [], { groups: [{ title: 'g', bounding: [0.1, 0.2, 300.3, 200.4] }] }));
  expect(JSON.stringify(scene.node('1')!.pos)).toBe('[123.456,-7.1]');
  expect(JSON.stringify(scene.node('1')!.size)).toBe('[333.3,200.7]');
  expect(JSON.stringify([...scene.groups.values()].map(({ _bounding }) => _bounding))).toBe('[[0.1,0.2,300.3,200.4]]');
});

test('fault 3: a frozen document can be drawn and edited, and drawing never writes into it', () => {
  const { history, scene, run } = open(chain);
  expect(Object.isFrozen(history.document.root.nodes['4'])).toBe(true);
  for (const input of ['a', 'b']) expect(run({ kind: 'connect', layer: rootLayer, from: { node: '1', slot: 0 }, to: { node: '4', input } }).ok).toBe(true);
  scene.node('4')!.pos = [1, 2];
  scene.node('4')!.inputs[0]!.link = null;
  expect(history.document.root.nodes['4']!.pos).toEqual([300, 300]);
  expect(history.document.root.nodes['4']!.inputs[0]!.link).not.toBe(null);
});

test('fault 4: ids are keys: huge ones make no sparse list, and none reaches a prototype', () => {
  const { scene } = open(workflow([
    { id: 7_000_000_000, type: 'Source', pos: [0, 0], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [4_000_000_000] }] },
    { id: 'left', type: 'Invert', pos: [300, 0], inputs: [{ name: 'image', type: 'IMAGE', link: 4_000_000_000 }] },
  ], [[4_000_000_000, 7_000_000_000, 0, 'left', 0, 'IMAGE']]));
  expect(Object.keys(scene.graph.links)).toEqual(['4000000000']);
  expect(scene.links()[0]!.points).toHaveLength(2);
  expect(scene.node('toString')).toBe(undefined);
  expect(scene.link('__proto__')).toBe(undefined);
});

test('fault 7: slots are matched by name where a file has them in another order', () => {
  const { scene } = open(workflow([
    { id: 1, type: 'Source', pos: [0, 0], outputs: [{ name: 'IMAGE', type: 'IMAGE' }] },
    { id: 2, type: 'Join', pos: [300, 0], inputs: [{ name: 'b', type: 'IMAGE', link: 9 }, { name: 'a', type: 'IMAGE', link: null }] },
  ], [[9, 1, 0, 2, 0, 'IMAGE']]));
  const node = scene.node('2')!;
  expect(node.inputs.map(({ name, link }) => [name, link])).toEqual([['a', null], ['b', '9'], ['factor', null]]);
  expect(scene.link('9')!.points.at(-1)).toEqual(node.slotPoint(true, 1));
});

test('fault 14: nothing sorts all nodes when some are added', () => {
  const sort = vi.spyOn(SceneGraph.prototype as unknown as { updateExecutionOrder(): void }, 'updateExecutionOrder');
  const { scene, run } = open(many(1000));
  const rebuilds = scene.rebuilds;
  for (let i = 0; i < 100; i++) run({ kind: 'addNode', layer: rootLayer, type: 'Invert', at: [i, i] });
  run({ kind: 'removeItems', layer: rootLayer, nodes: ['500'] });
  expect([scene.nodes.length, scene.rebuilds - rebuilds, sort.mock.calls.length]).toEqual([1099, 0, 0]);
  sort.mockRestore();
});

test('fault 18: what goes wrong is an Error that says what', () => {
  const { scene, history } = open(chain);
  expect(() => scene.show(history.document, 'no-such-layer', types)).toThrow(new Error('the document has no layer "no-such-layer"'));
});

test('a single edit touches what it changed; more than 200 patches, or another layer, build everything anew', () => {
  const { scene, history, run } = open(many(300));
  const before = [scene.node('7'), scene.rebuilds] as const;
  run({ kind: 'move', layer: rootLayer, moves: { nodes: { 7: [5, 6] } } });
  expect([scene.node('7'), scene.rebuilds]).toEqual(before);
  expect([scene.node('7')!.pos, scene.link('7')!.points[0]]).toEqual([[5, 6], scene.node('7')!.slotPoint(false, 0)]);
  run({ kind: 'move', layer: rootLayer, moves: { nodes: Object.fromEntries(Object.keys(history.document.root.nodes).map((id) => [id, [1, 1]])) } });
  expect(scene.rebuilds).toBe(before[1] + 1);
  expect(scene.differences()).toEqual([]);
});

test('differences are found: the check can fail', () => {
  const { scene } = open(chain);
  expect(scene.differences()).toEqual([]);
  scene.node('2')!.pos = [0, 0];
  scene.graph.removeNode('4');
  scene.node('3')!.flags.collapsed = true;
  expect(scene.differences().map((one) => one.replace(/ is.*| are.*/, ''))).toEqual(['node 2', 'node 3', 'node 4', '3 nodes']);
});

test('after any edits, undone and redone, what is drawn is what the document says', () => {
  const ids = ['1', '2', '3', '4', '101', '102'];
  const id = fc.constantFrom(...ids);
  const command: fc.Arbitrary<Command> = fc.oneof(
    fc.record({ kind: fc.constant('move' as const), layer: fc.constant(rootLayer), moves: fc.record({ nodes: id.map((one) => ({ [one]: [11, 22] as const })) }) }),
    fc.record({ kind: fc.constant('addNode' as const), layer: fc.constant(rootLayer), type: fc.constantFrom('Work', 'Join', 'Reroute', 'MaskToImage', 'Nowhere'), at: fc.constant([3, 4] as const) }),
    fc.record({ kind: fc.constant('removeItems' as const), layer: fc.constant(rootLayer), nodes: id.map((one) => [one]) }),
    fc.record({ kind: fc.constant('connect' as const), layer: fc.constant(rootLayer), from: fc.record({ node: id, slot: fc.nat(1) }), to: fc.record({ node: id, input: fc.constantFrom('image', 'images', 'a', 'b', 'mask', 'steps', '') }) }),
    fc.record({ kind: fc.constant('disconnect' as const), layer: fc.constant(rootLayer), link: fc.constantFrom('1', '2', '101', '102') }),
    fc.record({ kind: fc.constant('insertReroute' as const), layer: fc.constant(rootLayer), link: fc.constantFrom('1', '2', '101'), at: fc.constant([9, 9] as const) }),
    fc.record({ kind: fc.constant('setCollapsed' as const), layer: fc.constant(rootLayer), nodes: id.map((one) => [one]), isCollapsed: fc.boolean() }),
    fc.record({ kind: fc.constant('setMode' as const), layer: fc.constant(rootLayer), nodes: id.map((one) => [one]), mode: fc.constantFrom(0 as const, 2 as const, 4 as const) }),
    fc.record({ kind: fc.constant('setValue' as const), layer: fc.constant(rootLayer), node: id, input: fc.constantFrom('prefix', 'factor'), value: fc.integer().map(BigInt) }),
    fc.record({ kind: fc.constant('addGroup' as const), layer: fc.constant(rootLayer), title: fc.constant('g'), nodes: id.map((one) => [one]) }),
  );
  const doable = (document: Document, one: Command) => !('nodes' in one && Array.isArray(one.nodes) && one.nodes.some((node: string) => document.root.nodes[node] === undefined)) && !('node' in one && document.root.nodes[one.node] === undefined);
  fc.assert(fc.property(fc.array(fc.oneof(command, fc.constantFrom('undo' as const, 'redo' as const)), { maxLength: 25 }), (steps) => {
    const { scene, history, run } = open(chain);
    for (const step of steps) {
      if (step === 'undo') history.undo();
      else if (step === 'redo') history.redo();
      else if (doable(history.document, step)) run(step);
      expect(scene.differences()).toEqual([]);
    }
    expect(scene.rebuilds).toBe(1);
  }), { numRuns: 60 });
});

test('what is pointed at belongs to a path: over points and reroute nodes, to all its ends', () => {
  const image = (link: number | null) => [{ name: 'image', type: 'IMAGE', link }];
  const { scene } = open(workflow([
    { id: 1, type: 'Source', pos: [0, 0], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: [1, 2] }, { name: 'MASK', type: 'MASK', links: [5] }] },
    { id: 2, type: 'Reroute', pos: [200, 0], inputs: [{ name: '', type: '*', link: 1 }], outputs: [{ name: '', type: '*', links: [3, 4] }] },
    { id: 3, type: 'Invert', pos: [400, 0], inputs: image(2) }, { id: 4, type: 'Invert', pos: [400, 100], inputs: image(3) }, { id: 5, type: 'Invert', pos: [400, 200], inputs: image(4) },
    { id: 6, type: 'MaskToImage', pos: [400, 300], inputs: [{ name: 'mask', type: 'MASK', link: 5 }] },
  ], [[1, 1, 0, 2, 0, 'IMAGE'], [2, 1, 0, 3, 0, 'IMAGE'], [3, 2, 0, 4, 0, 'IMAGE'], [4, 2, 0, 5, 0, 'IMAGE'], [5, 1, 1, 6, 0, 'MASK']],
  { extra: { reroutes: [{ id: 1, pos: [100, 50], linkIds: [2] }, { id: 2, pos: [150, 50], parentId: 1, linkIds: [2] }], linkExtensions: [{ id: 2, parentId: 2 }] } }));
  const path = (target: Parameters<typeof pathUnder>[1]) => [...pathUnder(scene, target)].toSorted();
  expect(path({ kind: 'link', link: '3', piece: 0 } as never)).toEqual(['1', '3', '4']);
  expect(path({ kind: 'output', node: '1', slot: 0 })).toEqual(['1', '2', '3', '4']);
  expect(path({ kind: 'output', node: '1', slot: 1 })).toEqual(['5']);
  expect(path({ kind: 'input', node: '3', input: 'image' })).toEqual(['2']);
  expect(path({ kind: 'reroute', reroute: '1' })).toEqual(['2']);
  expect(path(undefined)).toEqual([]);
});
