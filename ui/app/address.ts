// The address of the page: `/app/NAME` (or `#/app/NAME`) shows a workflow as a form, and what is shown so is in the address.
import { watch } from 'vue';
import type { Editor } from './editor.ts';
import { isOpeningNamed, nameInAddress, openNamed, taskOf } from './simple/open-task.ts';
import { tasks } from './simple/presets.ts';

/** Follows from now on; what is named is opened once last time's workflows are there. */
export function followAddress(editor: Editor): void {
  const name = nameInAddress(location);
  if (name !== undefined) editor.mode.value = 'simple';
  isOpeningNamed.value = name !== undefined && name !== '';
  const stop = watch(editor.isReady, (isReady) => {
    if (!isReady) return;
    queueMicrotask(() => stop());
    const opened = name === undefined || name === '' ? Promise.resolve(true) : openNamed(editor, name);
    void opened.finally(() => { isOpeningNamed.value = false; }).then(() => keepAddress(editor));
  }, { immediate: true });
  addEventListener('hashchange', () => {
    const asked = nameInAddress(location);
    if (asked === undefined) return;
    editor.mode.value = 'simple';
    if (asked !== '' && asked !== nameOf(editor)) void openNamed(editor, asked);
  });
}

function keepAddress(editor: Editor): void {
  watch(() => [editor.mode.value, nameOf(editor)] as const, ([mode, title]) => {
    const isPath = nameInAddress({ pathname: location.pathname, hash: '' }) !== undefined;
    const wanted = `${isPath ? '/' : location.pathname}${location.search}${mode === 'simple' ? `#/app/${encodeURIComponent(title)}` : ''}`;
    if (`${location.pathname}${location.search}${location.hash}` !== wanted) history.replaceState(null, '', wanted);
  });
}

/** A task of the simple view goes by its template, others by their file or title. */
function nameOf({ activeTab }: Editor): string {
  const tab = activeTab.value;
  const task = taskOf(tab?.id);
  return tasks.find(({ name }) => name === task)?.template ?? tab?.file?.path.replace(/\.json$/, '') ?? tab?.title ?? '';
}
