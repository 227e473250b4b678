// Steps, gestures, merging, bounds and what is dirty, on a history alone.
import { describe, expect, test } from 'vitest';
import { applyPatches } from '../../../ui/state/apply-patches.ts';
import { runCommand, runCommands, type Command } from '../../../ui/state/commands/commands.ts';
import { emptyDocument, rootLayer } from '../../../ui/state/document.ts';
import { History, patchesOf, type Change, type HistoryOptions } from '../../../ui/state/history.ts';
import { say } from '../../../ui/state/messages.ts';
import { selectNodes, type Selection } from '../../../ui/state/selection.ts';
import { comfyTypes } from './files.ts';

function lab(options: HistoryOptions = {}) {
  let at = 0;
  const history = new History(emptyDocument(), { now: () => at, ...options });
  const run = (command: Command) => runCommand(history, command, comfyTypes);
  const add = (type: string) => run({ kind: 'addNode', layer: rootLayer, type, at: [0, 0] });
  const write = (value: string) => run({ kind: 'setValue', layer: rootLayer, node: '1', input: 'text', value });
  return { history, run, add, write, wait: (ms: number) => void (at += ms), text: () => history.document.root.nodes['1']?.values['text'] };
}

test('typing in one field is one step, a pause begins another', () => {
  const { history, add, write, wait, text } = lab();
  add('CLIPTextEncode');
  for (const value of ['a', 'ab', 'abc']) {
    wait(300);
    write(value);
  }
  wait(1500);
  write('abcd');
  expect(history.undoSteps.map(({ label }) => say(label))).toEqual(['Add CLIP Text Encode (Prompt)', 'Set text of CLIP Text Encode (Prompt)', 'Set text of CLIP Text Encode (Prompt)']);
  history.undo();
  expect(text()).toBe('abc');
  history.undo();
  expect(text()).toBe('');
  history.redo();
  expect(text()).toBe('abc');
  // merged edits of one place keep the first old and the last new value only
  expect(history.undoSteps.at(-1)!.patches.length).toBe(1);
});

describe('gestures', () => {
  test('are one step, restore the selection, and nest', () => {
    let selection: Selection = selectNodes(rootLayer, ['9']);
    const { history, run, add } = lab({ selection: () => selection });
    const changes: Change[] = [];
    history.subscribe((change) => changes.push(change));
    history.begin();
    add('KSampler');
    history.begin();
    run({ kind: 'move', layer: rootLayer, moves: { nodes: { 1: [5, 6] } } });
    history.commit();
    selection = selectNodes(rootLayer, ['1']);
    history.commit();
    expect(history.undoSteps.length).toBe(1);
    history.undo();
    expect(changes.at(-1)).toMatchObject({ cause: 'undo', selection: { nodes: ['9'] } });
    history.redo();
    expect(changes.at(-1)).toMatchObject({ cause: 'redo', selection: { nodes: ['1'] } });
  });
  test('that are cancelled, or change nothing, leave nothing', () => {
    const { history, add } = lab();
    const before = history.document;
    history.begin();
    add('KSampler');
    history.cancel();
    history.begin();
    history.commit();
    expect([history.document, history.undoSteps.length, history.isInGesture]).toEqual([before, 0, false]);
  });
  test('of several commands go back whole when one is refused', () => {
    const { history } = lab();
    const outcome = runCommands(history, [{ kind: 'addNode', layer: rootLayer, type: 'KSampler', at: [0, 0] }, { kind: 'addNode', layer: rootLayer, type: 'Nonsense', at: [0, 0] }], comfyTypes);
    expect(outcome).toMatchObject({ ok: false, reason: { code: 'node.unknown-type' } });
    expect(Object.keys(history.document.root.nodes)).toEqual([]);
  });
});

test('a new edit forgets what was undone', () => {
  const { history, add } = lab();
  add('KSampler');
  history.undo();
  add('SaveImage');
  expect(history.redo()).toBe(false);
});

test('at least 500 steps are kept, bounded by count and by bytes; one undo always works', () => {
  const { history, add, run } = lab();
  add('KSampler');
  for (let i = 0; i < 700; i++) run({ kind: 'move', layer: rootLayer, moves: { nodes: { 1: [i + 1, 0] } } });
  expect(history.undoSteps.length).toBe(701);
  const few = lab({ mostSteps: 3 });
  for (let i = 0; i < 5; i++) few.add('KSampler');
  expect(few.history.undoSteps.length).toBe(3);
  const small = lab({ mostBytes: 1000 });
  small.add('CLIPTextEncode');
  small.write('x'.repeat(5000));
  expect(small.history.undoSteps.length).toBe(1);
  expect(small.history.undo()).toBe(true);
  expect(small.text()).toBe('');
});

