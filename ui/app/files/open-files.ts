// Files of the user's computer → open workflows: workflow files, pictures with a workflow inside, and plain pictures.
import { pastePicture, pictureInputOf } from '../editor/clipboard.ts';
import type { Editor } from '../editor.ts';
import { titleOfPath } from '../../state/tabs.ts';
import type { NodeId, Point } from '../../state/document.ts';
import { setPicture } from '../fields/pick-picture.ts';
import { t } from '../words/words.ts';
import { pictureTexts } from './picture-texts.ts';

const isPicture = ({ type, name }: File) => type.startsWith('image/') || /\.(png|jpe?g|webp|gif|avif|bmp)$/i.test(name);

/**
 * Opens each in a tab of its own; what cannot be opened is told. `at`: where a plain picture's node goes. `over`: the node they were dropped on;
 * one that loads a picture takes it, whatever is inside.
 */
export async function openFiles(editor: Editor, files: readonly File[], at?: Point, over?: NodeId): Promise<void> {
  if (editor.typesState.value === 'loading') await editor.loadTypes();
  const workspace = editor.active.value;
  const input = over === undefined ? undefined : pictureInputOf(editor, over);
  const [first] = files;
  if (workspace !== undefined && over !== undefined && input !== undefined && files.length === 1 && first !== undefined && isPicture(first)) {
    await setPicture(editor, workspace, { layer: workspace.layer.value, node: over, input }, first, first.name);
    return;
  }
  for (const file of files) {
    try {
      await openFile(editor, file, at);
    } catch (error) {
      editor.tellError(error, `${file.name}:`);
    }
  }
}

async function openFile(editor: Editor, file: File, at: Point | undefined): Promise<void> {
  const title = titleOfPath(file.name.replace(/\.(png|jpe?g|webp|avif)$/i, ''));
  if (/json/.test(file.type) || /\.json$/i.test(file.name)) {
    editor.openText(await file.text(), { title, isDirty: true });
    return;
  }
  if (!isPicture(file)) {
    editor.notices.tell('error', t('file.unknown-kind', { name: file.name }));
    return;
  }
  const texts = await pictureTexts(new Uint8Array(await file.arrayBuffer()));
  const text = texts.get('workflow') ?? texts.get('prompt');
  if (text !== undefined) {
    editor.openText(text, { title, isDirty: true });
    return;
  }
  await pastePicture(editor, file, file.name, at ?? editor.middle());
  editor.notices.tell('note', t('file.no-workflow', { name: file.name }));
}

/** The browser's file dialog. */
export function pickFiles(editor: Editor): void {
  const dialog = document.createElement('input');
  dialog.type = 'file';
  dialog.multiple = true;
  dialog.accept = '.json,image/*';
  dialog.onchange = () => void openFiles(editor, [...(dialog.files ?? [])]);
  dialog.click();
}
