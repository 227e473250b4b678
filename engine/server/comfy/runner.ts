// Runs queued prompts on the engine: their events become messages and previews, their end a final entry in the store. Nothing that goes
// wrong here stops the queue, and no prompt that was accepted is lost: a store on disk has it until its final entry.
import type { Engine, RunResult } from '../../exec/engine.ts';
import { RefusedError } from '../../exec/errors.ts';
import type { RunEvent } from '../../exec/events.ts';
import { parsePrompt, toGraph } from '../../formats/api.ts';
import { isJsonObject, type Json } from '../../formats/json.ts';
import type { Job, NewJob, Store } from '../../store/store.ts';
import { endingOf, endingWithError } from './endings.ts';
import { PromptMessages } from './messages.ts';
import { encodePreview, encodeWhole } from './previews.ts';
import { PromptQueue, type QueuedPrompt, type Ready } from './queue.ts';
import { readRequest, withNumber } from './requests.ts';
import type { Clients } from './sockets.ts';
import type { LogFields } from '../logbook.ts';

export interface RunnerOptions {
  readonly engine: Engine;
  readonly clients: Clients;
  readonly store: Store;
  readonly concurrency: number;
  /** Longest side of previews in pixels; 0 = no previews. */
  readonly previewSide: number;
  /** Keep prompt and workflow out of saved files. */
  readonly hidesMetadata: boolean;
  /** Receives every event of every run, for logs and the like. */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
  readonly log: (line: string, fields?: LogFields) => void;
}

interface Run {
  readonly stop: AbortController;
  messages?: PromptMessages;
  /** The server stops: the prompt waits for the next one. */
  isPutBack: boolean;
}

/** Prompts that wait keep their checked graphs up to so many characters of requests; others are read and checked again at their turn. */
const mostReadyCharacters = 16 * 2 ** 20;
/** A run that does not heed its interruption is left behind after this. */
const stuckMs = 10_000;

export class PromptRunner {
  readonly queue: PromptQueue;
  /** Called with every job that has got its final entry and is stored. */
  readonly onEnded = new Set<(job: Job) => void>();
  readonly #options: RunnerOptions;
  readonly #runs = new Map<QueuedPrompt, Run>();
  readonly #readyLengths = new Map<QueuedPrompt, number>();
  #readyCharacters = 0;
  #isStopping = false;

  constructor(options: RunnerOptions) {
    const { clients, store } = options;
    this.#options = options;
    this.queue = new PromptQueue({
      concurrency: options.concurrency, isPaused: store.isPaused,
      // ComfyUI's own messages and previews are read as being about the prompt that runs; who only asks over HTTP, or takes run events, goes by ids
      tellsApart: (clientId) => clients.get(clientId)?.takesRunEvents ?? true,
      starting: (prompt) => {
        store.start(prompt.promptId, Date.now());
        this.#runs.set(prompt, { stop: new AbortController(), isPutBack: false });
      },
      saved: () => store.committed(),
      run: (prompt) => this.#run(prompt),
      changed: () => { if (clients.size > 0) clients.broadcast(this.statusFrame()); },
      ended: (prompt) => this.#ended(prompt),
    });
  }

  /** True when nothing is accepted any more. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** The `status` message; with the client's own id when it has just connected. */
  statusFrame(sid?: string): string {
    return `{"type":"status","data":{"status":{"exec_info":{"queue_remaining":${this.queue.remaining}}}${sid === undefined ? '' : `,"sid":${JSON.stringify(sid)}`}}}`;
  }

  /** Queues a prompt once it is stored. Rejects with a StoreError when it cannot be, and has then not accepted it. */
  async accept(job: NewJob, ready: Ready, secrets: QueuedPrompt['secrets']): Promise<void> {
    const { store } = this.#options;
    store.add(job);
    try {
      await store.committed();
    } catch (error) {
      store.forget(job.id);
      throw error;
    }
    if (store.get(job.id)?.state !== 'waiting') return; // cancelled meanwhile
    const prompt: QueuedPrompt = { number: job.number, promptId: job.id, clientId: job.clientId, secrets };
    if (this.#readyCharacters + job.request.length <= mostReadyCharacters) {
      prompt.ready = ready;
      this.#readyCharacters += job.request.length;
      this.#readyLengths.set(prompt, job.request.length);
    }
    this.queue.add(prompt);
  }

  /** Queues what an earlier server left: waiting prompts wait, running ones begin anew, unless that has happened to them before. Call it once. */
  restore(): void {
    const { store, log } = this.#options;
    const restored: QueuedPrompt[] = [];
    const ended: string[] = [];
    for (const { id, number, clientId, state, kills } of store.open()) {
      if (state === 'running' && kills > 0) {
        store.end(id, endingWithError(id, 'InterruptedTwice', 'interrupted twice: the server was killed while this prompt ran, and again when it ran anew'));
        ended.push(id);
        log(`prompt ${id} was running when the server was killed, for the second time: it ends with an error`, { run: id, level: 'warn' });
        continue;
      }
      if (state === 'running') {
        store.requeue(id, true);
        log(`prompt ${id} was running when the server was killed: it runs once more`, { run: id, level: 'warn' });
      }
      restored.push({ number, promptId: id, clientId, secrets: new Map() });
    }
    this.queue.add(...restored);
    void this.#tellEnds(ended).catch(() => undefined); // the store has said why
    if (this.queue.isPaused) log(`the queue is paused with ${this.queue.remaining} prompts; POST /api/queue/resume starts it`);
  }

