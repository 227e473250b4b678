// What the menu over the canvas offers for what was clicked: entries as data, from the table of actions and from commands.
import { viewAddress } from '../../api/files.ts';
import { bypassPreview } from '../../state/bypass.ts';
import { inputBoundary, outputBoundary } from '../../state/document.ts';
import { itemsInGroup, selectNodes, boxAround, boxOf } from '../../state/selection.ts';
import { inputSlots, nodeTypeOf, titleOf } from '../../state/slots.ts';
import type { Editor, MenuRequest } from '../editor.ts';
import { actionOf } from '../editor/actions.ts';
import { pasteFromClipboard } from '../editor/clipboard.ts';
import { keyText } from '../editor/keymap.ts';
import { startRun } from '../editor/start-run.ts';
import type { Workspace } from '../editor/workspace.ts';
import { t } from '../words/words.ts';

export type MenuEntry =
  | { readonly kind: 'item'; readonly label: string; readonly keys?: string; readonly isDisabled?: boolean; readonly isChecked?: boolean; readonly swatch?: string; /** Below the label: what it would do. */ readonly hints?: readonly string[]; run(): void }
  | { readonly kind: 'line' }
  | { readonly kind: 'sub'; readonly label: string; readonly entries: readonly MenuEntry[] };

const line: MenuEntry = { kind: 'line' };
/** Title and body of nodes, as ComfyUI's page has them. */
const colors = [['none', undefined, undefined], ['red', '#5a2d2d', '#4a2525'], ['orange', '#5c4325', '#4c371e'], ['green', '#2d5236', '#25442d'], ['cyan', '#2a5157', '#224348'], ['blue', '#2c4465', '#243853'], ['purple', '#4a3560', '#3d2c4f']] as const;

export function menuEntries(editor: Editor, workspace: Workspace, { target, at }: MenuRequest): readonly MenuEntry[] {
  switch (target.kind) {
    case 'empty': return emptyEntries(editor, at.graph);
    case 'link': return [
      { kind: 'item', label: t('menu.disconnect'), run: () => editor.run({ kind: 'disconnect', layer: workspace.layer.value, link: target.link }) },
      { kind: 'item', label: t('menu.reroute'), run: () => editor.run({ kind: 'insertReroute', layer: workspace.layer.value, link: target.link, at: at.graph }) },
    ];
    case 'reroute': return [{ kind: 'item', label: t('menu.delete'), run: () => editor.run({ kind: 'removeItems', layer: workspace.layer.value, reroutes: [target.reroute] }) }];
    case 'group': return groupEntries(editor, workspace, target.group);
    case 'picture': return [...pictureEntries(editor, workspace, target.node, Math.max(0, target.index)), line, ...nodeEntries(editor, workspace, target.node)];
    case 'input': case 'widget': return [...inputEntries(editor, workspace, target.node, target.input), ...nodeEntries(editor, workspace, target.node)];
    default: return nodeEntries(editor, workspace, target.node);
  }
}

/** An action of the table, as an entry. */
export function entryOf(editor: Editor, id: string): MenuEntry {
  const action = actionOf(id);
  return { kind: 'item', label: t(action.label), keys: keyText(action.keys[0] ?? ''), isDisabled: action.isEnabled?.(editor) === false, run: () => action.run(editor) };
}

function emptyEntries(editor: Editor, at: readonly [number, number]): readonly MenuEntry[] {
  const client = editor.canvas.value?.toClient(at) ?? { x: 0, y: 0 };
  return [
    { kind: 'item', label: t('menu.add'), keys: keyText('Space'), run: () => { editor.search.value = { at: { graph: at, client } }; } },
    { kind: 'item', label: t('menu.paste'), keys: keyText('Ctrl+KeyV'), run: () => void pasteFromClipboard(editor, at) },
    line, entryOf(editor, 'select-all'), entryOf(editor, 'tidy'), entryOf(editor, 'fit'), line, entryOf(editor, 'undo'), entryOf(editor, 'redo'),
  ];
}

