// The queue of prompts: which waits, which runs, which comes next. Smallest number first, then prompt id. Knows no engine.
import type { Json } from '../../formats/json.ts';
import type { Checked } from '../../graph/validate.ts';

export interface QueuedPrompt {
  readonly number: number;
  readonly promptId: string;
  readonly clientId: string | undefined;
  /** `[number, prompt_id, prompt, extra_data, outputs]` as JSON, as the queue and the history list it. */
  readonly listed: string;
  readonly prompt: Json;
  /** `extra_data.extra_pnginfo`. */
  readonly extras: ReadonlyMap<string, Json>;
  readonly checked: Checked;
}

export interface PromptQueueOptions {
  /** How many run at once; prompts of one client never do. */
  readonly concurrency: number;
  /** Runs one prompt; never rejects. */
  run(prompt: QueuedPrompt): Promise<void>;
  /** Called after every change of what waits or runs. */
  changed(): void;
  /** A prompt has left the queue. */
  ended(prompt: QueuedPrompt): void;
}

export class PromptQueue {
  readonly #options: PromptQueueOptions;
  readonly #pending: QueuedPrompt[] = [];
  readonly #running = new Set<QueuedPrompt>();
  #isClosed = false;
  #idle: (() => void)[] = [];

  constructor(options: PromptQueueOptions) {
    this.#options = options;
  }

  /** In the order in which they will run. */
  get pending(): readonly QueuedPrompt[] {
    return this.#pending;
  }

  get running(): ReadonlySet<QueuedPrompt> {
    return this.#running;
  }

  get remaining(): number {
    return this.#pending.length + this.#running.size;
  }

  add(prompt: QueuedPrompt): void {
    let low = 0;
    let high = this.#pending.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(prompt, this.#pending[middle]!)) high = middle;
      else low = middle + 1;
    }
    this.#pending.splice(low, 0, prompt);
    this.#options.changed();
    this.#startNext();
  }

  /** Drops those that wait; what runs goes on. */
  clear(): void {
    this.#pending.length = 0;
    this.#options.changed();
  }

  delete(promptIds: ReadonlySet<string>): void {
    const kept = this.#pending.filter(({ promptId }) => !promptIds.has(promptId));
    if (kept.length === this.#pending.length) return;
    this.#pending.splice(0, Infinity, ...kept);
    this.#options.changed();
  }

  /** Starts nothing more. Resolves when nothing runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pending.length = 0;
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #startNext(): void {
    while (!this.#isClosed && this.#running.size < this.#options.concurrency) {
      const index = this.#pending.findIndex(({ clientId }) => ![...this.#running].some((other) => other.clientId === clientId));
      if (index < 0) return;
      const [prompt] = this.#pending.splice(index, 1);
      this.#running.add(prompt!);
      this.#options.changed();
      void this.#options.run(prompt!).finally(() => this.#end(prompt!));
    }
  }

  #end(prompt: QueuedPrompt): void {
    this.#running.delete(prompt);
    this.#options.changed();
    this.#options.ended(prompt);
    this.#startNext();
    if (this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function isBefore(a: QueuedPrompt, b: QueuedPrompt): boolean {
  return a.number < b.number || (a.number === b.number && a.promptId < b.promptId);
}
