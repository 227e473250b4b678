// Every action of the page that a key or a menu can start: one table, from which the shortcuts, their sheet and the menus are made.
import { boxAround, boxOf, emptySelection, selectAll, selectDownstream, selectNodes, selectSameType, selectUpstream } from '../../state/selection.ts';
import { fitBox } from '../../state/commands/arrange.ts';
import type { Box } from '../../state/document.ts';
import { newSubgraphId } from '../../state/commands/subgraphs.ts';
import { interrupt } from '../../api/prompts.ts';
import type { Edge } from '../../state/layout.ts';
import type { Editor } from '../editor.ts';
import type { WordKey } from '../words/words.ts';
import { copySelection, pasteFromClipboard, removeSelection } from './clipboard.ts';
import { startRun } from './start-run.ts';
import type { Workspace } from './workspace.ts';

export interface Action {
  readonly id: string;
  readonly label: WordKey;
  /** As `Ctrl+Shift+KeyZ`: modifiers and the key's code, or the sign it makes (`?`). Ctrl is also Cmd. */
  readonly keys: readonly string[];
  /** Works while something is typed, too. */
  readonly whileTyping?: true;
  isEnabled?(editor: Editor): boolean;
  run(editor: Editor): void;
}

const hasNodes = (editor: Editor) => (editor.active.value?.selection.value.nodes.length ?? 0) > 0;
const isOpen = (editor: Editor) => editor.active.value !== undefined;
const chosen = (editor: Editor, act: (workspace: Workspace, layer: string, nodes: readonly string[]) => void) => {
  const workspace = editor.active.value;
  if (workspace !== undefined && workspace.selection.value.nodes.length > 0) act(workspace, workspace.layer.value, workspace.selection.value.nodes);
};
const align = (id: string, label: WordKey, edge: Edge): Action => ({ id, label, keys: [], isEnabled: hasNodes, run: (editor) => chosen(editor, (_, layer, nodes) => editor.run({ kind: 'align', layer, nodes, edge })) });
const extend = (id: string, label: WordKey, keys: readonly string[], select: typeof selectUpstream): Action => ({
  id, label, keys, isEnabled: hasNodes, run: (editor) => chosen(editor, (workspace) => editor.select(select(workspace.selection.value, workspace.shown))),
});
const nudge = (id: string, label: WordKey, key: string, x: number, y: number): Action => ({
  id, label, keys: [key], isEnabled: hasNodes,
  run: (editor) => chosen(editor, (workspace, layer, nodes) => editor.run({ kind: 'move', layer, moves: { nodes: Object.fromEntries(nodes.flatMap((node) => {
    const at = workspace.shown.nodes[node]?.pos;
    return at === undefined ? [] : [[node, [at[0] + x, at[1] + y] as const]];
  })) } })),
});

