// Drafts in IndexedDB: what is open survives a reload, a crash and a power cut. The workflow files themselves change only on saving.
import { watch } from 'vue';
import { draftOf, draftsToDrop, readDraft, type Draft } from '../../state/tabs.ts';
import type { Editor } from '../editor.ts';
import { store, stored } from '../editor/settings.ts';
import { t } from '../words/words.ts';
import { leaveDraft, openElsewhere, takeDraft } from './own-drafts.ts';
import { save } from './save-files.ts';

const pauseMs = 400;
const autosaveMs = 5000;
const mostBytes = 100_000_000;
const activeKey = 'bagelgraph.tab';
const orderKey = 'bagelgraph.tabs';
/** Before the id of a tab: where its draft waits when the page goes away, for a page that leaves ends its transactions. */
const leavingKey = 'bagelgraph.leaving.';

function openStore(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('bagelgraph', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('drafts', { keyPath: 'tab.id' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB cannot be opened'));
  });
}

function ask<T>(database: IDBDatabase, mode: IDBTransactionMode, act: (drafts: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = act(database.transaction('drafts', mode, { durability: 'relaxed' }).objectStore('drafts'));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB refused'));
  });
}

/**
 * Opens the drafts of last time, then keeps one for every open workflow. What another window has open is that window's own, and is not
 * opened here.
 */
export async function keepDrafts(editor: Editor): Promise<void> {
  let database: IDBDatabase;
  try {
    database = await openStore();
  } catch {
    editor.notices.tell('warning', t('file.no-drafts'));
    return;
  }
  await bringIn(database);
  const drafts = await ask(database, 'readonly', (all) => all.getAll() as IDBRequest<unknown[]>);
  const readable = drafts.flatMap((draft) => readDraft(draft) ?? []);
  await restore(editor, readable);
  follow(editor, database);
  const inUse = new Set([...editor.workspaces.keys(), ...await openElsewhere(readable.map(({ tab }) => tab.id))]);
  for (const id of draftsToDrop(readable, inUse, mostBytes)) void ask(database, 'readwrite', (all) => all.delete(id));
}

/** Puts what a page left behind in its last moment among the drafts. */
async function bringIn(database: IDBDatabase): Promise<void> {
  for (const key of Object.keys(localStorage).filter((one) => one.startsWith(leavingKey))) {
    const draft = readDraft(stored(key));
    const known = draft && readDraft(await ask(database, 'readonly', (drafts) => drafts.get(draft.tab.id) as IDBRequest<unknown>));
    if (draft !== undefined && (known?.savedAt ?? 0) <= draft.savedAt) await ask(database, 'readwrite', (drafts) => drafts.put(draft));
    localStorage.removeItem(key);
  }
}

async function restore(editor: Editor, drafts: readonly Draft[]): Promise<void> {
  const { restoreTabs, startPage } = editor.settings.all.value;
  const ofThisWindow = stored(orderKey, sessionStorage);
  const own = ofThisWindow ?? stored(orderKey);
  const order = Array.isArray(own) ? own.map(String) : [];
  const wanted = drafts.filter(({ tab, isDirty }) => isDirty || (restoreTabs && order.includes(tab.id))).sort((a, b) => order.indexOf(a.tab.id) - order.indexOf(b.tab.id) || a.savedAt - b.savedAt);
  const isFree = await Promise.all(wanted.map(({ tab }) => takeDraft(tab.id, Array.isArray(ofThisWindow) && ofThisWindow.includes(tab.id))));
  const isOpenAlready = editor.tabs.value.tabs.length > 0;
  const active = stored(activeKey, sessionStorage) ?? stored(activeKey) ?? order.at(-1);
  for (const { tab, text, isDirty } of wanted.filter((_, i) => isFree[i])) {
    if (editor.workspaces.has(tab.id)) continue;
    const opened = editor.openText(text, { id: tab.id, title: tab.title, isDirty, ...(tab.file === undefined ? {} : { file: tab.file }) });
    // the indent is of the file, not of the draft
    if (opened !== undefined && tab.file !== undefined) editor.changeTab(tab.id, { file: tab.file });
    else if (opened === undefined) editor.notices.tell('warning', t('file.broken-draft', { name: tab.title }));
  }
  if (!isOpenAlready && editor.workspaces.has(String(active))) editor.show(String(active));
  if (editor.tabs.value.tabs.length === 0 && startPage === 'blank') editor.openBlank();
}

