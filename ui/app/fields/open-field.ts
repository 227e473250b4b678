// Begins to edit a widget: a switch is turned at once, a picture is asked for by the browser's dialog, anything else gets a field.
import { inputSlots, valueOf } from '../../state/slots.ts';
import type { Editor, FieldRequest } from '../editor.ts';
import { pickPicture } from './pick-picture.ts';

/** `request` is about a node of the shown layer. */
export function openField(editor: Editor, request: FieldRequest): void {
  const workspace = editor.active.value;
  const node = workspace?.shown.nodes[request.node];
  const slot = workspace === undefined || node === undefined ? undefined : inputSlots(workspace.document.value, editor.types.value, node).find(({ name }) => name === request.input);
  const layer = workspace?.layer.value ?? '';
  editor.field.value = undefined;
  if (slot?.widget?.kind === 'toggle' && slot.link === null && request.part === 'value') editor.run({ kind: 'setValue', layer, node: request.node, input: request.input, value: valueOf(node!, slot) !== true });
  else if (request.part === 'upload') void pickPicture(editor, workspace!, layer, request.node, request.input);
  else editor.field.value = request;
}
