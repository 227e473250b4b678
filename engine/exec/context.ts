// The one door of a node: a NodeContext for each call, and the scopes that free what the node made on devices and did not return.
import type { Device, Devices, Held } from '../device/device.ts';
import { scoped, type Scope } from '../device/scoped.ts';
import { isJsonArray, jsonOf, type Json } from '../formats/json.ts';
import type { Builder, Files, Image, NodeContext, RequestMeta } from '../graph/node.ts';
import type { Emitter, NodeBody } from './events.ts';
import { createBuilder } from './expansion.ts';
import type { Nodes, PlanNode } from './plan.ts';
import type { Turn } from './turn.ts';
import { watched } from './watched.ts';

/** What all contexts of a run share. */
export interface RunScope {
  readonly nodes: Nodes;
  readonly request: RequestMeta;
  readonly devices: Devices;
  readonly files: Files;
  readonly signal: AbortSignal;
  readonly emitter: Emitter;
  readonly turn: Turn;
  /** True when someone looks at previews. */
  wantsPreviews(): boolean;
  /** When the last preview was asked for, by performance.now(). */
  lastPreviewAt: number;
}

const previewIntervalMs = 100;

/** The devices as one node sees them, opened when it asks. */
export class Scopes {
  readonly #run: RunScope;
  readonly #node: PlanNode;
  readonly #open = new Map<string, { readonly scope: Scope; readonly device: Device }>();
  #all: Devices | undefined;

  constructor(run: RunScope, node: PlanNode) {
    this.#run = run;
    this.#node = node;
  }

  get own(): Device {
    const { devices } = this.#run;
    const name = this.#node.device ?? devices.keys().next().value;
    if (name === undefined) throw new Error('this run has no device; open one with --devices, such as cpu:0');
    return this.#device(name);
  }

  get all(): Devices {
    return (this.#all ??= new Map([...this.#run.devices.keys()].map((name) => [name, this.#device(name)])));
  }

  /** Frees what was made through these devices, but for `held`. */
  async end(held: readonly Held[]): Promise<void> {
    for (const { scope } of this.#open.values()) {
      scope.keep(held);
      await scope.end();
    }
  }

  get isUsed(): boolean {
    return this.#open.size > 0;
  }

  #device(name: string): Device {
    let open = this.#open.get(name);
    if (open === undefined) {
      const device = this.#run.devices.get(name);
      if (device === undefined) throw new Error(`there is no device ${name}; devices are ${[...this.#run.devices.keys()].join(', ') || 'none'}`);
      const scope = scoped(device);
      open = { scope, device: watched(scope.device, (bytes, from, to) => this.#run.emitter.sendFor(this.#node, { kind: 'moved', bytes, from, to })) };
      this.#open.set(name, open);
    }
    return open.device;
  }
}

/** The context of one call. What a node does after its call has ended is ignored. */
export class CallContext implements NodeContext {
  readonly node: string;
  readonly call: number;
  readonly graph: Nodes;
  readonly request: RequestMeta;
  readonly signal: AbortSignal;
  readonly files: Files;
  readonly shown: Json[] = [];
  readonly #run: RunScope;
  readonly #plan: PlanNode;
  readonly #scopes: Scopes;
  #builder: Builder | undefined;
  #isOpen = true;

  constructor(run: RunScope, plan: PlanNode, scopes: Scopes, call: number) {
    this.node = plan.id;
    this.call = call;
    this.graph = run.nodes;
    this.request = run.request;
    this.signal = run.signal;
    this.files = run.files;
    this.#run = run;
    this.#plan = plan;
    this.#scopes = scopes;
  }

  get device(): Device {
    return this.#scopes.own;
  }

  get devices(): Devices {
    return this.#scopes.all;
  }

  expand(): Builder {
    return (this.#builder ??= createBuilder(this.node, this.call));
  }

  show(ui: Json): void {
    this.shown.push(shownJson(ui));
  }

  text(delta: string): void {
    this.#send({ kind: 'text', delta });
  }

  notice(message: string): void {
    this.#send({ kind: 'notice', message });
  }

  count(name: string, by = 1): void {
    this.#send({ kind: 'counted', name, by });
  }

  async progress(value: number, max: number, preview?: () => Promise<Image>): Promise<void> {
    this.signal.throwIfAborted();
    const image = preview !== undefined && this.#isPreviewDue() ? await preview() : undefined;
    this.#send(image === undefined ? { kind: 'progress', value, max } : { kind: 'progress', value, max, preview: image });
    await this.#run.turn.give();
    this.signal.throwIfAborted();
  }

  async send(value: number, max: number, picture: Image): Promise<void> {
    this.signal.throwIfAborted();
    this.#send({ kind: 'progress', value, max, preview: picture, isWhole: true });
    await this.#run.turn.give();
    this.signal.throwIfAborted();
  }

  close(): void {
    this.#isOpen = false;
  }

  #isPreviewDue(): boolean {
    const now = performance.now();
    if (now - this.#run.lastPreviewAt < previewIntervalMs || !this.#run.wantsPreviews()) return false;
    this.#run.lastPreviewAt = now;
    return true;
  }

  #send(body: NodeBody): void {
    if (this.#isOpen) this.#run.emitter.sendFor(this.#plan, body);
  }
}

/**
 * What a node shows, as JSON that can be written: packs in JavaScript also show plain objects, `{text: [5]}`. Numbers in Maps stay what they
 * are. Refused here, where the node can be named: once its run has ended nobody is left to be told, and the run's entry would be lost.
 */
function shownJson(ui: unknown): Json {
  if (typeof ui === 'number') return ui;
  if (isJsonArray(ui as Json)) return (ui as readonly unknown[]).map(shownJson);
  if (ui instanceof Map) return new Map([...ui as ReadonlyMap<string, unknown>].map(([key, item]) => [key, shownJson(item)]));
  return jsonOf(ui);
}
