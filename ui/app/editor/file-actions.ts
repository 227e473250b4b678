// Actions on whole workflows, for the main menu and the keys.
import { copyCurl, asked, exportApi, exportWorkflow, save } from '../files/save-files.ts';
import { pickFiles } from '../files/open-files.ts';
import type { Editor } from '../editor.ts';
import type { Action } from './actions.ts';

const isOpen = (editor: Editor) => editor.active.value !== undefined;

export const fileActions: readonly Action[] = [
  { id: 'new', label: 'tab.new', keys: ['Alt+KeyN'], run: (editor) => { editor.openBlank(); } },
  { id: 'open', label: 'file.open', keys: ['Ctrl+KeyO'], run: pickFiles },
  { id: 'save', label: 'file.save', keys: ['Ctrl+KeyS'], whileTyping: true, isEnabled: isOpen, run: (editor) => void save(editor) },
  {
    id: 'save-as', label: 'file.save-as', keys: ['Ctrl+Shift+KeyS'], whileTyping: true, isEnabled: isOpen,
    run(editor) {
      const tab = editor.activeTab.value;
      if (tab !== undefined) asked.value = { kind: 'name', tab: tab.id, name: tab.file?.path.replace(/\.json$/, '') ?? tab.title };
    },
  },
  { id: 'export', label: 'file.export', keys: [], isEnabled: isOpen, run: exportWorkflow },
  { id: 'export-api', label: 'file.export-api', keys: [], isEnabled: isOpen, run: exportApi },
  { id: 'copy-curl', label: 'file.copy-curl', keys: [], isEnabled: isOpen, run: (editor) => void copyCurl(editor) },
];