  /** Takes these prompts out of the queue; those that run go on. Resolves when that is stored. */
  async drop(promptIds: ReadonlySet<string>): Promise<void> {
    const taken = this.queue.take(promptIds);
    for (const prompt of taken) this.#cancel(prompt);
    await this.#tellEnds(taken.map(({ promptId }) => promptId));
  }

  /** Ends one prompt, waiting or running. False when it has ended already or was never there. */
  async cancel(promptId: string): Promise<boolean> {
    const { store } = this.#options;
    const state = store.get(promptId)?.state;
    if (state === 'running') this.interrupt(promptId);
    if (state === 'waiting') {
      const [prompt] = this.queue.take(new Set([promptId]));
      this.#cancel(prompt ?? { promptId });
      await this.#tellEnds([promptId]);
    }
    return state === 'running' || state === 'waiting';
  }

  /** Waiting prompts with these ids run first, in this order. */
  async order(promptIds: readonly string[]): Promise<void> {
    this.#storeNumbers(this.queue.order(promptIds));
    await this.#options.store.committed();
  }

  /** Smaller numbers run sooner. False when no such prompt waits. */
  async renumber(promptId: string, number: number): Promise<boolean> {
    const prompt = this.queue.renumber(promptId, number);
    if (prompt !== undefined) this.#storeNumbers([prompt]);
    await this.#options.store.committed();
    return prompt !== undefined;
  }

  /** A pause outlives the server. */
  async setPaused(isPaused: boolean): Promise<void> {
    this.#options.store.isPaused = isPaused;
    if (isPaused) this.queue.pause();
    else this.queue.resume();
    await this.#options.store.committed();
  }

  /** Interrupts the prompt with this id if it runs; without an id, all that run. */
  interrupt(promptId?: string): void {
    for (const [prompt, { stop }] of this.#runs) if (promptId === undefined || prompt.promptId === promptId) stop.abort();
  }

  /** What the client's running prompt shows now: its id and the node. */
  runningFor(clientId: string): { readonly promptId: string; readonly node: string } | undefined {
    for (const [{ promptId, clientId: owner }, { messages }] of this.#runs) {
      if (owner === clientId && messages?.lastDisplayed !== undefined) return { promptId, node: messages.lastDisplayed };
    }
    return undefined;
  }

  /**
   * Accepts and starts nothing more, lets what runs go on for `graceMs`, then interrupts it; with a store on disk it waits for the next
   * server. Resolves with false when a run did not heed that.
   */
  async close(graceMs = 0): Promise<boolean> {
    const { store } = this.#options;
    this.#isStopping = true;
    const idle = this.queue.stop().then(() => true);
    if (graceMs > 0) await Promise.race([idle, delay(graceMs)]);
    for (const run of this.#runs.values()) {
      run.isPutBack = store.folder !== undefined && !run.stop.signal.aborted;
      if (run.isPutBack) run.messages?.mute();
      run.stop.abort();
    }
    const hasEnded = await Promise.race([idle, delay(stuckMs).then(() => false)]);
    if (!hasEnded) for (const { promptId } of this.#runs.keys()) store.requeue(promptId);
    await store.committed().catch(() => undefined);
    return hasEnded;
  }

  async #run(prompt: QueuedPrompt): Promise<void> {
    const run = this.#runs.get(prompt)!;
    const { promptId } = prompt;
    const { store, log } = this.#options;
    const start = performance.now();
    log(`prompt ${promptId} runs`, { run: promptId });
    let messages = this.#messages(prompt, undefined);
    let result: RunResult | undefined;
    let broken: unknown;
    try {
      const ready = this.#takeReady(prompt) ?? await this.#restoreReady(promptId);
      messages = this.#messages(prompt, ready);
      run.messages = messages;
      if (run.isPutBack) messages.mute();
      result = await this.#execute(prompt, ready, run, messages);
    } catch (error) {
      broken = error;
      log(`prompt ${promptId} broke off: ${error instanceof RefusedError ? error.message : error instanceof Error ? error.stack ?? error.message : String(error)}`, { run: promptId, level: 'error' });
      messages.fail(error, error instanceof RefusedError ? error.refusal.node : undefined);
      run.messages = messages;
    }
    await messages.drained();
    if (result?.failure !== undefined) log(`prompt ${promptId}: ${result.failure.message}`, { run: promptId, level: 'warn', node: result.failure.node });
    const ms = Math.round(performance.now() - start);
    if (result?.failure === undefined && broken === undefined) log(`prompt ${promptId}: ${result?.status === 'interrupted' ? 'stopped' : 'done'} after ${(ms / 1000).toFixed(2)} s`, { run: promptId, ms });
    if (run.isPutBack && result?.status === 'interrupted') return store.requeue(promptId);
    this.#end(promptId, result, broken, messages);
  }

  #end(promptId: string, result: RunResult | undefined, broken: unknown, { told }: PromptMessages): void {
    const { store, log } = this.#options;
    try {
      store.end(promptId, endingOf(result, broken, (store.get(promptId)?.kills ?? 0) > 0 ? withNotice(promptId, told) : told));
    } catch (error) {
      log(`prompt ${promptId} left no history: ${(error as Error).message}`, { run: promptId, level: 'error' });
      store.end(promptId, endingWithError(promptId, 'Error', `it ran, but what it made cannot be listed: ${(error as Error).message}`));
    }
  }

