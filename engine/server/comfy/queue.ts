// The order of prompts: which waits, which runs, which comes next. Smallest number first, then prompt id. Knows no engine and no store.
import type { Json } from '../../formats/json.ts';
import type { Checked } from '../../graph/validate.ts';

/** What a run needs of a prompt: it can always be made again from the stored request, so that few prompts hold it. */
export interface Ready {
  readonly checked: Checked;
  readonly prompt: Json;
  /** `extra_data` without its secrets. */
  readonly extraData: ReadonlyMap<string, Json>;
}

export interface QueuedPrompt {
  number: number;
  readonly promptId: string;
  readonly clientId: string | undefined;
  /** Absent where it must be read from the store and checked again. */
  ready?: Ready | undefined;
  /** What `extra_data` held that is stored nowhere and listed nowhere. */
  readonly secrets: ReadonlyMap<string, Json>;
}

export interface PromptQueueOptions {
  /** How many run at once. */
  readonly concurrency: number;
  /** False: this client takes whatever it is told to be about one prompt, so its prompts run one after another. Default: true. */
  tellsApart?(clientId: string): boolean;
  readonly isPaused?: boolean;
  /** A prompt has left those that wait and will run once `saved` has resolved. */
  starting(prompt: QueuedPrompt): void;
  /** Resolves when what was told so far would survive a kill. */
  saved(): Promise<void>;
  /** Runs one prompt; never rejects. */
  run(prompt: QueuedPrompt): Promise<void>;
  /** Called after every change of what waits or runs. */
  changed(): void;
  /** A prompt has run and left the queue. */
  ended(prompt: QueuedPrompt): void;
}

export class PromptQueue {
  readonly #options: PromptQueueOptions;
  readonly #pending: QueuedPrompt[] = [];
  readonly #running = new Set<QueuedPrompt>();
  #isPaused: boolean;
  #isStopped = false;
  #idle: (() => void)[] = [];

  constructor(options: PromptQueueOptions) {
    this.#options = options;
    this.#isPaused = options.isPaused ?? false;
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

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** The first of all that wait starts, also when many come at once. */
  add(...prompts: readonly QueuedPrompt[]): void {
    if (prompts.length === 0) return;
    for (const prompt of prompts) this.#insert(prompt);
    this.#options.changed();
    this.#startNext();
  }

  /** Takes out those of these that wait, and returns them; what runs goes on. */
  take(promptIds: ReadonlySet<string>): readonly QueuedPrompt[] {
    const taken = this.#pending.filter(({ promptId }) => promptIds.has(promptId));
    if (taken.length === 0) return taken;
    this.#pending.splice(0, Infinity, ...this.#pending.filter(({ promptId }) => !promptIds.has(promptId)));
    this.#options.changed();
    return taken;
  }

  /** Those of these that wait come first, in this order. Returns the prompts whose number that has changed. */
  order(promptIds: readonly string[]): readonly QueuedPrompt[] {
    const waiting = new Map(this.#pending.map((prompt) => [prompt.promptId, prompt]));
    const first = [...new Set(promptIds)].flatMap((id) => waiting.get(id) ?? []);
    const chosen = new Set(first);
    const others = this.#pending.filter((prompt) => !chosen.has(prompt));
    if (first.length === 0) return [];
    const least = Math.floor((others[0] ?? this.#pending[0]!).number);
    const isRoomy = Number.isSafeInteger(least - first.length);
    return isRoomy ? this.#renumber(first, least - first.length) : this.#renumber([...first, ...others], 0);
  }

  /** Gives a waiting prompt another number; undefined when it does not wait. */
  renumber(promptId: string, number: number): QueuedPrompt | undefined {
    const prompt = this.#pending.find((one) => one.promptId === promptId);
    return prompt === undefined ? undefined : this.#renumber([prompt], number)[0] ?? prompt;
  }

  /** Nothing more starts; what runs goes on. */
  pause(): void {
    this.#isPaused = true;
    this.#options.changed();
  }

  resume(): void {
    this.#isPaused = false;
    this.#options.changed();
    this.#startNext();
  }

  /** Starts nothing more. Resolves when nothing runs. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #renumber(prompts: readonly QueuedPrompt[], firstNumber: number): readonly QueuedPrompt[] {
    const changed = new Set(prompts);
    this.#pending.splice(0, Infinity, ...this.#pending.filter((prompt) => !changed.has(prompt)));
    prompts.forEach((prompt, i) => {
      prompt.number = firstNumber + i;
      this.#insert(prompt);
    });
    this.#options.changed(); // pages ask for the queue anew
    return prompts;
  }

  #insert(prompt: QueuedPrompt): void {
    let low = 0;
    let high = this.#pending.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(prompt, this.#pending[middle]!)) high = middle;
      else low = middle + 1;
    }
    this.#pending.splice(low, 0, prompt);
  }

  /** Starts what may run. The prompt that has just ended is told of when its end and these starts are saved, in one go. */
  #startNext(ended?: QueuedPrompt): void {
    const starting: QueuedPrompt[] = [];
    while (!this.#isStopped && !this.#isPaused && this.#running.size < this.#options.concurrency) {
      const index = this.#next();
      if (index < 0) break;
      const prompt = this.#pending.splice(index, 1)[0]!;
      this.#running.add(prompt);
      this.#options.starting(prompt);
      starting.push(prompt);
    }
    if (ended !== undefined || starting.length > 0) void this.#go(ended, starting);
  }

  /** The first of a client of whom fewest run, so that who has many waiting takes only what others leave. -1 where none may start. */
  #next(): number {
    const counts = new Map<string, number>();
    for (const { clientId } of this.#running) if (clientId !== undefined) counts.set(clientId, (counts.get(clientId) ?? 0) + 1);
    const held = new Set([...counts.keys()].filter((clientId) => this.#options.tellsApart?.(clientId) === false));
    let [best, least] = [-1, Infinity];
    for (const [index, { clientId }] of this.#pending.entries()) {
      const running = clientId === undefined ? 0 : counts.get(clientId) ?? 0;
      if (running >= least || (clientId !== undefined && held.has(clientId))) continue;
      [best, least] = [index, running];
      if (running === 0) break;
    }
    return best;
  }

  async #go(ended: QueuedPrompt | undefined, starting: readonly QueuedPrompt[]): Promise<void> {
    await this.#options.saved().catch(() => undefined); // the store has said why; running on is better than not
    if (ended !== undefined) {
      this.#options.changed();
      this.#options.ended(ended);
    }
    for (const prompt of starting) {
      this.#options.changed();
      void this.#options.run(prompt).finally(() => {
        this.#running.delete(prompt);
        this.#startNext(prompt);
      });
    }
    if (this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function isBefore(a: QueuedPrompt, b: QueuedPrompt): boolean {
  return a.number < b.number || (a.number === b.number && a.promptId < b.promptId);
}
