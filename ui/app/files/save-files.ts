// Saving workflows on the server and exporting them. Another writer's changes are never overwritten unasked.
import { shallowRef } from 'vue';
import { promptJson } from '../../../engine/formats/api.ts';
import { encodeJson } from '../../../engine/formats/json.ts';
import { findProblems } from '../../state/problems.ts';
import { titleOfPath, type Tab } from '../../state/tabs.ts';
import { writeText } from '../../state/write-file.ts';
import { ConflictError, writeUserFile } from '../../api/files.ts';
import type { Editor } from '../editor.ts';
import { t } from '../words/words.ts';

export const folder = 'workflows';

/** What a dialog asks now: a name to save under, or what to do about another writer. */
export type Asked = { readonly kind: 'name'; readonly tab: string; readonly name: string } | { readonly kind: 'conflict'; readonly tab: string; readonly path: string; readonly isNew: boolean };
export const asked = shallowRef<Asked>();
/** The tab to be closed once it is saved. */
export const closesAfter = shallowRef<string>();

/** A path below the workflows without its ending; undefined for one that no server should get. */
export function pathFor(name: string): string | undefined {
  const parts = name.trim().replace(/\.json$/i, '').split('/').map((part) => part.trim());
  const isGood = parts.every((part) => part !== '' && !/^\.+$/.test(part) && /^[^\\:*?"<>|\p{Cc}]{1,120}$/u.test(part));
  return isGood ? `${parts.join('/')}.json` : undefined;
}

/** Saves where the tab's file is; asks for a name where it has none. True once it is saved. */
export async function save(editor: Editor, id = editor.tabs.value.active): Promise<boolean> {
  const tab = editor.tabs.value.tabs.find((one) => one.id === id);
  if (tab === undefined) return false;
  if (tab.file === undefined) {
    asked.value = { kind: 'name', tab: tab.id, name: tab.title };
    return false;
  }
  return write(editor, tab, tab.file.path, tab.file.version);
}

/** `known` as in `writeUserFile`: undefined for a new file, null to overwrite. */
export async function write(editor: Editor, tab: Tab, path: string, known: string | undefined | null): Promise<boolean> {
  const workspace = editor.workspaces.get(tab.id);
  if (workspace === undefined) return false;
  const indent = tab.file?.indent ?? 2;
  const { document } = workspace.history;
  try {
    const version = await writeUserFile(`${folder}/${path}`, writeText(document, editor.types.value, indent), known);
    editor.changeTab(tab.id, { title: titleOfPath(path), file: { path, version, indent } });
    // what was edited meanwhile is not in the file
    if (workspace.history.document === document) workspace.markSaved();
    savedCount.value++;
    return true;
  } catch (error) {
    if (error instanceof ConflictError) asked.value = { kind: 'conflict', tab: tab.id, path, isNew: known === undefined };
    else editor.tellError(error);
    return false;
  }
}

/** Rises with each save; lists of files look at it. */
export const savedCount = shallowRef(0);

function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const fileName = (editor: Editor) => (editor.activeTab.value?.title ?? 'workflow').replaceAll(/[\\/:*?"<>|\p{Cc}]/gu, '-');

export function exportWorkflow(editor: Editor): void {
  const workspace = editor.active.value;
  if (workspace !== undefined) download(`${fileName(editor)}.json`, writeText(workspace.document.value, editor.types.value));
}

export function exportApi(editor: Editor): void {
  const text = apiText(editor, 2);
  if (text !== undefined) download(`${fileName(editor)}.api.json`, text);
}

export async function copyCurl(editor: Editor): Promise<void> {
  const text = apiText(editor, 0);
  if (text === undefined) return;
  const body = `{"prompt": ${text}}`.replaceAll("'", `'\\''`);
  try {
    await navigator.clipboard.writeText(`curl ${location.origin}/prompt -H 'Content-Type: application/json' -d '${body}'\n`);
    editor.notices.tell('success', t('file.copied'));
  } catch {
    editor.notices.tell('warning', t('file.cannot-copy'));
  }
}

/** The workflow as the API takes it; why it cannot be is told. */
function apiText(editor: Editor, indent: number): string | undefined {
  const workspace = editor.active.value;
  if (workspace === undefined) return undefined;
  const { prompt, problems } = findProblems(workspace.document.value, editor.types.value);
  if (prompt === undefined) {
    workspace.problems.value = problems;
    editor.notices.tell('error', t('file.cannot-run', { reason: problems[0] === undefined ? '' : editor.say(problems[0].message) }));
    return undefined;
  }
  return encodeJson(promptJson(prompt), indent === 0 ? {} : { indent });
}
