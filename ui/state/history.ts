// The edited document and its past: every edit is a step of patches that can be undone. A gesture of several edits is one step, typing
// in one field merges, and what is no edit (a new seed after a run) is no step. Knows no commands beyond their outcome and no screen.
import { enableMapSet, enablePatches, freeze, produceWithPatches, type Patch } from 'immer';
import { applyPatches } from './apply-patches.ts';
import { rootLayer, type Document, type EditableDocument, type LayerId } from './document.ts';
import { Refusal, type Message } from './messages.ts';
import { emptySelection, type Selection } from './selection.ts';
import { stepBytes } from './step-bytes.ts';

enablePatches();
enableMapSet();

export type { Patch } from 'immer';

/** One entry of the history list. */
export interface Step {
  readonly id: number;
  readonly label: Message;
  readonly patches: readonly Patch[];
  readonly inverse: readonly Patch[];
  readonly mergeKey?: string;
  /** Milliseconds, of the clock given. */
  readonly at: number;
  readonly bytes: number;
  readonly before: Selection;
  readonly after: Selection;
}

/** `amend` changes the document without a step; `replace` is another document. */
export type Cause = 'edit' | 'undo' | 'redo' | 'amend' | 'replace';

export interface Change {
  readonly document: Document;
  readonly before: Document;
  /** Empty for `replace`. */
  readonly patches: readonly Patch[];
  readonly cause: Cause;
  /** To be restored; given for undo and redo. */
  readonly selection?: Selection;
}

export interface HistoryOptions {
  /** The selection now, kept with each step. */
  readonly selection?: () => Selection;
  /** Milliseconds. */
  readonly now?: () => number;
  /** Most steps kept; at least 1. */
  readonly mostSteps?: number;
  /** Most bytes that all steps may take. */
  readonly mostBytes?: number;
  /** Edits with the same merge key closer than this become one step. */
  readonly mergeMs?: number;
}

export type Outcome<T> = { readonly ok: true; readonly made: T } | { readonly ok: false; readonly reason: Message };

export class History {
  #document: Document;
  readonly #selection: () => Selection;
  readonly #now: () => number;
  readonly #mostSteps: number;
  readonly #mostBytes: number;
  readonly #mergeMs: number;
  readonly #listeners = new Set<(change: Change) => void>();
  #undoable: Step[] = [];
  #redoable: Step[] = [];
  #bytes = 0;
  #nextId = 1;
  /** Id of the step before the oldest kept one, and of the last step when the document was saved. */
  #baseId = 0;
  #savedId = 0;
  #gesture: { readonly before: Selection; readonly depth: number; readonly start: Document; label: Message | undefined; patches: Patch[]; inverse: Patch[] } | undefined;

  constructor(document: Document, { selection = () => emptySelection, now = () => Date.now(), mostSteps = 1000, mostBytes = 20_000_000, mergeMs = 1000 }: HistoryOptions = {}) {
    this.#document = freeze(document, true);
    this.#selection = selection;
    this.#now = now;
    this.#mostSteps = Math.max(1, mostSteps);
    this.#mostBytes = mostBytes;
    this.#mergeMs = mergeMs;
  }

  get document(): Document {
    return this.#document;
  }

  /** Oldest first. */
  get undoSteps(): readonly Step[] {
    return this.#undoable;
  }

  /** The next to be redone last. */
  get redoSteps(): readonly Step[] {
    return this.#redoable;
  }