test('dirty follows edits, undo and saving, not what changes by itself', () => {
  const { history, add, write, text } = lab({ mostSteps: 2 });
  expect(history.isDirty).toBe(false);
  add('CLIPTextEncode');
  expect(history.isDirty).toBe(true);
  history.undo();
  expect(history.isDirty).toBe(false);
  history.redo();
  write('a');
  history.markSaved();
  // typing that goes on in the same second is an edit of its own
  write('ab');
  expect(history.isDirty).toBe(true);
  history.undo();
  expect([history.isDirty, text()]).toEqual([false, 'a']);
  history.amend((draft) => void (draft.root.nodes['1']!.values['text'] = 'by itself'));
  expect(history.isDirty).toBe(false);
  for (const value of ['b', 'c', 'd']) add(value === 'b' ? 'KSampler' : 'SaveImage');
  while (history.undo());
  expect(history.isDirty).toBe(true);
  history.replace(emptyDocument());
  expect(history.isDirty).toBe(false);
  history.markDirty();
  expect(history.isDirty).toBe(true);
});

test('a click in the list goes there', () => {
  const { history, add } = lab();
  for (let i = 0; i < 6; i++) add('KSampler');
  history.goTo(2);
  expect(Object.keys(history.document.root.nodes)).toEqual(['1', '2']);
  history.goTo(5);
  expect(history.redoSteps.length).toBe(1);
});

test('patches are told by layer', () => {
  const { history, add, run } = lab();
  const seen: Change[] = [];
  history.subscribe((change) => seen.push(change));
  add('KSampler');
  expect(patchesOf(seen[0]!.patches, rootLayer)!.map(({ path }) => path.join('.'))).toContain('nodes.1');
  run({ kind: 'createSubgraph', layer: rootLayer, nodes: ['1'], name: 'Part', id: 'sub' });
  expect(patchesOf(seen[1]!.patches, 'sub')).toBeUndefined();
  run({ kind: 'move', layer: 'sub', moves: { nodes: { 1: [7, 7] } } });
  expect(patchesOf(seen[2]!.patches, 'sub')!.map(({ path }) => path.join('.'))).toEqual(['nodes.1.pos']);
  expect(patchesOf(seen[2]!.patches, rootLayer)).toEqual([]);
});

test('every message has its words, and what is in braces is filled in', () => {
  expect(say({ code: 'connect.wrong-type', params: { from: 'IMAGE', to: 'MASK' } })).toBe('IMAGE does not fit MASK.');
  expect(say({ code: 'connect.wrong-type', params: {} })).toContain('{from}');
});

describe('patches', () => {
  const before = Object.freeze({ list: Object.freeze([1, 2, 3]), deep: Object.freeze({ a: Object.freeze({ b: 1 }), other: Object.freeze({}) }) });
  test('share what they do not touch, and change what they bring only in a copy', () => {
    const brought = Object.freeze({ c: Object.freeze({ d: 1 }) });
    const after = applyPatches<object>(before, [
      { op: 'add', path: ['deep', 'new'], value: brought }, { op: 'replace', path: ['deep', 'new', 'c', 'd'], value: 2 }, { op: 'remove', path: ['deep', 'a'] },
      { op: 'add', path: ['list', 1], value: 9 }, { op: 'remove', path: ['list', 0] }, { op: 'replace', path: ['list', 'length'], value: 2 }, { op: 'replace', path: ['list', 0], value: 8 },
    ]) as typeof before;
    expect(after).toEqual({ list: [8, 2], deep: { new: { c: { d: 2 } }, other: {} } });
    expect([brought.c.d, after.deep.other === before.deep.other, Object.isFrozen(after.deep), before.list]).toEqual([1, true, true, [1, 2, 3]]);
  });
  test('reach no prototype and nothing that is not there', () => {
    expect(() => applyPatches<object>(before, [{ op: 'add', path: ['__proto__', 'polluted'], value: 1 }])).toThrow('prototype');
    expect(() => applyPatches<object>(before, [{ op: 'add', path: ['missing', 'x'], value: 1 }])).toThrow('holds nothing');
  });
});
