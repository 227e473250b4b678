// Random edits on real workflows: every rule of a document holds after each, undo and redo lead back and forth exactly, a refused
// command changes nothing, and the file that is written reads back as the same document.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { convertWorkflow } from '../../../engine/formats/workflow.ts';
import { clipOf, readClipboard, writeClipboard } from '../../../ui/state/clipboard.ts';
import { runCommand, type Command } from '../../../ui/state/commands/commands.ts';
import { newSubgraphId } from '../../../ui/state/commands/subgraphs.ts';
import { layerOf, layersOf, rootLayer, type Document, type LayerId } from '../../../ui/state/document.ts';
import { History } from '../../../ui/state/history.ts';
import type { NodeTypes } from '../../../ui/state/node-types.ts';
import { readWorkflowText } from '../../../ui/state/read-any.ts';
import { readDocument } from '../../../ui/state/read-file.ts';
import { emptySelection, selectNodes } from '../../../ui/state/selection.ts';
import { inputSlots } from '../../../ui/state/slots.ts';
import { writeDocument } from '../../../ui/state/write-file.ts';
import { comfyTypes, ourTypes, pairs, workflowTexts } from './files.ts';
import { brokenRules, throughFile, withoutRaw } from './invariants.ts';

const types = await ourTypes();

/** A number in [0, 1) at a time; what a command does with it follows from the document it meets. */
type Dice = () => number;
const pick = <T>(dice: Dice, items: readonly T[]): T | undefined => items[Math.floor(dice() * items.length)];
const some = <T>(dice: Dice, items: readonly T[]): readonly T[] => items.filter(() => dice() < 0.4);

const makers: readonly ((document: Document, types: NodeTypes, layer: LayerId, dice: Dice) => Command | undefined)[] = [
  (_d, known, layer, dice) => ({ kind: 'addNode', layer, type: pick(dice, known.all)!.type, at: [dice() * 1000, dice() * 1000] }),
  (d, known, layer, dice) => {
    const node = pick(dice, Object.values(layerOf(d, layer).nodes));
    return node && { kind: 'addNode', layer, type: pick(dice, known.all)!.type, at: [0, 0], from: { node: node.id, slot: Math.floor(dice() * 2) } };
  },
  (d, _k, layer, dice) => ({ kind: 'removeItems', layer, nodes: some(dice, Object.keys(layerOf(d, layer).nodes)).slice(0, 2), links: some(dice, Object.keys(layerOf(d, layer).links)).slice(0, 1), reroutes: some(dice, Object.keys(layerOf(d, layer).reroutes)).slice(0, 1), groups: some(dice, Object.keys(layerOf(d, layer).groups)).slice(0, 1) }),
  (d, _k, layer, dice) => ({ kind: 'move', layer, moves: { nodes: Object.fromEntries(some(dice, Object.keys(layerOf(d, layer).nodes)).map((id) => [id, [dice() * 2000, dice() * 999]])) } }),
  ...Array.from({ length: 4 }, () => (d: Document, known: NodeTypes, layer: LayerId, dice: Dice): Command | undefined => {
    const nodes = Object.values(layerOf(d, layer).nodes);
    const [from, to] = [pick(dice, nodes), pick(dice, nodes)];
    const input = to && pick(dice, inputSlots(d, known, to));
    return from && input && { kind: 'connect', layer, from: { node: from.id, slot: Math.floor(dice() * 2) }, to: { node: to.id, input: input.name } };
  }),
  (d, _k, layer, dice) => {
    const link = pick(dice, Object.keys(layerOf(d, layer).links));
    return link === undefined ? undefined : { kind: 'disconnect', layer, link };
  },
  (d, _k, layer, dice) => {
    const link = pick(dice, Object.values(layerOf(d, layer).links));
    return link && { kind: 'insertReroute', layer, link: link.id, at: [dice() * 100, 7], ...(link.parent === undefined || dice() < 0.5 ? {} : { before: link.parent }) };
  },
  (d, _k, layer, dice) => {
    const [link, node] = [pick(dice, Object.keys(layerOf(d, layer).links)), pick(dice, Object.keys(layerOf(d, layer).nodes))];
    return link === undefined || node === undefined ? undefined : { kind: 'insertNode', layer, link, node };
  },
  (d, known, layer, dice) => {
    const node = pick(dice, Object.values(layerOf(d, layer).nodes));
    const slot = node && pick(dice, inputSlots(d, known, node).filter(({ widget }) => widget !== undefined));
    return slot && { kind: 'setValue', layer, node: node.id, input: slot.name, value: pick(dice, [5n, 0.25, 'text', true, 'näher', 18_446_744_073_709_551_615n])! };
  },
  (d, known, layer, dice) => {
    const node = pick(dice, Object.values(layerOf(d, layer).nodes));
    const slot = node && inputSlots(d, known, node).find(({ widget }) => (widget?.controls ?? 0) > 0);
    return slot && { kind: 'setControl', layer, node: node.id, input: slot.name, control: { mode: pick(dice, ['fixed', 'increment', 'randomize'] as const)! } };
  },
  (d, _k, layer, dice) => ({ kind: 'toggleMode', layer, nodes: some(dice, Object.keys(layerOf(d, layer).nodes)), mode: pick(dice, [2, 4] as const)! }),
  (d, _k, layer, dice) => ({ kind: 'setCollapsed', layer, nodes: some(dice, Object.keys(layerOf(d, layer).nodes)), isCollapsed: dice() < 0.5 }),
  (d, _k, layer, dice) => ({ kind: 'setColor', layer, nodes: some(dice, Object.keys(layerOf(d, layer).nodes)), ...(dice() < 0.5 ? { color: '#123456', bgcolor: '#abcdef' } : {}) }),
  (d, _k, layer, dice) => {
    const node = pick(dice, Object.keys(layerOf(d, layer).nodes));
    return node === undefined ? undefined : pick<Command>(dice, [{ kind: 'rename', layer, node, title: dice() < 0.3 ? '' : 'Ein Knoten' }, { kind: 'setDevice', layer, node, ...(dice() < 0.5 ? { device: 'cpu:1' } : {}) }, { kind: 'resizeNode', layer, node, size: [dice() * 500, dice() * 500] }]);
  },
  (d, _k, layer, dice) => ({ kind: 'addGroup', layer, title: 'Gruppe', nodes: some(dice, Object.keys(layerOf(d, layer).nodes)) }),
  (d, _k, layer, dice) => ({ kind: 'tidy', layer, ...(dice() < 0.5 ? {} : { nodes: some(dice, Object.keys(layerOf(d, layer).nodes)) }) }),
  (d, _k, layer, dice) => ({ kind: 'align', layer, nodes: some(dice, Object.keys(layerOf(d, layer).nodes)), edge: pick(dice, ['left', 'center', 'right', 'top', 'middle', 'bottom'] as const)! }),
  (d, _k, layer, dice) => ({ kind: 'distribute', layer, nodes: some(dice, Object.keys(layerOf(d, layer).nodes)), axis: dice() < 0.5 ? 'x' : 'y' }),
  (d, _k, layer, dice) => ({ kind: 'duplicate', layer, selection: { ...emptySelection, layer, nodes: some(dice, Object.keys(layerOf(d, layer).nodes)).slice(0, 3), groups: some(dice, Object.keys(layerOf(d, layer).groups)) }, withInputs: dice() < 0.5 }),
  (d, known, layer, dice) => {
    const clip = clipOf(d, selectNodes(layer, some(dice, Object.keys(layerOf(d, layer).nodes)).slice(0, 4)));
    const pasted = clip && readClipboard(writeClipboard(clip, known), known);
    const [target] = pick(dice, layersOf(d))!;
    return pasted && { kind: 'paste', layer: target, clip: pasted, withInputs: dice() < 0.5, ...(dice() < 0.5 ? { at: [5, 5] } : {}) };
  },
  (d, _k, layer, dice) => ({ kind: 'createSubgraph', layer, nodes: some(dice, Object.keys(layerOf(d, layer).nodes)), name: 'Teil', id: newSubgraphId(dice) }),
  (d, _k, layer, dice) => {
    const node = pick(dice, Object.values(layerOf(d, layer).nodes).filter(({ type }) => d.subgraphs[type] !== undefined)) ?? pick(dice, Object.values(layerOf(d, layer).nodes));
    return node && { kind: 'unpackSubgraph', layer, node: node.id };
  },
  (d, known, _l, dice) => {
    const node = pick(dice, Object.values(d.root.nodes));
    const slot = node && pick(dice, inputSlots(d, known, node));
    return slot && pick<Command>(dice, [{ kind: 'markInput', node: node.id, input: slot.name }, { kind: 'markOutput', node: node.id }, { kind: 'unmark', node: node.id }, { kind: 'unmark', node: node.id, input: slot.name }]);
  },
];

