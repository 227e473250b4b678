// Starts the page.
import { createApp } from 'vue';
import App from './App.vue';
import { createEditor, editorKey } from './editor.ts';

const editor = createEditor();
createApp(App).provide(editorKey, editor).mount('#app');
void editor.loadTypes();
if (new URLSearchParams(location.search).has('e2e')) void import('./test-hook.ts').then(({ installTestHook }) => installTestHook(editor));
