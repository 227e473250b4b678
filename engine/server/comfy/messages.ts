// The messages of one prompt as a fold of its run's events, in ComfyUI's order (comfy-contract §2). Nothing is built that nobody gets.
import type { RunEvent, Place, Failure } from '../../exec/events.ts';
import { encodeJson, jsonOf, type Json } from '../../formats/json.ts';
import { previewFrame, previewFrameWithMetadata, textFrame } from './binary.ts';
import { finite, NodeStates } from './node-states.ts';
import type { Client } from './sockets.ts';

export type HistoryMessage = readonly [type: string, data: Json];

export interface MessagesOptions {
  readonly promptId: string;
  /** Class of every node of the prompt, in its order. */
  readonly types: ReadonlyMap<string, string>;
  audience(): readonly Client[];
  /** A preview as JPEG; one that is a result whole, as PNG. */
  encodePreview(image: NonNullable<Extract<RunEvent, { kind: 'progress' }>['preview']>, isWhole: boolean): Promise<Uint8Array>;
}

/** Where a prompt has no more nodes than this (those of expansions count when they begin), every change of progress_state is sent; else at most ten a second. */
const exactNodes = 256;
const intervalMs = 100;

export class PromptMessages {
  /** What the history keeps. */
  readonly told: HistoryMessage[] = [];
  /** Display id of the node that began last. */
  lastDisplayed: string | undefined;
  readonly #options: MessagesOptions;
  readonly #id: string;
  readonly #states: NodeStates;
  readonly #executed: string[] = [];
  /** Classes of nodes made by expansion. */
  readonly #innerTypes = new Map<string, string>();
  readonly #texts = new Map<string, { text: string; sentAt: number }>();
  /** Nodes that may run. */
  #nodes = 0;
  #statesSentAt = -Infinity;
  #areStatesDirty = false;
  #timer: NodeJS.Timeout | undefined;
  #hasStopped = false;
  #isMuted = false;
  /** Sends what waits behind previews that are being encoded. */
  #pending: Promise<void> | undefined;

  constructor(options: MessagesOptions) {
    this.#options = options;
    this.#id = JSON.stringify(options.promptId);
    this.#states = new NodeStates(this.#id);
  }