  /** What all steps take, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True when undoable edits differ from what was saved last; values that changed by themselves do not count. */
  get isDirty(): boolean {
    return (this.#undoable.at(-1)?.id ?? this.#baseId) !== this.#savedId;
  }

  /** Says that the document as it is now was saved. */
  markSaved(): void {
    this.#closeGesture();
    this.#savedId = this.#undoable.at(-1)?.id ?? this.#baseId;
  }

  /** Says that the document differs from every file: a draft that was restored. */
  markDirty(): void {
    this.#savedId = -1;
  }

  /** Calls for every change, after it; returns how to stop. */
  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Makes an edit. `recipe` changes the draft and returns what it made; a Refusal thrown there leaves the document as it was and is returned.
   * Edits with the same `mergeKey` in quick succession are one step.
   */
  edit<T>(label: Message, recipe: (draft: EditableDocument, before: Document) => T, mergeKey?: string): Outcome<T> {
    const before = this.#document;
    const outcome = this.#produce(recipe);
    if (!outcome.ok || outcome.patches.length === 0) return outcome;
    const { patches, inverse } = outcome;
    if (this.#gesture !== undefined) {
      this.#gesture.label ??= label;
      this.#gesture.patches.push(...patches);
      this.#gesture.inverse.unshift(...inverse);
    } else this.#push({ label, patches, inverse, before: this.#selection(), after: this.#selection(), ...(mergeKey === undefined ? {} : { mergeKey }) });
    this.#tell({ document: this.#document, before, patches, cause: 'edit' });
    return outcome;
  }

  /** Changes the document without a step: values that change by themselves. Undo and redo go on to work. */
  amend(recipe: (draft: EditableDocument) => void): void {
    const before = this.#document;
    const outcome = this.#produce(recipe);
    if (outcome.ok && outcome.patches.length > 0) this.#tell({ document: this.#document, before, patches: outcome.patches, cause: 'amend' });
  }

  /** Opens a gesture: edits until `commit` become one step. Gestures nest; the outermost counts. */
  begin(label?: Message): void {
    if (this.#gesture !== undefined) this.#gesture = { ...this.#gesture, depth: this.#gesture.depth + 1 };
    else this.#gesture = { before: this.#selection(), depth: 1, start: this.#document, label, patches: [], inverse: [] };
  }

  /** Closes a gesture. Without edits in it there is no step. */
  commit(): void {
    const gesture = this.#gesture;
    if (gesture === undefined) return;
    if (gesture.depth > 1) {
      this.#gesture = { ...gesture, depth: gesture.depth - 1 };
      return;
    }
    this.#gesture = undefined;
    if (gesture.patches.length > 0 && this.#document !== gesture.start) {
      this.#push({ label: gesture.label!, patches: gesture.patches, inverse: gesture.inverse, before: gesture.before, after: this.#selection() });
    }
  }

  /** Ends a gesture, however deep, as if it had not been. */
  cancel(): void {
    const gesture = this.#gesture;
    this.#gesture = undefined;
    if (gesture === undefined || gesture.patches.length === 0) return;
    this.#move(gesture.inverse, 'undo', gesture.before);
  }

  get isInGesture(): boolean {
    return this.#gesture !== undefined;
  }

  /** Takes the last step back; false when there is none. An open gesture is closed first. */
  undo(): boolean {
    this.#closeGesture();
    const step = this.#undoable.pop();
    if (step === undefined) return false;
    this.#redoable.push(step);
    this.#move(step.inverse, 'undo', step.before);
    return true;
  }

  /** Makes the last undone step again; false when there is none. */
  redo(): boolean {
    this.#closeGesture();
    const step = this.#redoable.pop();
    if (step === undefined) return false;
    this.#undoable.push(step);
    this.#move(step.patches, 'redo', step.after);
    return true;
  }

  /** Undoes or redoes until `count` steps are done: a click in the history list. */
  goTo(count: number): void {
    while (this.#undoable.length > count && this.undo());
    while (this.#undoable.length < count && this.redo());
  }

  /** Another document; the past is forgotten. */
  replace(document: Document): void {
    const before = this.#document;
    this.#document = freeze(document, true);
    this.#gesture = undefined;
    this.#undoable = [];
    this.#redoable = [];
    this.#bytes = 0;
    this.#baseId = this.#savedId = this.#nextId++;
    this.#tell({ document: this.#document, before, patches: [], cause: 'replace' });
  }

  #closeGesture(): void {
    while (this.#gesture !== undefined) this.commit();
  }

  #produce<T>(recipe: (draft: EditableDocument, before: Document) => T): Outcome<T> & { readonly patches: readonly Patch[]; readonly inverse: readonly Patch[] } {
    const before = this.#document;
    let made: T | undefined;
    try {
      const [document, patches, inverse] = produceWithPatches(before, (draft) => {
        made = recipe(draft as unknown as EditableDocument, before);
      });
      this.#document = document;
      return { ok: true, made: made as T, patches, inverse };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { ok: false, reason: error.reason, patches: [], inverse: [] };
    }
  }

  #push(step: Omit<Step, 'id' | 'at' | 'bytes'>): void {
    const at = this.#now();
    const last = this.#undoable.at(-1);
    this.#bytes -= this.#redoable.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#redoable = [];
    // what was saved stays a step of its own, so that undo can lead back to it
    const merged = last !== undefined && last.id !== this.#savedId && step.mergeKey !== undefined && last.mergeKey === step.mergeKey && at - last.at <= this.#mergeMs ? mergeSteps(last, step) : undefined;
    if (merged !== undefined) {
      this.#undoable.pop();
      this.#bytes -= last!.bytes;
    }
    const content = merged ?? step;
    const bytes = stepBytes(content.patches) + stepBytes(content.inverse) + 200;
    this.#undoable.push({ ...content, id: merged === undefined ? this.#nextId++ : last!.id, at, bytes });
    this.#bytes += bytes;
    // the newest step stays, however large: one undo must always work
    while (this.#undoable.length > 1 && (this.#undoable.length > this.#mostSteps || this.#bytes > this.#mostBytes)) {
      const dropped = this.#undoable.shift()!;
      this.#bytes -= dropped.bytes;
      this.#baseId = dropped.id;
    }
  }

  #move(patches: readonly Patch[], cause: 'undo' | 'redo', selection: Selection): void {
    const before = this.#document;
    this.#document = applyPatches(before, patches);
    this.#tell({ document: this.#document, before, patches, cause, selection });
  }

  #tell(change: Change): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
}

type Content = Omit<Step, 'id' | 'at' | 'bytes'>;

/** Both as one. Where both set the same places, only the first old and the last new values are kept. */
function mergeSteps(first: Content, second: Content): Content {
  const places = (patches: readonly Patch[]) => (patches.every(({ op }) => op === 'replace') ? patches.map(({ path }) => JSON.stringify(path)).sort().join() : undefined);
  const isSame = places(first.patches) !== undefined && places(first.patches) === places(second.patches);
  return {
    ...second, label: first.label, before: first.before,
    patches: isSame ? second.patches : [...first.patches, ...second.patches],
    inverse: isSame ? first.inverse : [...second.inverse, ...first.inverse],
  };
}

/** The patches of one layer, with paths that start below it (`['nodes', '3', 'pos']`); undefined when the layer as a whole changed. */
export function patchesOf(patches: readonly Patch[], layer: LayerId): readonly Patch[] | undefined {
  const prefix = layer === rootLayer ? ['root'] : ['subgraphs', layer, 'layer'];
  const found: Patch[] = [];
  for (const patch of patches) {
    const isShared = prefix.every((part, i) => i >= patch.path.length || String(patch.path[i]) === part);
    if (!isShared) continue;
    if (patch.path.length <= prefix.length) return undefined;
    found.push({ ...patch, path: patch.path.slice(prefix.length) });
  }
  return found;
}
