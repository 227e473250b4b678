// Starts the page.
import { createApp, watch } from 'vue';
import { followAddress } from './address.ts';
import App from './App.vue';
import { createEditor, editorKey, findClientId } from './editor.ts';
import { keepDrafts } from './files/drafts.ts';

const editor = createEditor(await findClientId());
createApp(App).provide(editorKey, editor).mount('#app');
followAddress(editor);
void begin();
if (new URLSearchParams(location.search).has('e2e')) void import('./test-hook.ts').then(({ installTestHook }) => installTestHook(editor));

/** Workflows are read by the node types, so drafts are opened once those are there. */
async function begin(): Promise<void> {
  const stop = watch(editor.typesState, (state) => {
    if (state === 'failed') editor.isReady.value = true; // what went wrong is shown, with a way to try again
    if (state !== 'ready') return;
    queueMicrotask(() => stop());
    void keepDrafts(editor).catch(editor.tellError).finally(() => { editor.isReady.value = true; });
  });
  await editor.loadTypes();
}