function follow(editor: Editor, database: IDBDatabase): void {
  const written = new Map<string, unknown>();
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** Tabs whose last state is not known to be stored. */
  const unstored = new Set<string>();
  let autosave: ReturnType<typeof setTimeout> | undefined;
  let hasToldFailure = false;

  const draftNow = (id: string): Draft | undefined => {
    clearTimeout(timers.get(id));
    timers.delete(id);
    const workspace = editor.workspaces.get(id);
    const tab = editor.tabs.value.tabs.find((one) => one.id === id);
    return workspace && tab && draftOf(tab, workspace.history.document, editor.types.value, workspace.isDirty.value, Date.now());
  };
  const write = (id: string) => {
    const draft = draftNow(id);
    if (draft === undefined) return;
    ask(database, 'readwrite', (drafts) => drafts.put(structuredClone(draft))).then(() => { if (!timers.has(id)) unstored.delete(id); }, (error: unknown) => {
      if (!hasToldFailure) editor.tellError(error, t('file.no-drafts'));
      hasToldFailure = true;
    });
  };
  const drop = (id: string) => {
    clearTimeout(timers.get(id));
    timers.delete(id);
    written.delete(id);
    unstored.delete(id);
    void ask(database, 'readwrite', (drafts) => drafts.delete(id)).catch(() => undefined).then(() => leaveDraft(id));
  };

  watch(() => editor.tabs.value.tabs.map((tab) => [tab, editor.workspaces.get(tab.id)?.document.value, editor.workspaces.get(tab.id)?.isDirty.value] as const), (now) => {
    if (editor.typesState.value === 'loading') return;
    const open = new Set(now.map(([{ id }]) => id));
    for (const id of [...written.keys()]) if (!open.has(id)) drop(id);
    for (const [tab, document, isDirty] of now) {
      const state = [tab, document, isDirty];
      const before = written.get(tab.id) as typeof state | undefined;
      if (before?.every((part, i) => part === state[i]) === true) continue;
      if (before === undefined) void takeDraft(tab.id); // its id is new, or was taken on opening
      written.set(tab.id, state);
      unstored.add(tab.id);
      if (!timers.has(tab.id)) timers.set(tab.id, setTimeout(() => write(tab.id), pauseMs));
    }
    store(orderKey, now.map(([{ id }]) => id), sessionStorage);
    store(orderKey, now.map(([{ id }]) => id));
    if (editor.settings.all.value.autosave === 'after-delay') {
      clearTimeout(autosave);
      autosave = setTimeout(() => { for (const tab of editor.tabs.value.tabs) if (tab.file !== undefined && editor.workspaces.get(tab.id)?.isDirty.value === true) void save(editor, tab.id); }, autosaveMs);
    }
  }, { immediate: true });
  watch(() => editor.tabs.value.active, (id) => {
    store(activeKey, id ?? '', sessionStorage);
    store(activeKey, id ?? '');
  });
  addEventListener('pagehide', () => {
    for (const id of unstored) {
      const draft = draftNow(id);
      if (draft !== undefined) store(leavingKey + id, draft);
    }
  });
  const writeAll = () => { for (const id of unstored) write(id); };
  addEventListener('pageshow', ({ persisted }) => { if (persisted) writeAll(); });
  document.addEventListener('visibilitychange', () => { if (document.hidden) writeAll(); });
}