function groupEntries(editor: Editor, workspace: Workspace, id: string): readonly MenuEntry[] {
  const group = workspace.shown.groups[id];
  if (group === undefined) return [];
  const layer = workspace.layer.value;
  const inside = itemsInGroup(workspace.shown, group);
  const nodes = [...inside.nodes];
  const mode = (label: string, wanted: 2 | 4): MenuEntry => ({ kind: 'item', label, isDisabled: nodes.length === 0, run: () => editor.run({ kind: 'toggleMode', layer, nodes, mode: wanted }) });
  const outputs = nodes.filter((node) => workspace.shown.nodes[node]!.mode === 0 && nodeTypeOf(workspace.document.value, editor.types.value, workspace.shown.nodes[node]!.type)?.isOutput === true);
  return [
    { kind: 'item', label: t('menu.run-group'), isDisabled: outputs.length === 0, run: () => void startRun(editor, { targets: outputs.map((node) => workspace.runId(node)) }) }, line,
    { kind: 'item', label: t('menu.rename'), run: () => { editor.rename.value = { kind: 'group', id, title: group.title }; } },
    { kind: 'item', label: t('menu.select-group'), isDisabled: nodes.length === 0, run: () => editor.select({ ...selectNodes(layer, nodes), groups: [id] }) },
    { kind: 'item', label: t('menu.fit-group'), isDisabled: nodes.length === 0, run() {
      const around = boxAround(nodes.map((node) => boxOf(workspace.shown.nodes[node]!)));
      if (around !== undefined) editor.run({ kind: 'setGroup', layer, group: id, box: [around[0] - 20, around[1] - 50, around[2] + 40, around[3] + 70] });
    } },
    { kind: 'sub', label: t('menu.color'), entries: colors.map(([name, color]) => ({ kind: 'item', label: t(`menu.color-${name}`), ...(color === undefined ? {} : { swatch: color }), run: () => { editor.run({ kind: 'setGroup', layer, group: id, ...(color === undefined ? {} : { color }) }); } })) },
    line, mode(t('menu.mute'), 2), { ...mode(t('menu.bypass'), 4), hints: nodes.every((node) => workspace.shown.nodes[node]!.mode === 4) ? [] : bypassHints(editor, workspace, nodes) } as MenuEntry, line,
    { kind: 'item', label: t('menu.ungroup'), run: () => editor.run({ kind: 'removeItems', layer, groups: [id] }) },
  ];
}

const mostHints = 4;

/** What bypassing would connect: source and target of each link that leaves the nodes. */
function bypassHints(editor: Editor, workspace: Workspace, nodes: readonly string[]): readonly string[] {
  const [document, types, layer] = [workspace.document.value, editor.types.value, workspace.shown];
  const name = (id: string) => {
    const node = layer.nodes[id];
    return node === undefined ? t(id === inputBoundary ? 'node.inputs' : 'node.outputs') : titleOf(document, types, node);
  };
  const hints = bypassPreview(document, types, layer, nodes).map(({ link, from }) => {
    const { to, toSlot } = layer.links[link]!;
    const input = layer.nodes[to]?.inputs[toSlot]?.name;
    const label = to === outputBoundary ? document.subgraphs[workspace.layer.value]?.outputs[toSlot]?.name : layer.nodes[to] && inputSlots(document, types, layer.nodes[to]).find((slot) => slot.name === input)?.label;
    return t(from === undefined ? 'menu.passes-nothing' : 'menu.passes', { from: from === undefined ? '' : name(from.node), to: name(to), label: label ?? '' });
  });
  return hints.length > mostHints ? [...hints.slice(0, mostHints), '…'] : hints;
}

function inputEntries(editor: Editor, workspace: Workspace, id: string, input: string): readonly MenuEntry[] {
  const node = workspace.shown.nodes[id];
  const slot = node?.inputs.find(({ name }) => name === input);
  const entries: MenuEntry[] = [];
  if (slot?.link != null) entries.push({ kind: 'item', label: t('menu.disconnect'), run: () => editor.run({ kind: 'disconnect', layer: workspace.layer.value, link: slot.link! }) });
  const type = node && nodeTypeOf(workspace.document.value, editor.types.value, node.type);
  if (type?.inputs.find(({ name }) => name === input)?.widget !== undefined) {
    const run = workspace.runId(id);
    const isMarked = workspace.document.value.form?.inputs.some((entry) => entry.node === run && entry.input === input) === true;
    entries.push({ kind: 'item', label: t(isMarked ? 'menu.form-hide' : 'menu.form-show'), run: () => editor.run(isMarked ? { kind: 'unmark', node: run, input } : { kind: 'markInput', node: run, input }) });
  }
  return entries.length === 0 ? [] : [...entries, line];
}

