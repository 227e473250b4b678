// The editor as components use it: open workflows, node types, runs, settings, and what lies over them. Made once by main.ts and given to
// components by `useEditor()`. Knows no component.
import { computed, inject, shallowRef, watch, type ComputedRef, type InjectionKey, type ShallowRef } from 'vue';
import { FormatError } from '../../engine/formats/errors.ts';
import { parseJson } from '../../engine/formats/json.ts';
import { ApiError } from '../api/http.ts';
import type { LogEntry } from '../api/frames.ts';
import { getObjectInfo } from '../api/prompts.ts';
import { getSystemStats } from '../api/system.ts';
import type { FileReference } from '../api/jobs.ts';
import type { LinkEnd, Place, Target, WidgetPlace } from '../canvas/events.ts';
import type { GraphCanvas } from '../canvas/graph-canvas.ts';
import type { Command } from '../state/commands/commands.ts';
import type { Made } from '../state/commands/context.ts';
import { emptyDocument, type Document, type LinkId, type NodeId, type Point } from '../state/document.ts';
import { say, type Message } from '../state/messages.ts';
import { noNodeTypes, readNodeTypes, type NodeTypes } from '../state/node-types.ts';
import { indentOf, readWorkflowJson } from '../state/read-any.ts';
import type { Selection } from '../state/selection.ts';
import { changeTab, closeTab, freeTitle, noTabs, openTab, type SavedFile, type Tab, type Tabs } from '../state/tabs.ts';
import { createNotices, type Notices } from './editor/notices.ts';
import { createRuns, type Runs } from './editor/runs.ts';
import { createSettings, store, stored, type SettingsStore } from './editor/settings.ts';
import { readShown, type Shown } from './editor/shown.ts';
import { Workspace } from './editor/workspace.ts';
import { messageWords } from './words/words.ts';

/** What the search box is to do with what is picked. */
export interface SearchRequest {
  readonly at: Place;
  /** A link was dropped there. */
  readonly from?: LinkEnd;
  readonly replaces?: LinkId;
}

/** The widget that is being edited, in the shown layer. */
export interface FieldRequest { readonly node: NodeId; readonly input: string; readonly part: WidgetPlace['part'] }
/** Pictures to be looked at, and which of them first. */
export interface ViewerRequest { readonly files: readonly FileReference[]; readonly index: number }
export interface RenameRequest { readonly kind: 'node' | 'group' | 'subgraph'; readonly id: string; readonly title: string }
export interface MenuRequest { readonly target: Target; readonly at: Place }
export type DialogName = 'settings' | 'shortcuts' | 'history';
export type Mode = 'graph' | 'simple';

export interface OpenOptions {
  readonly title: string;
  readonly file?: SavedFile;
  /** Differs from every file: a restored draft, an imported picture's workflow. */
  readonly isDirty?: boolean;
  /** For a tab that is restored. */
  readonly id?: string;
}

export interface Editor {
  readonly clientId: string;
  readonly types: ShallowRef<NodeTypes>;
  /** `failed` with the reason to show. */
  readonly typesState: ShallowRef<'loading' | 'ready' | 'failed'>;
  /** Node types and drafts were asked for. */
  readonly isReady: ShallowRef<boolean>;
  readonly settings: SettingsStore;
  readonly notices: Notices;
  readonly runs: Runs;
  readonly log: ShallowRef<readonly LogEntry[]>;
  readonly tabs: ShallowRef<Tabs>;
  readonly workspaces: ReadonlyMap<string, Workspace>;
  readonly active: ComputedRef<Workspace | undefined>;
  readonly activeTab: ComputedRef<Tab | undefined>;
  readonly mode: ShallowRef<Mode>;
  readonly canvas: ShallowRef<GraphCanvas | undefined>;
  /** Names of the server's devices, in the order of their colours. */
  readonly devices: ShallowRef<readonly string[]>;
  readonly search: ShallowRef<SearchRequest | undefined>;
  readonly menu: ShallowRef<MenuRequest | undefined>;
  readonly dialog: ShallowRef<DialogName | undefined>;
  readonly field: ShallowRef<FieldRequest | undefined>;
  readonly viewer: ShallowRef<ViewerRequest | undefined>;
  readonly rename: ShallowRef<RenameRequest | undefined>;
  /** By tab and node of a run: what nodes show. */
  readonly shown: ShallowRef<ReadonlyMap<string, ReadonlyMap<string, Shown>>>;
  /** The latest preview by tab and node of a run under way. */
  readonly previews: ReadonlyMap<string, ReadonlyMap<string, Blob>>;
  /** Called for every preview. Returns how to stop. */
  onPreview(listener: (tab: string, node: string, picture: Blob | undefined) => void): () => void;
  loadTypes(): Promise<void>;
  openDocument(document: Document, options: OpenOptions): Workspace;
  openBlank(): Workspace;
  /** Opens a workflow's text in any form. What is wrong with it is told; undefined then. */
  openText(text: string, options: OpenOptions): Workspace | undefined;
  show(tab: string): void;
  /** Closes without asking. */
  close(tab: string): void;
  changeTab(tab: string, change: Partial<Omit<Tab, 'id'>>): void;
  /** Runs commands as one step on the shown workflow; a refusal is told. */
  run(...commands: readonly Command[]): readonly Made[] | undefined;
  select(selection: Selection): void;
  say(message: Message): string;
  /** Tells of an error that was caught. */
  tellError(error: unknown, what?: string): void;
  setShown(tab: string, node: string, shown: Shown): void;
  /** Graph coordinates of the middle of what is in sight. */
  middle(): Point;
}