export const actions: readonly Action[] = [
  { id: 'run', label: 'run.run', keys: ['Ctrl+Enter'], whileTyping: true, run: (editor) => void startRun(editor) },
  { id: 'run-front', label: 'run.front', keys: ['Ctrl+Shift+Enter'], whileTyping: true, run: (editor) => void startRun(editor, { front: true }) },
  { id: 'run-to', label: 'run.to-here', keys: ['Alt+Enter'], isEnabled: (editor) => outputsChosen(editor).length > 0, run: (editor) => void startRun(editor, { targets: outputsChosen(editor) }) },
  { id: 'stop', label: 'run.stop', keys: ['Ctrl+Alt+Enter'], whileTyping: true, run: (editor) => void interrupt(editor.runs.current.value?.id).catch(editor.tellError) },
  { id: 'undo', label: 'menu.undo', keys: ['Ctrl+KeyZ'], isEnabled: (editor) => editor.active.value?.steps.value.undo !== undefined, run: (editor) => { editor.active.value?.history.undo(); } },
  { id: 'redo', label: 'menu.redo', keys: ['Ctrl+Shift+KeyZ', 'Ctrl+KeyY'], isEnabled: (editor) => editor.active.value?.steps.value.redo !== undefined, run: (editor) => { editor.active.value?.history.redo(); } },
  { id: 'history', label: 'history.title', keys: ['Ctrl+Alt+KeyZ'], isEnabled: isOpen, run: (editor) => { editor.dialog.value = 'history'; } },
  { id: 'add', label: 'menu.add', keys: ['Space', '/', 'Shift+KeyA'], isEnabled: isOpen, run: openSearch },
  { id: 'copy', label: 'menu.copy', keys: [], isEnabled: hasNodes, run: (editor) => void copySelection(editor) },
  { id: 'cut', label: 'menu.cut', keys: [], isEnabled: hasNodes, run: (editor) => void copySelection(editor).then(() => removeSelection(editor)) },
  { id: 'paste', label: 'menu.paste', keys: [], isEnabled: isOpen, run: (editor) => void pasteFromClipboard(editor, editor.middle()) },
  { id: 'duplicate', label: 'menu.duplicate', keys: ['Ctrl+KeyD'], isEnabled: hasNodes, run: duplicate },
  { id: 'delete', label: 'menu.delete', keys: ['Delete', 'Backspace'], isEnabled: (editor) => editor.active.value !== undefined, run: removeSelection },
  { id: 'select-all', label: 'menu.select-all', keys: ['Ctrl+KeyA'], isEnabled: isOpen, run: (editor) => { const open = editor.active.value!; editor.select(selectAll(open.layer.value, open.shown)); } },
  extend('select-upstream', 'menu.select-upstream', [], selectUpstream),
  extend('select-downstream', 'menu.select-downstream', [], selectDownstream),
  extend('select-type', 'menu.select-type', [], selectSameType),
  { id: 'mute', label: 'menu.mute', keys: ['Ctrl+KeyM'], isEnabled: hasNodes, run: (editor) => chosen(editor, (_, layer, nodes) => editor.run({ kind: 'toggleMode', layer, nodes, mode: 2 })) },
  { id: 'bypass', label: 'menu.bypass', keys: ['Ctrl+KeyB'], isEnabled: hasNodes, run: (editor) => chosen(editor, (_, layer, nodes) => editor.run({ kind: 'toggleMode', layer, nodes, mode: 4 })) },
  { id: 'collapse', label: 'menu.collapse', keys: ['Alt+KeyC'], isEnabled: hasNodes, run: (editor) => chosen(editor, (workspace, layer, nodes) => editor.run({ kind: 'setCollapsed', layer, nodes, isCollapsed: !nodes.every((id) => workspace.shown.nodes[id]?.flags.collapsed === true) })) },
  { id: 'pin', label: 'menu.pin', keys: ['KeyP'], isEnabled: hasNodes, run: (editor) => chosen(editor, (workspace, layer, nodes) => editor.run({ kind: 'setPinned', layer, nodes, isPinned: !nodes.every((id) => workspace.shown.nodes[id]?.flags.pinned === true) })) },
  { id: 'group', label: 'menu.group', keys: ['Ctrl+KeyG'], isEnabled: hasNodes, run: (editor) => chosen(editor, (_, layer, nodes) => { const box = frameAround(editor, nodes); editor.run({ kind: 'addGroup', layer, nodes, title: 'Group', ...(box === undefined ? {} : { box }) }); }) },
  { id: 'subgraph', label: 'menu.subgraph', keys: ['Ctrl+Shift+KeyE'], isEnabled: hasNodes, run: (editor) => chosen(editor, (_, layer, nodes) => editor.run({ kind: 'createSubgraph', layer, nodes, name: 'Subgraph', id: newSubgraphId() })) },
  align('align-left', 'menu.align-left', 'left'), align('align-right', 'menu.align-right', 'right'), align('align-top', 'menu.align-top', 'top'), align('align-bottom', 'menu.align-bottom', 'bottom'),
  { id: 'distribute-x', label: 'menu.distribute-x', keys: [], isEnabled: hasNodes, run: (editor) => chosen(editor, (_, layer, nodes) => editor.run({ kind: 'distribute', layer, nodes, axis: 'x' })) },
  { id: 'distribute-y', label: 'menu.distribute-y', keys: [], isEnabled: hasNodes, run: (editor) => chosen(editor, (_, layer, nodes) => editor.run({ kind: 'distribute', layer, nodes, axis: 'y' })) },
  { id: 'tidy', label: 'menu.tidy', keys: ['Alt+KeyL'], isEnabled: isOpen, run: tidy },
  { id: 'rename', label: 'menu.rename', keys: ['F2'], isEnabled: hasNodes, run: rename },
  nudge('nudge-left', 'menu.nudge-left', 'ArrowLeft', -10, 0), nudge('nudge-right', 'menu.nudge-right', 'ArrowRight', 10, 0), nudge('nudge-up', 'menu.nudge-up', 'ArrowUp', 0, -10), nudge('nudge-down', 'menu.nudge-down', 'ArrowDown', 0, 10),
  { id: 'fit', label: 'menu.fit', keys: ['Period', 'Home', 'Shift+Digit1'], isEnabled: isOpen, run: (editor) => editor.canvas.value?.fit() },
  { id: 'fit-selection', label: 'menu.fit-selection', keys: ['Shift+Digit2'], isEnabled: hasNodes, run: (editor) => chosen(editor, (_, __, nodes) => editor.canvas.value?.fit(nodes)) },
  { id: 'zoom-in', label: 'canvas.zoom-in', keys: ['Alt+Equal', 'Alt+NumpadAdd'], isEnabled: isOpen, run: (editor) => editor.canvas.value?.zoomBy(1.25) },
  { id: 'zoom-out', label: 'canvas.zoom-out', keys: ['Alt+Minus', 'Alt+NumpadSubtract'], isEnabled: isOpen, run: (editor) => editor.canvas.value?.zoomBy(0.8) },
  { id: 'refresh', label: 'menu.refresh', keys: ['KeyR'], run: (editor) => void editor.loadTypes() },
  { id: 'leave', label: 'menu.leave', keys: ['Escape'], run: leave },
  { id: 'shortcuts', label: 'menu.shortcuts', keys: ['?', 'Ctrl+Shift+KeyK'], run: (editor) => { editor.dialog.value = 'shortcuts'; } },
  { id: 'settings', label: 'menu.settings', keys: ['Ctrl+Comma'], run: (editor) => { editor.dialog.value = 'settings'; } },
];

