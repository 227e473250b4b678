// Finished jobs as ComfyUI's /history tells them. The texts are compact JSON already; nothing is encoded when they are asked for.
import type { Job, JobTexts, Store } from '../../store/store.ts';
import { HttpError } from '../http-error.ts';
import { errorBody } from './prompt-errors.ts';

export interface HistoryPage {
  readonly maxItems?: number;
  /** Entries to skip from the oldest; negative = none, so that `maxItems` alone means the last ones. */
  readonly offset?: number;
}

/** Below the longest string there can be. */
const defaultMostCharacters = 400 * 2 ** 20;

export class History {
  readonly #store: Store;
  readonly #mostCharacters: number;

  constructor(store: Store, mostCharacters = defaultMostCharacters) {
    this.#store = store;
    this.#mostCharacters = mostCharacters;
  }

  /** An object with the entry alone, or an empty one. */
  one(promptId: string): string {
    const job = this.#store.get(promptId);
    return `{${job !== undefined && hasEntry(job) ? this.#member(job) : ''}}`;
  }

  /** Entries by prompt id, oldest first. Throws 413 when they are too many for one answer. */
  page({ maxItems, offset = -1 }: HistoryPage = {}): string {
    const jobs = [...this.#store.ended()].filter(hasEntry);
    const first = offset < 0 ? (maxItems === undefined ? 0 : Math.max(0, jobs.length - maxItems)) : offset;
    const wanted = jobs.slice(first, maxItems === undefined ? undefined : first + Math.max(0, maxItems));
    const members: string[] = [];
    let characters = 0;
    for (const job of wanted) {
      const member = this.#member(job);
      if (member === '') continue;
      characters += member.length;
      if (characters > this.#mostCharacters) throw new HttpError(413, errorBody('history_too_large', 'The history is too large for one answer', `ask for parts of it with max_items and offset; ${wanted.length} entries were asked for`), true);
      members.push(member);
    }
    return `{${members.join(',')}}`;
  }

  delete(promptIds: Iterable<string>): void {
    this.#store.delete(promptIds);
  }

  clear(): void {
    this.#store.clear();
  }

  /** Resolves when deletions are stored. */
  committed(): Promise<void> {
    return this.#store.committed();
  }

  #member({ id }: Job): string {
    const texts = this.#store.texts(id);
    return texts?.result === undefined ? '' : `${JSON.stringify(id)}:${entryOf(texts as Required<JobTexts>)}`;
  }
}

/** `{prompt, outputs, status, meta}`. */
function entryOf({ request, result }: Required<JobTexts>): string {
  return `{"prompt":${request},${result.slice(1)}`;
}

/** What was taken out of the queue before it ran has none: clients take every entry for something that ran. */
function hasEntry({ state }: Job): boolean {
  return state === 'success' || state === 'error' || state === 'interrupted';
}