  receive(event: RunEvent): void {
    this.#tellEvent(event);
    if (this.#hasStopped && event.kind !== 'ended') return; // what the stopping itself brings about is told to no one
    switch (event.kind) {
      case 'started':
        this.#nodes = event.nodes;
        return this.#milestone('execution_start', event.at);
      case 'hits': return this.#hits(event.nodes, event.at);
      case 'begun':
        if (event.parent !== null) this.#innerTypes.set(event.node, event.type);
        this.#states.begin(event);
        return this.#executing(event);
      case 'attempt': return this.#executing(event);
      case 'progress': return this.#progress(event);
      case 'text': return this.#text(event.node, event.delta, event.at);
      case 'shown': return this.#shown(event, event.ui);
      case 'reused': return this.#shown(event, event.ui);
      case 'finished': return this.#finished(event, event.cached);
      case 'blocked': return this.#blocked(event, event.message);
      case 'failed': return this.#failed(event, event, event.at);
      case 'interrupted': return this.#interrupted(event.real, event.at);
      case 'ended': return this.#ended(event.status, event.at);
      default: return undefined;
    }
  }

  /** The run broke without an event that says so: the engine's own fault. */
  fail(error: unknown, at?: string): void {
    if (this.#hasStopped) return;
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    const node = at ?? this.lastDisplayed ?? this.#options.types.keys().next().value ?? '';
    this.#failed({ node, display: node, parent: null, real: node }, { type: '', title: '', name, message, reason: message, stack: stack ?? '', inputs: {} }, Date.now());
  }

  /** Clients hear no more of it: the prompt will run again, so this is not its end. */
  mute(): void {
    this.#isMuted = true;
  }

  /** The last message of a prompt; sent when its history is written. */
  close(): void {
    clearTimeout(this.#timer);
    this.#send(() => `{"type":"executing","data":{"node":null,"prompt_id":${this.#id}}}`);
  }

  /** Resolves when nothing waits behind previews. */
  async drained(): Promise<void> {
    while (this.#pending !== undefined) await this.#pending;
  }

  // ── the run ──

  #milestone(type: string, at: number): void {
    this.#tell(type, new Map<string, Json>([['prompt_id', this.#options.promptId], ['timestamp', stamp(at)]]));
  }

  #hits(nodes: readonly string[], at: number): void {
    const known = new Set(nodes);
    const inOrder = nodes.length < 2 ? nodes : [...this.#options.types.keys()].filter((id) => known.has(id));
    this.#tell('execution_cached', new Map<string, Json>([['nodes', inOrder], ['prompt_id', this.#options.promptId], ['timestamp', stamp(at)]]));
  }

  #ended(status: 'success' | 'error' | 'interrupted', at: number): void {
    this.#flushStates();
    if (status === 'success') this.#milestone('execution_success', at);
    else if (status === 'interrupted') this.#interrupted(this.#options.types.keys().next().value ?? '', at);
    this.#hasStopped = status !== 'error' || this.#hasStopped;
    clearTimeout(this.#timer);
  }

  // ── nodes ──

  #executing({ node, display }: Place): void {
    this.lastDisplayed = display;
    this.#sendStates();
    this.#send(() => `{"type":"executing","data":{"node":${JSON.stringify(node)},"display_node":${JSON.stringify(display)},"prompt_id":${this.#id}}}`);
  }

  #progress(event: Extract<RunEvent, { kind: 'progress' }>): void {
    const { node, value, max, preview, isWhole = false } = event;
    this.#states.progress(event, value, max);
    this.#sendStates();
    const frame = () => `{"type":"progress","data":{"value":${finite(value)},"max":${finite(max)},"prompt_id":${this.#id},"node":${JSON.stringify(node)}}}`;
    if (preview === undefined) this.#send(frame, true);
    else this.#preview(event, preview, isWhole, frame);
  }

  /** Metadata clients get the picture before `progress`, the others after it. Later frames wait for the encoder. */
  #preview(place: Place, image: NonNullable<Extract<RunEvent, { kind: 'progress' }>['preview']>, isWhole: boolean, progress: () => string): void {
    if (this.#options.audience().length === 0) return;
    const encoded = this.#options.encodePreview(image, isWhole).catch(() => undefined);
    const type = isWhole ? 'image/png' : 'image/jpeg';
    this.#after(encoded, (bytes) => {
      const [withMetadata, plain] = split(this.#options.audience(), (client) => client.takesPreviewMetadata);
      if (bytes !== undefined && withMetadata.length > 0) {
        const metadata = encodeJson(jsonOf({
          node_id: place.node, prompt_id: this.#options.promptId, display_node_id: place.display, parent_node_id: place.parent, real_node_id: place.real, image_type: type,
        }));
        const frame = previewFrameWithMetadata(metadata, bytes);
        for (const client of withMetadata) client.send(frame, !isWhole);
      }
      const text = progress();
      for (const client of [...withMetadata, ...plain]) client.send(text, true);
      if (bytes === undefined || plain.length === 0) return;
      const frame = previewFrame(type, bytes);
      for (const client of plain) client.send(frame, !isWhole);
    });
  }