const starts: readonly (readonly [string, Document, NodeTypes])[] = [
  ...workflowTexts.filter(([path]) => /text-to-image.json|shared-prompt|bagel_image_editing/.test(path)).map(([path, text]) => [path, readWorkflowText(text, types).document, types] as const),
  ...[0, 20, 40, 55].map((i) => [`pair ${i}`, readDocument(pairs[i]!.get('workflow')!, comfyTypes).document, comfyTypes] as const),
];

describe.each(starts)('from %s', (_name, start, known) => {
  test('any edits keep the rules, and undo and redo are exact', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(makers.length - 1), fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(1 << 30)), { minLength: 1, maxLength: 25 }), (rolls) => {
      const history = new History(start, { now: () => 0, mergeMs: -1 });
      const stages = [history.document];
      for (const [maker, whereAt, seed] of rolls) {
        let state = seed;
        // mulberry32: the same roll gives the same command, so that failures shrink
        const dice = () => {
          state = (state + 0x6d2b79f5) | 0;
          let t = Math.imul(state ^ (state >>> 15), 1 | state);
          t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
          return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
        };
        const layers = layersOf(history.document);
        const [layer] = whereAt < 0.7 ? [rootLayer] : layers[Math.floor(whereAt * 1000) % layers.length]!;
        const command = makers[maker]!(history.document, known, layer, dice);
        if (command === undefined) continue;
        const before = history.document;
        const outcome = runCommand(history, command, known);
        if (!outcome.ok) expect(history.document).toBe(before);
        expect(brokenRules(history.document), command.kind).toEqual([]);
        if (history.document !== before) stages.push(history.document);
      }
      expect(history.undoSteps.length).toBe(stages.length - 1);
      for (let i = stages.length - 2; i >= 0; i--) {
        expect(history.undo()).toBe(true);
        expect(history.document).toEqual(stages[i]);
      }
      expect(history.undo()).toBe(false);
      for (const stage of stages.slice(1)) {
        expect(history.redo()).toBe(true);
        expect(history.document).toEqual(stage);
      }
      expect(throughFile(history.document, known)).toEqual(withoutRaw(history.document));
      // the conversion takes whatever editing makes
      convertWorkflow(writeDocument(history.document, known), known.definitions);
    }), { numRuns: 25 });
  });
});