  #messages({ promptId, clientId }: QueuedPrompt, ready: Ready | undefined): PromptMessages {
    const { clients, previewSide } = this.#options;
    return new PromptMessages({
      promptId, audience: () => clients.audience(clientId),
      types: new Map([...(ready?.checked.graph.nodes.values() ?? [])].map(({ id, type }) => [id, type])),
      encodePreview: (image, isWhole) => (isWhole ? encodeWhole(image) : encodePreview(image, previewSide)),
    });
  }

  #execute({ promptId, clientId, secrets }: QueuedPrompt, { checked, prompt, extraData }: Ready, { stop }: Run, messages: PromptMessages): Promise<RunResult> {
    const { engine, clients, previewSide, hidesMetadata, onEvent } = this.#options;
    const pnginfo = extraData.get('extra_pnginfo');
    const extras = isJsonObject(pnginfo) ? pnginfo : new Map<string, Json>();
    return engine.run(checked, {
      runId: promptId, signal: stop.signal, cache: bypassesCache(extraData) ? 'bypass' : 'use',
      request: { prompt, extras, ...(secrets.size === 0 ? {} : { secrets }), ...(hidesMetadata ? { isHidden: true } : {}) },
      emit: onEvent === undefined ? (event) => messages.receive(event) : (event) => {
        onEvent(event);
        messages.receive(event);
      },
      wantsPreviews: () => previewSide > 0 && clients.audience(clientId).length > 0,
    });
  }

  #takeReady(prompt: QueuedPrompt): Ready | undefined {
    const { ready } = prompt;
    prompt.ready = undefined;
    this.#readyCharacters -= this.#readyLengths.get(prompt) ?? 0;
    this.#readyLengths.delete(prompt);
    return ready;
  }

  /** What was good when it was accepted need not be so now: nodes, models and pictures may be gone. */
  async #restoreReady(promptId: string): Promise<Ready> {
    const { store, engine, log } = this.#options;
    const texts = store.texts(promptId);
    if (texts === undefined) throw new Error('its request cannot be read from the state folder any more');
    const { prompt, extraData, targets } = readRequest(texts.request);
    const checked = await engine.validate(toGraph(parsePrompt(prompt)).graph, { targets });
    for (const { message } of checked.refusal === undefined ? checked.problems : []) log(`prompt ${promptId}: ${message}`, { run: promptId, level: 'warn' });
    return { checked, prompt, extraData };
  }

  #cancel(prompt: QueuedPrompt | Pick<QueuedPrompt, 'promptId'>): void {
    if ('number' in prompt) this.#takeReady(prompt);
    this.#options.store.end(prompt.promptId, { state: 'cancelled', endedAt: Date.now() });
  }

  #storeNumbers(prompts: readonly QueuedPrompt[]): void {
    const { store } = this.#options;
    for (const { promptId, number } of prompts) {
      const request = store.texts(promptId)?.request;
      if (request !== undefined) store.renumber(promptId, number, withNumber(request, number));
    }
  }

  #ended(prompt: QueuedPrompt): void {
    const run = this.#runs.get(prompt);
    run?.messages?.close();
    this.#runs.delete(prompt);
    this.#tellEnd(prompt.promptId);
  }

  async #tellEnds(promptIds: readonly string[]): Promise<void> {
    await this.#options.store.committed();
    for (const id of promptIds) this.#tellEnd(id);
  }

  #tellEnd(promptId: string): void {
    const job = this.#options.store.get(promptId);
    if (job === undefined || job.state === 'waiting') return; // it waits for the next server
    for (const listener of this.onEnded) listener(job);
  }
}

/** `extra_data.bagelgraph.cache: "bypass"` */
function bypassesCache(extraData: Ready['extraData']): boolean {
  const own = extraData.get('bagelgraph');
  return isJsonObject(own) && own.get('cache') === 'bypass';
}

/** Behind the start, where clients expect the first message. */
function withNotice(promptId: string, told: PromptMessages['told']): PromptMessages['told'] {
  const message = 'the server was killed while this prompt ran; it was queued again and has run anew';
  return [...told.slice(0, 1), ['bagelgraph_notice', new Map([['prompt_id', promptId], ['message', message]])], ...told.slice(1)];
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
