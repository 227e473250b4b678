// Opens what the simple view shows: the workflow of one of its three tabs, or any by its name in the address.
import { shallowRef } from 'vue';
import { parseJson, type Json } from '../../../engine/formats/json.ts';
import { ApiError } from '../../api/http.ts';
import { getTemplate, listTemplates, readUserFile } from '../../api/files.ts';
import { placeOf } from '../../state/places.ts';
import { readWorkflowJson } from '../../state/read-any.ts';
import { applyValues } from '../../state/seeds.ts';
import { simpleView } from '../../state/simple-view.ts';
import { titleOfPath } from '../../state/tabs.ts';
import type { Editor } from '../editor.ts';
import { store, stored } from '../editor/settings.ts';
import type { Workspace } from '../editor/workspace.ts';
import { folder } from '../files/save-files.ts';
import { t } from '../words/words.ts';
import { tasks, type Task, type TaskName } from './presets.ts';

const group = 'bagelgraph';
const openKey = 'bagelgraph.simple';

/** What the address names is being opened: nothing else is opened in its stead. */
export const isOpeningNamed = shallowRef(false);

/** Which tab of the simple view an open workflow is. */
export function taskOf(tab: string | undefined): TaskName | undefined {
  const known = (stored(openKey) ?? {}) as Partial<Record<TaskName, unknown>>;
  return tab === undefined ? undefined : tasks.find(({ name }) => known[name] === tab)?.name;
}

const underWay = new Map<TaskName, Promise<Workspace | undefined>>();

/** Shows the workflow of a tab, opened once and kept. */
export function openTask(editor: Editor, task: Task): Promise<Workspace | undefined> {
  const before = underWay.get(task.name);
  if (before !== undefined) return before;
  const opened = openOrShow(editor, task).finally(() => underWay.delete(task.name));
  underWay.set(task.name, opened);
  return opened;
}

async function openOrShow(editor: Editor, task: Task): Promise<Workspace | undefined> {
  const known = (stored(openKey) ?? {}) as Partial<Record<TaskName, string>>;
  const before = editor.workspaces.get(known[task.name] ?? '');
  if (before !== undefined) {
    editor.show(before.id);
    return before;
  }
  try {
    if (editor.typesState.value === 'loading') await editor.loadTypes();
    const [plain, thinking] = await Promise.all([getTemplate(group, task.template), getTemplate(group, task.thinking)]);
    const workspace = editor.openText(thinking, { title: t(task.label) });
    if (workspace === undefined) return undefined;
    takeValues(editor, workspace, parseJson(plain));
    store(openKey, { ...known, [task.name]: workspace.id });
    return workspace;
  } catch (error) {
    editor.tellError(error);
    return undefined;
  }
}

/** The values of the plain workflow, thinking off: the graph is the one that can also think. No step of the history. */
function takeValues({ types }: Editor, workspace: Workspace, plain: Json): void {
  const from = simpleView(readWorkflowJson(plain, types.value).document, types.value);
  const { fields } = simpleView(workspace.document.value, types.value);
  workspace.history.amend((draft) => applyValues(draft, fields.flatMap(({ name, layer, node, input, id }) => {
    const value = from.fields.find((other) => other.name === name)?.value;
    const canThink = placeOf(workspace.document.value, id)?.node.values['think'] !== undefined;
    return [...(value === undefined ? [] : [{ layer, node, input, value }]), ...(canThink ? [{ layer, node, input: 'think', value: false }] : [])];
  })));
}

/** A template or a saved workflow by name; false where there is none, which was told. */
export async function openNamed(editor: Editor, name: string): Promise<boolean> {
  try {
    if (editor.typesState.value === 'loading') await editor.loadTypes();
    const task = tasks.find(({ template }) => template === name);
    if (task !== undefined) return (await openTask(editor, task)) !== undefined;
    const open = editor.tabs.value.tabs.find(({ title, file }) => title === name || file?.path === `${name}.json`);
    if (open !== undefined) {
      editor.show(open.id);
      return true;
    }
    const [found] = [...await listTemplates()].filter(([, names]) => names.includes(name));
    if (found !== undefined) return editor.openText(await getTemplate(found[0], name), { title: name }) !== undefined;
    const path = `${name}.json`;
    const { text, version } = await readUserFile(`${folder}/${path}`);
    return editor.openText(text, { title: titleOfPath(path), file: { path, version, indent: 2 } }) !== undefined;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) editor.notices.tell('error', t('simple.no-workflow', { name }));
    else editor.tellError(error);
    return false;
  }
}

/** The name in `/app/NAME` or `#/app/NAME`; empty for `/app` alone, undefined for other addresses. */
export function nameInAddress({ pathname, hash }: Pick<Location, 'pathname' | 'hash'>): string | undefined {
  const [, name] = /^\/app(?:\/(.*))?$/.exec(hash.startsWith('#/') ? hash.slice(1) : pathname) ?? [undefined, undefined];
  const isApp = /^\/app(\/|$)/.test(hash.startsWith('#/') ? hash.slice(1) : pathname);
  if (!isApp) return undefined;
  try {
    return decodeURIComponent(name ?? '');
  } catch {
    return name;
  }
}
