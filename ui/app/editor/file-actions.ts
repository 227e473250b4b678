// Actions on whole workflows, for the main menu and the keys.
import { copyCurl, asked, exportApi, exportWorkflow, save } from '../files/save-files.ts';
import { pickFiles } from '../files/open-files.ts';
import type { Editor } from '../editor.ts';
import type { Action } from './actions.ts';
import { requestClose } from './closing.ts';

const isOpen = (editor: Editor) => editor.active.value !== undefined;

function turnTo(editor: Editor, by: number): void {
  const { tabs, active } = editor.tabs.value;
  const next = tabs[(tabs.findIndex(({ id }) => id === active) + by + tabs.length) % tabs.length];
  if (next !== undefined) editor.show(next.id);
}

/** First lets the field that is being edited write its value into the workflow it belongs to. */
const afterField = (act: (editor: Editor) => void) => (editor: Editor): void => {
  editor.field.value = undefined;
  void Promise.resolve().then(() => act(editor));
};
/** With Option, a Mac writes signs. */
const whileTyping = /mac|iphone|ipad/i.test(navigator.platform) ? {} : { whileTyping: true as const };

export const fileActions: readonly Action[] = [
  { id: 'new', label: 'tab.new', keys: ['Alt+KeyN'], ...whileTyping, run: afterField((editor) => editor.show('')) },
  { id: 'open', label: 'file.open', keys: ['Ctrl+KeyO'], run: pickFiles },
  { id: 'save', label: 'file.save', keys: ['Ctrl+KeyS'], whileTyping: true, isEnabled: isOpen, run: afterField((editor) => void save(editor)) },
  { id: 'save-as', label: 'file.save-as', keys: ['Ctrl+Shift+KeyS'], whileTyping: true, isEnabled: isOpen, run(editor) {
    const tab = editor.activeTab.value!;
    editor.field.value = undefined;
    asked.value = { kind: 'name', tab: tab.id, name: tab.title };
  } },
  { id: 'export', label: 'file.export', keys: [], isEnabled: isOpen, run: exportWorkflow },
  { id: 'export-api', label: 'file.export-api', keys: [], isEnabled: isOpen, run: exportApi },
  { id: 'copy-curl', label: 'file.copy-curl', keys: [], isEnabled: isOpen, run: (editor) => void copyCurl(editor) },
  { id: 'close', label: 'tab.close-this', keys: ['Alt+KeyW'], ...whileTyping, isEnabled: isOpen, run: afterField((editor) => requestClose(editor, editor.activeTab.value!.id)) },
  { id: 'tab-next', label: 'tab.next', keys: ['Alt+PageDown'], whileTyping: true, isEnabled: isOpen, run: afterField((editor) => turnTo(editor, 1)) },
  { id: 'tab-previous', label: 'tab.previous', keys: ['Alt+PageUp'], whileTyping: true, isEnabled: isOpen, run: afterField((editor) => turnTo(editor, -1)) },
];
