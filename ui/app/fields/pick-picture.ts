// Uploads a picture and sets it as the value of a node's input. The list of choices is asked for anew, for it holds the new name then.
import { uploadPicture } from '../../api/files.ts';
import type { LayerId, NodeId } from '../../state/document.ts';
import type { Editor } from '../editor.ts';
import type { Workspace } from '../editor/workspace.ts';
import { t } from '../words/words.ts';

const mostBytes = 100 * 2 ** 20;

/** Opens the browser's file dialog. */
export function pickPicture(editor: Editor, workspace: Workspace, layer: LayerId, node: NodeId, input: string): Promise<void> {
  return new Promise((resolve) => {
    const dialog = document.createElement('input');
    dialog.type = 'file';
    dialog.accept = 'image/*';
    dialog.oncancel = () => resolve();
    dialog.onchange = () => {
      const file = dialog.files?.[0];
      if (file === undefined) resolve();
      else void setPicture(editor, workspace, { layer, node, input }, file, file.name).then(() => resolve());
    };
    dialog.click();
  });
}

/** Uploads and sets; what goes wrong is told. Gives the name that the server gave it. */
export async function setPicture(editor: Editor, workspace: Workspace, place: { readonly layer: LayerId; readonly node: NodeId; readonly input: string }, file: Blob, name: string): Promise<string | undefined> {
  const saved = await upload(editor, file, name);
  if (saved === undefined) return undefined;
  const outcome = workspace.run({ kind: 'setValue', ...place, value: saved }, editor.types.value);
  if (!outcome.ok) editor.notices.tell('warning', editor.say(outcome.reason));
  return saved;
}

/** Uploads a picture to the input folder; undefined where that failed, which was told then. */
export async function upload(editor: Editor, file: Blob, name: string): Promise<string | undefined> {
  if (file.size > mostBytes) {
    editor.notices.tell('error', t('field.too-large', { name, megabytes: Math.round(file.size / 2 ** 20), most: mostBytes / 2 ** 20 }));
    return undefined;
  }
  try {
    const saved = await uploadPicture(file, name);
    await editor.loadTypes();
    return saved;
  } catch (error) {
    editor.tellError(error);
    return undefined;
  }
}
