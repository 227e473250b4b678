// What prompts have made, in memory, as the JSON that /history answers with: texts are compact and need no encoding when they are asked for.
export interface HistoryPage {
  readonly maxItems?: number;
  /** Entries to skip from the oldest; negative = none, so that `maxItems` alone means the last ones. */
  readonly offset?: number;
}

const mostEntries = 10_000;
/** Of texts, in characters. */
const mostCharacters = 512 * 2 ** 20;

export class History {
  readonly #entries = new Map<string, string>();
  #characters = 0;

  /** `json` is the entry. An id that is used again has its last entry. The oldest go when there are too many. */
  add(promptId: string, json: string): void {
    this.#characters += json.length - (this.#entries.get(promptId)?.length ?? 0);
    this.#entries.set(promptId, json);
    for (const oldest of this.#entries.keys()) {
      if ((this.#entries.size <= mostEntries && this.#characters <= mostCharacters) || oldest === promptId) return;
      this.delete([oldest]);
    }
  }

  /** An object with the entry alone, or an empty one. */
  one(promptId: string): string {
    const entry = this.#entries.get(promptId);
    return entry === undefined ? '{}' : `{${JSON.stringify(promptId)}:${entry}}`;
  }

  /** Entries by prompt id, oldest first. */
  page({ maxItems, offset = -1 }: HistoryPage = {}): string {
    const first = offset < 0 ? (maxItems === undefined ? 0 : Math.max(0, this.#entries.size - maxItems)) : offset;
    const texts: string[] = [];
    let index = 0;
    for (const [id, entry] of this.#entries) {
      if (texts.length >= (maxItems ?? Infinity)) break;
      if (index++ >= first) texts.push(`${JSON.stringify(id)}:${entry}`);
    }
    return `{${texts.join(',')}}`;
  }

  delete(promptIds: Iterable<string>): void {
    for (const id of promptIds) {
      this.#characters -= this.#entries.get(id)?.length ?? 0;
      this.#entries.delete(id);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#characters = 0;
  }
}
