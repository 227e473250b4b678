// The address of the page: `/app/NAME` (or `#/app/NAME`) shows a workflow as a form, and what is shown so is in the address.
import { watch } from 'vue';
import type { Editor } from './editor.ts';
import { nameInAddress, openNamed } from './simple/open-task.ts';

/** Follows from now on; what is named is opened once last time's workflows are there. */
export function followAddress(editor: Editor): void {
  const name = nameInAddress(location);
  if (name !== undefined) editor.mode.value = 'simple';
  const stop = watch(editor.isReady, (isReady) => {
    if (!isReady) return;
    queueMicrotask(() => stop());
    const opened = name === undefined || name === '' ? Promise.resolve(true) : openNamed(editor, name);
    void opened.then(() => keepAddress(editor));
  }, { immediate: true });
  addEventListener('hashchange', () => {
    const asked = nameInAddress(location);
    if (asked === undefined) return;
    editor.mode.value = 'simple';
    if (asked !== '' && asked !== editor.activeTab.value?.title) void openNamed(editor, asked);
  });
}

function keepAddress(editor: Editor): void {
  watch(() => [editor.mode.value, editor.activeTab.value?.title ?? ''] as const, ([mode, title]) => {
    const isPath = nameInAddress({ pathname: location.pathname, hash: '' }) !== undefined;
    const wanted = `${isPath ? '/' : location.pathname}${location.search}${mode === 'simple' ? `#/app/${encodeURIComponent(title)}` : ''}`;
    if (`${location.pathname}${location.search}${location.hash}` !== wanted) history.replaceState(null, '', wanted);
  });
}