  #text(node: string, delta: string, at: number): void {
    const known = this.#texts.get(node) ?? { text: '', sentAt: -Infinity };
    known.text += delta;
    this.#texts.set(node, known);
    if (at - known.sentAt < intervalMs) return;
    known.sentAt = at;
    this.#sendText(node, known.text);
  }

  #sendText(node: string, text: string): void {
    this.#send(() => textFrame(node, text), true);
  }

  #shown({ node, display }: Place, ui: Json): void {
    this.#flushStates();
    this.#send(() => `{"type":"executed","data":{"node":${JSON.stringify(node)},"display_node":${JSON.stringify(display)},"output":${encodeJson(ui)},"prompt_id":${this.#id}}}`);
  }

  #finished(place: Place, isCached: boolean): void {
    if (!isCached) this.#executed.push(place.node);
    const text = this.#texts.get(place.node);
    if (text !== undefined) this.#sendText(place.node, text.text);
    this.#texts.delete(place.node);
    this.#states.finish(place);
    this.#sendStates();
  }

  #blocked({ node }: Place, message: string | null): void {
    if (message === null) return;
    const executed = [...this.#executed];
    this.#send(() => `{"type":"execution_error","data":${encodeJson(new Map<string, Json>([
      ['prompt_id', this.#options.promptId], ['node_id', node], ['node_type', this.#typeOf(node)], ['executed', executed],
      ['exception_message', `Execution Blocked: ${message}`], ['exception_type', 'ExecutionBlocked'], ['traceback', []], ['current_inputs', []], ['current_outputs', []],
    ]))}}`);
  }

  #failed({ real }: Place, failure: Failure, at: number): void {
    this.#flushStates();
    this.#tell('execution_error', new Map<string, Json>([
      ['prompt_id', this.#options.promptId], ['node_id', real], ['node_type', this.#typeOf(real) || failure.type], ['executed', [...this.#executed]],
      ['exception_message', `${failure.reason}\n`], ['exception_type', failure.name], ['traceback', failure.stack.split('\n').map((line) => `${line}\n`)],
      ['current_inputs', new Map(Object.entries(failure.inputs).map(([name, value]) => [name, [value]]))],
      ['current_outputs', [...this.#options.types.keys()]], ['timestamp', stamp(at)],
    ]));
    this.#hasStopped = true;
  }

  #interrupted(node: string, at: number): void {
    if (this.#hasStopped) return;
    this.#flushStates();
    this.#tell('execution_interrupted', new Map<string, Json>([
      ['prompt_id', this.#options.promptId], ['node_id', node], ['node_type', this.#typeOf(node)], ['executed', [...this.#executed]], ['timestamp', stamp(at)],
    ]));
    this.#hasStopped = true;
  }

  #typeOf(node: string): string {
    return this.#options.types.get(node) ?? this.#innerTypes.get(node) ?? '';
  }

  // ── progress_state ──

  #sendStates(): void {
    this.#areStatesDirty = true;
    const wait = Math.max(this.#nodes, this.#states.size) <= exactNodes ? 0 : this.#statesSentAt + intervalMs - performance.now();
    if (wait <= 0) this.#flushStates();
    else this.#timer ??= setTimeout(() => this.#flushStates(), wait).unref();
  }

  #flushStates(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#areStatesDirty || this.#hasStopped) return;
    this.#areStatesDirty = false;
    if (this.#options.audience().length === 0) return;
    this.#statesSentAt = performance.now();
    const text = `{"type":"progress_state","data":{"prompt_id":${this.#id},"nodes":${this.#states.json()}}}`;
    this.#send(() => text, true);
  }

  // ── sending ──

  /** To the client and into the history. */
  #tell(type: string, data: Json): void {
    this.told.push([type, data]);
    this.#send(() => `{"type":"${type}","data":${encodeJson(data)}}`);
  }

  #tellEvent(event: RunEvent): void {
    const pages = this.#options.audience().filter((client) => client.takesRunEvents);
    if (pages.length === 0) return;
    const text = `{"type":"bagelgraph","data":${eventJson(event)}}`;
    this.#queue(() => { for (const page of pages) page.send(text); });
  }

  #send(frame: () => string | Uint8Array, isReplaceable = false): void {
    this.#queue(() => {
      const audience = this.#options.audience();
      if (audience.length === 0 || this.#isMuted) return;
      const built = frame();
      for (const client of audience) client.send(built, isReplaceable);
    });
  }

  #queue(act: () => void): void {
    if (this.#pending === undefined) act();
    else this.#after(Promise.resolve(), act);
  }

  #after<T>(value: Promise<T>, act: (value: T) => void): void {
    const before = this.#pending;
    const done: Promise<void> = (async () => {
      await before;
      act(await value);
    })().catch(() => undefined).finally(() => {
      if (this.#pending === done) this.#pending = undefined;
    });
    this.#pending = done;
  }
}

/** A run event as JSON: what nodes show stays as it was written, pictures go as binary frames. */
export function eventJson(event: RunEvent): string {
  const members = Object.entries(event).filter(([name, value]) => name !== 'preview' && value !== undefined);
  return encodeJson(new Map(members.map(([name, value]) => [name, name === 'ui' ? (value as Json) : jsonOf(value)])));
}

function stamp(at: number): bigint {
  return BigInt(Math.floor(at));
}

function split<T>(items: readonly T[], holds: (item: T) => boolean): [T[], T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const item of items) (holds(item) ? yes : no).push(item);
  return [yes, no];
}
