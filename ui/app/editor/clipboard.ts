// Copy, cut and paste over the system's clipboard, so that nodes go from one browser to another; pictures become nodes that load them.
import { readClipboard, clipOf, writeClipboard, type Clip } from '../../state/clipboard.ts';
import { selectNodes } from '../../state/selection.ts';
import type { NodeId, Point } from '../../state/document.ts';
import type { Editor } from '../editor.ts';
import { pictureInput } from '../../state/node-types.ts';
import { setPicture, upload } from '../fields/pick-picture.ts';
import { t } from '../words/words.ts';

/** The text of what is selected; undefined for nothing. */
export function copied(editor: Editor): string | undefined {
  const workspace = editor.active.value;
  const clip = workspace && clipOf(workspace.document.value, workspace.selection.value);
  return clip && writeClipboard(clip, editor.types.value);
}

/** Copies by the browser's clipboard, as a menu does it. */
export async function copySelection(editor: Editor): Promise<void> {
  const text = copied(editor);
  if (text === undefined) return;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    editor.notices.tell('warning', t('clipboard.forbidden'));
  }
}

export function removeSelection(editor: Editor): void {
  const workspace = editor.active.value;
  if (workspace === undefined) return;
  const { layer, nodes, groups, reroutes, links } = workspace.selection.value;
  if (nodes.length + groups.length + reroutes.length + links.length > 0) editor.run({ kind: 'removeItems', layer, nodes, groups, reroutes, links });
}

export async function pasteFromClipboard(editor: Editor, at: Point, withInputs = false): Promise<void> {
  try {
    pasteText(editor, await navigator.clipboard.readText(), at, withInputs);
  } catch {
    editor.notices.tell('warning', t('clipboard.forbidden'));
  }
}

/** Pastes what a text holds; false where it holds no nodes. */
export function pasteText(editor: Editor, text: string, at: Point, withInputs = false): boolean {
  const workspace = editor.active.value;
  if (workspace === undefined) return false;
  let clip: Clip | undefined;
  try {
    clip = readClipboard(text, editor.types.value);
  } catch (error) {
    editor.tellError(error);
    return true;
  }
  if (clip === undefined) return false;
  const made = editor.run({ kind: 'paste', layer: workspace.layer.value, clip, at, withInputs });
  const [first] = made ?? [];
  if (first !== undefined) editor.select({ ...selectNodes(workspace.layer.value, first.nodes ?? []), groups: first.groups ?? [], reroutes: first.reroutes ?? [] });
  return true;
}

/** A picture goes into the node that is selected, if that loads one; else it becomes a node that does. */
export async function pastePicture(editor: Editor, picture: Blob, name: string, at: Point): Promise<void> {
  const workspace = editor.active.value ?? editor.openBlank();
  const [selected, ...others] = workspace.selection.value.nodes;
  const layer = workspace.layer.value;
  const input = selected === undefined || others.length > 0 ? undefined : pictureInputOf(editor, selected);
  if (selected !== undefined && input !== undefined) {
    await setPicture(editor, workspace, { layer, node: selected, input }, picture, name);
    return;
  }
  const saved = await upload(editor, picture, name);
  if (saved === undefined) return;
  const made = editor.run({ kind: 'addNode', layer, type: 'LoadImage', at, values: { image: saved } });
  if (made?.[0]?.nodes !== undefined) editor.select(selectNodes(layer, made[0].nodes));
}

/** The input of a node of the shown layer that names a picture and is not linked. */
export function pictureInputOf(editor: Editor, id: NodeId): string | undefined {
  const node = editor.active.value?.shown.nodes[id];
  const type = node && editor.types.value.get(node.type);
  const name = type && pictureInput(type)?.name;
  return node?.inputs.some((input) => input.name === name && input.link !== null) === true ? undefined : name;
}
