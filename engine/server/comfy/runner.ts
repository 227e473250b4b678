// Runs queued prompts on the engine: their events become messages and previews, their end a history entry. Nothing that goes wrong here stops the queue.
import type { Engine, RunResult } from '../../exec/engine.ts';
import type { RunEvent } from '../../exec/events.ts';
import { encodeJson } from '../../formats/json.ts';
import type { History } from './history.ts';
import { PromptMessages } from './messages.ts';
import { encodePreview } from './previews.ts';
import { PromptQueue, type QueuedPrompt } from './queue.ts';
import type { Clients } from './sockets.ts';

export interface RunnerOptions {
  readonly engine: Engine;
  readonly clients: Clients;
  readonly history: History;
  readonly concurrency: number;
  /** Longest side of previews in pixels; 0 = no previews. */
  readonly previewSide: number;
  /** Keep prompt and workflow out of saved files. */
  readonly hidesMetadata: boolean;
  /** Receives every event of every run, for logs and the like. */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
  readonly log: (line: string) => void;
}

interface Run {
  readonly stop: AbortController;
  readonly messages: PromptMessages;
}

export class PromptRunner {
  readonly queue: PromptQueue;
  readonly #options: RunnerOptions;
  readonly #runs = new Map<QueuedPrompt, Run>();

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.queue = new PromptQueue({
      concurrency: options.concurrency,
      run: (prompt) => this.#run(prompt),
      changed: () => { if (options.clients.size > 0) options.clients.broadcast(this.statusFrame()); },
      ended: (prompt) => this.#ended(prompt),
    });
  }

  /** The `status` message; with the client's own id when it has just connected. */
  statusFrame(sid?: string): string {
    return `{"type":"status","data":{"status":{"exec_info":{"queue_remaining":${this.queue.remaining}}}${sid === undefined ? '' : `,"sid":${JSON.stringify(sid)}`}}}`;
  }

  /** Interrupts the prompt with this id if it runs; without an id, all that run. */
  interrupt(promptId?: string): void {
    for (const [prompt, { stop }] of this.#runs) if (promptId === undefined || prompt.promptId === promptId) stop.abort();
  }

  /** What the client's running prompt shows now: its id and the node. */
  runningFor(clientId: string): { readonly promptId: string; readonly node: string } | undefined {
    for (const [{ promptId, clientId: owner }, { messages }] of this.#runs) {
      if (owner === clientId && messages.lastDisplayed !== undefined) return { promptId, node: messages.lastDisplayed };
    }
    return undefined;
  }

  /** Interrupts what runs, drops what waits. */
  async close(): Promise<void> {
    const closed = this.queue.close();
    this.interrupt();
    await closed;
  }

  async #run(prompt: QueuedPrompt): Promise<void> {
    const { engine, clients, previewSide, hidesMetadata, onEvent } = this.#options;
    const { promptId, clientId, checked } = prompt;
    const audience = () => clients.audience(clientId);
    const messages = new PromptMessages({
      promptId, audience,
      types: new Map([...checked.graph.nodes.values()].map(({ id, type }) => [id, type])),
      encodePreview: (image) => encodePreview(image, previewSide),
    });
    const stop = new AbortController();
    this.#runs.set(prompt, { stop, messages });
    let result: RunResult | undefined;
    try {
      result = await engine.run(checked, {
        runId: promptId, signal: stop.signal,
        request: { prompt: prompt.prompt, extras: prompt.extras, ...(hidesMetadata ? { isHidden: true } : {}) },
        emit: onEvent === undefined ? (event) => messages.receive(event) : (event) => {
          onEvent(event);
          messages.receive(event);
        },
        wantsPreviews: () => previewSide > 0 && audience().length > 0,
      });
    } catch (error) {
      this.#options.log(`prompt ${promptId} broke off: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
      messages.fail(error);
    }
    await messages.drained();
    try {
      this.#options.history.add(promptId, historyEntry(prompt, result, messages));
    } catch (error) {
      this.#options.log(`prompt ${promptId} left no history: ${(error as Error).message}`);
    }
    if (result?.failure !== undefined) this.#options.log(`prompt ${promptId}: ${result.failure.message}`);
  }

  #ended(prompt: QueuedPrompt): void {
    this.#runs.get(prompt)?.messages.close();
    this.#runs.delete(prompt);
  }
}

function historyEntry({ listed }: QueuedPrompt, result: RunResult | undefined, { told }: PromptMessages): string {
  const known = [...(result?.known ?? [])];
  const isSuccess = result?.status === 'success';
  const messages = encodeJson(told.map(([type, data]) => [type, data]));
  const outputs = encodeJson(new Map(known.map(([id, { ui }]) => [id, ui])));
  const meta = encodeJson(new Map(known.map(([id, { place }]) => [id, new Map([['node_id', place.node], ['display_node', place.display], ['parent_node', place.parent], ['real_node_id', place.real]])])));
  return `{"prompt":${listed},"outputs":${outputs},"status":{"status_str":"${isSuccess ? 'success' : 'error'}","completed":${isSuccess},"messages":${messages}},"meta":${meta}}`;
}