const clientKey = 'bagelgraph.client';
const mostLogLines = 2000;

/** The name under which the server knows this window, over reloads. A duplicated tab gets one of its own: the server would tell only one of them. */
export async function findClientId(): Promise<string> {
  const known = stored(clientKey, sessionStorage);
  if (typeof known === 'string' && await hold(known)) return known;
  const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  store(clientKey, id, sessionStorage);
  await hold(id);
  return id;
}

/** Holds a name for as long as the page lives; false where another page does. */
function hold(name: string): Promise<boolean> {
  if (navigator.locks === undefined) return Promise.resolve(true);
  return new Promise((resolve) => {
    void navigator.locks.request(`${clientKey} ${name}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock === null ? undefined : new Promise<never>(() => undefined);
    });
  });
}

export function createEditor(clientId: string): Editor {
  const settings = createSettings();
  const notices = createNotices();
  const types = shallowRef<NodeTypes>(noNodeTypes);
  const typesState = shallowRef<'loading' | 'ready' | 'failed'>('loading');
  const tabs = shallowRef<Tabs>(noTabs);
  const workspaces = new Map<string, Workspace>();
  const canvas = shallowRef<GraphCanvas>();
  const log = shallowRef<readonly LogEntry[]>([]);
  const shown = shallowRef<ReadonlyMap<string, ReadonlyMap<string, Shown>>>(new Map());
  const previews = new Map<string, Map<string, Blob>>();
  const previewListeners = new Set<(tab: string, node: string, picture: Blob | undefined) => void>();
  let previewedAt = -Infinity;
  const activeTab = computed(() => tabs.value.tabs.find(({ id }) => id === tabs.value.active));
  const active = computed(() => (activeTab.value === undefined ? undefined : workspaces.get(activeTab.value.id)));

  const sayMessage = (message: Message) => say(message, messageWords());
  const tellError = (error: unknown, what?: string) => {
    if (!(error instanceof ApiError || error instanceof FormatError)) console.error(error);
    const text = error instanceof Error ? error.message : String(error);
    notices.tell('error', what === undefined ? text : `${what} ${text}`);
  };
  const setShown = (tab: string, node: string, what: Shown) => {
    shown.value = new Map(shown.value).set(tab, new Map(shown.value.get(tab)).set(node, what));
  };
  const setPreview = (tab: string, node: string, picture: Blob | undefined) => {
    const own = previews.get(tab) ?? new Map<string, Blob>();
    previews.set(tab, own);
    if (picture === undefined) own.delete(node);
    else own.set(node, picture);
    for (const listener of previewListeners) listener(tab, node, picture);
  };
  const runs = createRuns({
    clientId,
    onShown: (tab, _run, node, what) => { if (tab !== undefined) setShown(tab, node, what); },
    onPreview(tab, _run, node, picture) {
      const { previews: wanted, previewPerSecond } = settings.all.value;
      if (tab === undefined || !wanted || performance.now() - previewedAt < 1000 / previewPerSecond) return;
      previewedAt = performance.now();
      setPreview(tab, node, picture);
    },
    onEnded(tab) {
      if (tab !== undefined) for (const node of [...(previews.get(tab)?.keys() ?? [])]) setPreview(tab, node, undefined);
    },
    onLog: (entries) => { log.value = [...log.value, ...entries].slice(-mostLogLines); },
    onFailure: (error) => tellError(error),
  });

  const openDocument: Editor['openDocument'] = (document, { title, file, isDirty = false, id = crypto.randomUUID?.() ?? Math.random().toString(36).slice(2) }) => {
    const open = file === undefined ? undefined : tabs.value.tabs.find((tab) => tab.file?.path === file.path);
    if (open !== undefined) {
      tabs.value = { ...tabs.value, active: open.id };
      return workspaces.get(open.id)!;
    }
    const workspace = new Workspace(id, document, settings.all.value.historySteps);
    if (isDirty) workspace.markDirty();
    workspaces.set(id, workspace);
    tabs.value = openTab(tabs.value, { id, title: freeTitle(tabs.value, title), ...(file === undefined ? {} : { file }) });
    return workspace;
  };

  const editor: Editor = {
    clientId, types, typesState, isReady: shallowRef(false), settings, notices, runs, log, tabs, workspaces, active, activeTab, canvas, shown, previews,
    mode: shallowRef<Mode>('graph'), devices: shallowRef<readonly string[]>([]), search: shallowRef(), menu: shallowRef(), dialog: shallowRef(), field: shallowRef(), viewer: shallowRef(), rename: shallowRef(),
    onPreview(listener) {
      previewListeners.add(listener);
      return () => void previewListeners.delete(listener);
    },
    async loadTypes() {
      try {
        types.value = readNodeTypes(await getObjectInfo());
        typesState.value = 'ready';
        // a server that does not tell has no devices to choose from
        const found = await getSystemStats().catch(() => undefined);
        if (found !== undefined) editor.devices.value = found.devices.map(({ name }) => name);
      } catch (error) {
        if (typesState.value === 'loading') typesState.value = 'failed';
        tellError(error);
      }
    },
    openDocument,
    openBlank: () => openDocument(emptyDocument(), { title: editorTitle }),
    openText(text, options) {
      try {
        const { document, notices: found } = readWorkflowJson(parseJson(text), types.value);
        for (const message of found) notices.tell('warning', sayMessage(message));
        const { file } = options;
        return openDocument(document, { ...options, ...(file === undefined ? {} : { file: { ...file, indent: indentOf(text) } }) });
      } catch (error) {
        tellError(error, `${options.title}:`);
        return undefined;
      }
    },
    show: (tab) => { tabs.value = { ...tabs.value, active: tab }; },
    close(tab) {
      tabs.value = closeTab(tabs.value, tab);
      workspaces.delete(tab);
      previews.delete(tab);
      const left = new Map(shown.value);
      left.delete(tab);
      shown.value = left;
    },
    changeTab: (tab, change) => { tabs.value = changeTab(tabs.value, tab, change); },
    run(...commands) {
      const outcome = active.value?.runAll(commands, types.value);
      if (outcome?.ok === false) notices.tell('warning', sayMessage(outcome.reason));
      return outcome?.ok === true ? outcome.made : undefined;
    },
    select(selection) { if (active.value !== undefined) active.value.selection.value = selection; },
    say: sayMessage, tellError, setShown,
    middle: () => canvas.value?.middle() ?? [0, 0],
  };
  watch([runs.jobs, editor.isReady, tabs], () => { if (editor.isReady.value) void showLast(editor); });
  return editor;
}

const asked = new Set<string>();

/** What the last run of a workflow showed, after a reload. */
async function showLast(editor: Editor): Promise<void> {
  for (const { id: tab } of editor.tabs.value.tabs) {
    if (editor.shown.value.has(tab) || asked.has(tab)) continue;
    const job = editor.runs.jobs.value.find(({ id, status }) => status === 'completed' && editor.runs.tabOf(id) === tab);
    if (job === undefined) continue;
    asked.add(tab);
    for (const [node, ui] of (await editor.runs.detail(job.id))?.shown ?? []) {
      const what = readShown(ui);
      if (what !== undefined && editor.shown.value.get(tab)?.has(node) !== true) editor.setShown(tab, node, what);
    }
  }
}

/** The title of a new workflow. */
export const editorTitle = 'Untitled';

export const editorKey: InjectionKey<Editor> = Symbol('editor');

/** The editor; for components alone. */
export function useEditor(): Editor {
  const editor = inject(editorKey);
  if (editor === undefined) throw new Error('there is no editor around this component');
  return editor;
}
