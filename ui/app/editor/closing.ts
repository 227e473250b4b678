// Closing tabs: those with changes that are saved nowhere are asked about first.
import { shallowRef } from 'vue';
import type { Editor } from '../editor.ts';

/** The tab that is asked about. */
export const closing = shallowRef<string>();

export function requestClose(editor: Editor, id: string): void {
  if (editor.settings.all.value.confirmClose && editor.workspaces.get(id)?.isDirty.value === true) closing.value = id;
  else editor.close(id);
}
