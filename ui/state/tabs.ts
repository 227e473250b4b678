// Tabs and drafts as data: what is open, where it is saved, what is kept for a crash. The history of each tab says whether it is dirty.
// Storage (IndexedDB, the server) is for others; records here are plain and can be cloned into it.
import type { Document } from './document.ts';
import type { NodeTypes } from './node-types.ts';
import { writeText } from './write-file.ts';

export interface Tab {
  readonly id: string;
  readonly title: string;
  /** Where it is saved on the server; absent for one that never was. */
  readonly file?: SavedFile;
}

export interface SavedFile {
  /** Below the user's workflows. */
  readonly path: string;
  /** What the server said when it was read or written last (its ETag): another one means that somebody else wrote. */
  readonly version?: string;
  /** Spaces a level in the file. */
  readonly indent: number;
}

export interface Tabs {
  readonly tabs: readonly Tab[];
  readonly active?: string;
  /** Closed ones, the latest first, to be opened again. */
  readonly closed: readonly Tab[];
}

export const noTabs: Tabs = { tabs: [], closed: [] };
const mostClosed = 20;

/** Opens a tab at the end and shows it; one with the same file is shown instead. */
export function openTab(state: Tabs, tab: Tab): Tabs {
  const open = tab.file === undefined ? undefined : state.tabs.find(({ file }) => file?.path === tab.file!.path);
  if (open !== undefined) return { ...state, active: open.id };
  return { ...state, tabs: [...state.tabs.filter(({ id }) => id !== tab.id), tab], active: tab.id, closed: state.closed.filter(({ id }) => id !== tab.id) };
}

/** Closes a tab; the one to the right, else to the left, is shown then. */
export function closeTab({ tabs, active, closed }: Tabs, id: string): Tabs {
  const at = tabs.findIndex((tab) => tab.id === id);
  if (at < 0) return { tabs, closed, ...(active === undefined ? {} : { active }) };
  const left = tabs.filter((tab) => tab.id !== id);
  const next = active === id ? left[Math.min(at, left.length - 1)]?.id : active;
  return { tabs: left, closed: [tabs[at]!, ...closed].slice(0, mostClosed), ...(next === undefined ? {} : { active: next }) };
}

/** Moves a tab to a place among the others. */
export function moveTab(state: Tabs, id: string, to: number): Tabs {
  const tab = state.tabs.find((other) => other.id === id);
  if (tab === undefined) return state;
  const others = state.tabs.filter((other) => other.id !== id);
  return { ...state, tabs: [...others.slice(0, to), tab, ...others.slice(to)] };
}

/** Changes a tab: its title or where it is saved. */
export function changeTab(state: Tabs, id: string, change: Partial<Omit<Tab, 'id'>>): Tabs {
  return { ...state, tabs: state.tabs.map((tab) => (tab.id === id ? { ...tab, ...change } : tab)) };
}

/** `Untitled`, `Untitled 2`…: a title that no open tab has. */
export function freeTitle({ tabs }: Tabs, wanted: string): string {
  const taken = new Set(tabs.map(({ title }) => title));
  let title = wanted;
  for (let i = 2; taken.has(title); i++) title = `${wanted} ${i}`;
  return title;
}

/** The title for a path: its file name without the ending. */
export function titleOfPath(path: string): string {
  return path.split('/').at(-1)!.replace(/\.(app\.)?json$/i, '');
}

/** What is kept of a tab for a crash or a reload. */
export interface Draft {
  readonly version: 1;
  readonly tab: Tab;
  /** The workflow file. */
  readonly text: string;
  readonly isDirty: boolean;
  /** Milliseconds since the epoch. */
  readonly savedAt: number;
}

export function draftOf(tab: Tab, document: Document, types: NodeTypes, isDirty: boolean, savedAt: number): Draft {
  return { version: 1, tab, text: writeText(document, types, 0), isDirty, savedAt };
}

/** A stored record as a draft; undefined for what is none (another version, a damaged store). */
export function readDraft(stored: unknown): Draft | undefined {
  const draft = stored as Partial<Draft> | null | undefined;
  const isWhole = typeof draft === 'object' && draft !== null && draft.version === 1 && typeof draft.text === 'string' && typeof draft.isDirty === 'boolean' && typeof draft.savedAt === 'number' && typeof draft.tab?.id === 'string' && typeof draft.tab.title === 'string';
  return isWhole ? draft as Draft : undefined;
}

/** Drafts to delete so that the rest stays within a bound: oldest clean ones first, dirty ones never. */
export function draftsToDrop(drafts: readonly Draft[], open: ReadonlySet<string>, mostBytes: number): readonly string[] {
  let bytes = drafts.reduce((sum, { text }) => sum + text.length * 2, 0);
  const dropped: string[] = [];
  for (const draft of [...drafts].sort((a, b) => a.savedAt - b.savedAt)) {
    if (bytes <= mostBytes) break;
    if (draft.isDirty || open.has(draft.tab.id)) continue;
    bytes -= draft.text.length * 2;
    dropped.push(draft.tab.id);
  }
  return dropped;
}
