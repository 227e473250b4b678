// A result becomes the picture to edit or to ask about: in the simple view's tab for it, or in the graph that is opened for it.
import { getPicture } from '../../api/files.ts';
import type { FileReference } from '../../api/jobs.ts';
import { setField, simpleView } from '../../state/simple-view.ts';
import type { Editor } from '../editor.ts';
import { upload } from '../fields/pick-picture.ts';
import { openTask } from '../simple/open-task.ts';
import { tasks, type TaskName } from '../simple/presets.ts';

/** Copies the picture to the input folder and opens the task with it; what goes wrong is told. */
export async function sendTo(editor: Editor, name: Exclude<TaskName, 'image'>, file: FileReference): Promise<void> {
  try {
    const picture = await getPicture(file);
    const saved = await upload(editor, picture, file.filename);
    const workspace = saved === undefined ? undefined : await openTask(editor, tasks.find((task) => task.name === name)!);
    if (saved === undefined || workspace === undefined) return;
    const field = simpleView(workspace.document.value, editor.types.value).fields.find(({ widget }) => widget.kind === 'choice' && widget.upload?.accept === 'image');
    if (field !== undefined) workspace.run(setField(field, saved), editor.types.value);
    editor.viewer.value = undefined;
  } catch (error) {
    editor.tellError(error);
  }
}