function pictureEntries(editor: Editor, workspace: Workspace, node: string, index: number): readonly MenuEntry[] {
  const files = editor.shown.value.get(workspace.id)?.get(workspace.runId(node))?.pictures ?? [];
  const file = files[index];
  if (file === undefined) return [];
  return [
    { kind: 'item', label: t('menu.open-picture'), run: () => { editor.viewer.value = { files, index }; } },
    { kind: 'item', label: t('menu.save-picture'), run() { Object.assign(document.createElement('a'), { href: viewAddress(file), download: file.filename }).click(); } },
    { kind: 'item', label: t('menu.copy-picture'), run: () => void copyPicture(editor, viewAddress(file)) },
  ];
}

async function copyPicture(editor: Editor, address: string): Promise<void> {
  try {
    const image = Object.assign(new Image(), { src: address });
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: image.naturalWidth, height: image.naturalHeight });
    canvas.getContext('2d')!.drawImage(image, 0, 0);
    const blob = await new Promise<Blob | null>((resolve) => { canvas.toBlob(resolve, 'image/png'); });
    if (blob !== null) await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
  } catch (error) {
    editor.tellError(error);
  }
}

function nodeEntries(editor: Editor, workspace: Workspace, id: string): readonly MenuEntry[] {
  const layer = workspace.layer.value;
  const node = workspace.shown.nodes[id];
  if (node === undefined) return [];
  if (!workspace.selection.value.nodes.includes(id)) editor.select(selectNodes(layer, [id]));
  const { nodes } = workspace.selection.value;
  const isSubgraph = workspace.document.value.subgraphs[node.type] !== undefined;
  const type = nodeTypeOf(workspace.document.value, editor.types.value, node.type);
  const several = nodes.length > 1;
  return [
    ...(type?.isOutput === true ? [{ kind: 'item' as const, label: t('run.to-here'), keys: keyText('Alt+Enter'), run: () => void startRun(editor, { targets: [workspace.runId(id)] }) }, line] : []),
    ...(isSubgraph ? [{ kind: 'item' as const, label: t('menu.enter'), run: () => workspace.enter(id) }, { kind: 'item' as const, label: t('menu.unpack'), run: () => { editor.run({ kind: 'unpackSubgraph', layer, node: id }); } }] : []),
    entryOf(editor, 'rename'), entryOf(editor, 'copy'), entryOf(editor, 'duplicate'), line,
    { ...entryOf(editor, 'mute'), isChecked: node.mode === 2 } as MenuEntry, { ...entryOf(editor, 'bypass'), isChecked: node.mode === 4, hints: node.mode === 4 ? [] : bypassHints(editor, workspace, nodes) } as MenuEntry,
    { ...entryOf(editor, 'collapse'), isChecked: node.flags.collapsed === true } as MenuEntry, { ...entryOf(editor, 'pin'), isChecked: node.flags.pinned === true } as MenuEntry, line,
    { kind: 'sub', label: t('menu.color'), entries: colors.map(([name, color, bgcolor]) => ({ kind: 'item', label: t(`menu.color-${name}`), ...(color === undefined ? {} : { swatch: color }), run: () => { editor.run({ kind: 'setColor', layer, nodes, ...(color === undefined ? {} : { color, bgcolor }) }); } })) },
    { kind: 'sub', label: t('menu.select'), entries: ['select-upstream', 'select-downstream', 'select-type'].map((action) => entryOf(editor, action)) },
    ...(several ? [{ kind: 'sub' as const, label: t('menu.align'), entries: ['align-left', 'align-right', 'align-top', 'align-bottom', 'distribute-x', 'distribute-y'].map((action) => entryOf(editor, action)) }] : []),
    ...deviceEntries(editor, workspace, id),
    entryOf(editor, 'group'), entryOf(editor, 'subgraph'), line, entryOf(editor, 'delete'),
  ];
}

function deviceEntries(editor: Editor, workspace: Workspace, id: string): readonly MenuEntry[] {
  const node = workspace.shown.nodes[id];
  const known = editor.devices.value;
  const type = node && nodeTypeOf(workspace.document.value, editor.types.value, node.type);
  if (node === undefined || known.length === 0 || type === undefined || type.isVirtual || type.isSubgraph) return [];
  const now = node.properties.get('device');
  const item = (label: string, device: string | undefined): MenuEntry => ({ kind: 'item', label, isChecked: now === device, run: () => { editor.run({ kind: 'setDevice', layer: workspace.layer.value, node: id, ...(device === undefined ? {} : { device }) }); } });
  return [{ kind: 'sub', label: t('menu.device'), entries: [item(t('menu.device-auto'), undefined), ...known.map((device) => item(device, device))] }];
}