/** Selected nodes that are outputs, as a run calls them: only those can be asked for. */
function outputsChosen(editor: Editor): readonly string[] {
  const workspace = editor.active.value;
  return workspace?.selection.value.nodes.filter((id) => editor.types.value.get(workspace.shown.nodes[id]?.type ?? '')?.isOutput === true).map((id) => workspace.runId(id)) ?? [];
}

export function actionOf(id: string): Action {
  const found = actions.find((action) => action.id === id);
  if (found === undefined) throw new Error(`there is no action ${id}`);
  return found;
}

/** A group's frame around nodes as they are drawn, which may be taller than their files say. */
function frameAround(editor: Editor, nodes: readonly string[]): Box | undefined {
  const canvas = editor.canvas.value;
  return canvas && fitBox(nodes.flatMap((id): Box[] => {
    const box = canvas.nodeBox(id);
    if (box === undefined) return [];
    const [[x, y], [right, bottom]] = [canvas.toGraph(box), canvas.toGraph({ x: box.x + box.width, y: box.y + box.height })];
    return [[x, y, right - x, bottom - y].map(Math.round) as unknown as Box];
  }));
}

function openSearch(editor: Editor): void {
  const graph = editor.middle();
  const client = editor.canvas.value?.toClient(graph);
  if (client !== undefined) editor.search.value = { at: { graph, client: { x: client.x - 180, y: Math.max(80, client.y - 200) } } };
}

function duplicate(editor: Editor): void {
  const workspace = editor.active.value!;
  const box = boxAround(workspace.selection.value.nodes.flatMap((id) => { const node = workspace.shown.nodes[id]; return node === undefined ? [] : [boxOf(node)]; }));
  const made = editor.run({ kind: 'duplicate', layer: workspace.layer.value, selection: workspace.selection.value, ...(box === undefined ? {} : { at: [box[0] + 30, box[1] + 60] as const }) });
  if (made?.[0] !== undefined) editor.select({ ...emptySelection, layer: workspace.layer.value, nodes: made[0].nodes ?? [], groups: made[0].groups ?? [], reroutes: made[0].reroutes ?? [] });
}

function tidy(editor: Editor): void {
  const workspace = editor.active.value!;
  const { nodes } = workspace.selection.value;
  editor.run({ kind: 'tidy', layer: workspace.layer.value, ...(nodes.length > 1 ? { nodes } : {}) });
  editor.canvas.value?.fit(nodes.length > 1 ? nodes : undefined);
}

function rename(editor: Editor): void {
  const workspace = editor.active.value!;
  const [id] = workspace.selection.value.nodes;
  const node = id === undefined ? undefined : workspace.shown.nodes[id];
  if (node !== undefined) editor.rename.value = { kind: 'node', id: node.id, title: node.title ?? editor.types.value.get(node.type)?.title ?? node.type };
}

/** What is under way ends first, then the selection, then the subgraph. */
function leave(editor: Editor): void {
  const workspace = editor.active.value;
  if (workspace === undefined) return;
  if (editor.canvas.value?.isIdle() === false) editor.canvas.value.cancel();
  else if (workspace.selection.value.nodes.length + workspace.selection.value.links.length + workspace.selection.value.groups.length > 0) editor.select(selectNodes(workspace.layer.value, []));
  else if (workspace.around.value.length > 0) workspace.leave();
}
