// Runs a plan: demand is pulled from the outputs, a demanded node that is ready takes a free lane in ComfyUI's order, results are found by content key.
// A suspending scheduler over a content-addressed rebuilder (Build Systems à la Carte). No recursion: chains may be as long as they like.
import type { NodeId } from '../graph/graph.ts';
import type { Json } from '../formats/json.ts';
import type { RunCache } from './cache.ts';
import { gatherInputs, requestedLinks, runCalls } from './calls.ts';
import { Scopes, type RunScope } from './context.ts';
import { failureOf } from './errors.ts';
import type { RunStatus } from './events.ts';
import { addExpanded } from './expansion.ts';
import { addInner, lentCarriers } from './inner.ts';
import { CycleError, type Keys } from './keys.ts';
import { lanesOf, laneText } from './lanes.ts';
import type { Carrier, Lifetime } from './lifetime.ts';
import { addResult, emptySlots, isBlocked, isExpansion, mergeShown, type InputList, type Slots } from './lists.ts';
import type { Origins } from './origins.ts';
import type { PlanNode } from './plan.ts';
import { hostLane, ReadyList, type SharedLanes } from './ready.ts';
import { findCycle } from './stall.ts';
import { Task, type Outcome } from './task.ts';

/** What runs of one engine share, and what this run brings. */
export interface ExecutionScope extends RunScope {
  readonly keys: Keys;
  readonly cache: RunCache;
  readonly lifetime: Lifetime;
  readonly origins: Origins;
  /** Lanes of the devices, shared with other runs. */
  readonly lanes: SharedLanes;
  /** Aborts `signal` because the run failed. */
  stop(reason: unknown): void;
}

export class Execution {
  readonly #scope: ExecutionScope;
  readonly #hits: ReadonlySet<NodeId>;
  readonly #tasks = new Map<NodeId, Task>();
  readonly #byKey = new Map<string, Task>();
  readonly #ready: ReadyList<Task>;
  readonly #running = new Set<Task>();
  /** Done tasks whose waiting tasks have not been told yet. */
  readonly #settled: Task[] = [];
  #unfinished = 0;
  #places = 0;
  /** Results stay until the end when a node sees links or the graph itself: what it makes may link anywhere. */
  #keepsAll = false;
  #hasFailed = false;
  #wake: (() => void) | undefined;

  /** `plan` is all that the targets may need, lazy inputs too, with keys; `hits` are those of it that were announced as cached. */
  constructor(scope: ExecutionScope, plan: readonly PlanNode[], hits: ReadonlySet<NodeId>) {
    this.#scope = scope;
    this.#hits = hits;
    this.#ready = new ReadyList(scope.lanes);
    // Those that were hits will not read their sources; should one be evicted first, it registers when it is demanded.
    for (const node of plan) if (!hits.has(node.id)) this.#register(node);
  }

  /** Runs what the targets need. All that was started has ended and been let go of when this settles. */
  async run(targets: readonly NodeId[]): Promise<RunStatus> {
    const { signal, lifetime } = this.#scope;
    const wake = () => this.#wake?.();
    signal.addEventListener('abort', wake);
    const stopListening = this.#scope.lanes.listen(wake);
    try {
      if (!signal.aborted) for (const id of targets) this.#demand(this.#task(id));
      this.#settle();
      await this.#drive();
    } finally {
      while (this.#running.size > 0) await this.#nextEnd();
      signal.removeEventListener('abort', wake);
      stopListening();
      for (const task of this.#tasks.values()) this.#letGo(task);
      await lifetime.flush();
    }
    return this.#hasFailed ? 'error' : signal.aborted ? 'interrupted' : 'success';
  }

  /** Nodes that run now. */
  running(): readonly PlanNode[] {
    return [...this.#running].map(({ node }) => node);
  }

  async #drive(): Promise<void> {
    const { signal, turn, lifetime } = this.#scope;
    while (this.#unfinished > 0 && !signal.aborted) {
      if (turn.isDue) {
        await turn.give();
        continue;
      }
      // Only while nothing runs: a node may use what it found (a context it recalled) without being given it.
      if (lifetime.hasDying && !lifetime.isInUse) await lifetime.flush();
      const task = this.#ready.take();
      if (task !== undefined) this.#start(task);
      else if (this.#running.size > 0 || this.#ready.isWaiting) await this.#nextEnd();
      else return this.#failStalled();
    }
  }

  #nextEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  // ── demand ──

  #task(id: NodeId): Task {
    const known = this.#tasks.get(id);
    if (known !== undefined) return known;
    const node = this.#scope.nodes.get(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    const task = new Task(node);
    this.#tasks.set(id, task);
    return task;
  }

  /** Counts a node among the readers of its sources: their results stay until it is done. */
  #register(node: PlanNode): Task {
    const task = this.#task(node.id);
    if (task.sources === undefined) {
      task.sources = node.links.map(({ link }) => this.#task(link.node));
      for (const source of task.sources) source.readers++;
      if (node.traits.hasRaw) this.#keepsAll = true;
    }
    return task;
  }

  /** Puts a task and what it needs into the run, unless they are there. Sources are visited last in, first out, as ComfyUI does. */
  #demand(root: Task): void {
    const stack = [root];
    for (let task = stack.pop(); task !== undefined; task = stack.pop()) {
      if (task.phase !== 'idle') continue;
      this.#register(task.node);
      this.#unfinished++;
      task.place = this.#places++;
      task.phase = 'waiting';
      if (this.#adopt(task)) continue;
      const equal = this.#byKey.get(task.node.key);
      if (equal !== undefined && equal !== task) {
        task.twin = equal;
        this.#takeFrom(task, equal);
        stack.push(equal);
      } else {
        this.#byKey.set(task.node.key, task);
        task.node.links.forEach(({ name, isLazy }, i) => {
          if (isLazy && task!.requested?.has(name) !== true) return;
          const source = task!.sources![i]!;
          this.#waitFor(task!, source);
          stack.push(source);
        });
      }
      if (task.waitsFor === 0) this.#unblock(task);
    }
  }

  #waitFor(task: Task, source: Task): void {
    if (source.phase === 'done') return;
    task.waitsFor++;
    source.waiting.push(task);
    this.#raise(source, task);
  }

  /** Waits for a task that is no source and keeps its result until `task` is done. */
  #takeFrom(task: Task, other: Task): void {
    task.also.push(other);
    other.readers++;
    this.#waitFor(task, other);
  }

  /** The closer to an output, the earlier a node runs; two steps count. */
  #raise(source: Task, waiting: Task): void {
    const distance = waiting.distance === 0 ? 1 : waiting.distance === 1 ? 2 : 3;
    if (distance >= source.distance) return;
    source.distance = distance;
    this.#ready.rerank(source);
    if (distance > 1 || source.phase !== 'waiting') return;
    source.sources!.forEach((further, i) => {
      const { isLazy, name } = source.node.links[i]!;
      if (further.phase !== 'done' && (!isLazy || source.requested?.has(name) === true)) this.#raise(further, source);
    });
  }

  /** Takes the result from the cache. */
  #adopt(task: Task): boolean {
    const { node } = task;
    const entry = node.isVolatile ? undefined : this.#scope.cache.get(node.key, this.#rootKey(node));
    if (entry !== undefined) this.#reuse(task, entry.slots, entry.shown, entry.carriers);
    return entry !== undefined;
  }

  // ── progress of a task ──

  /** What it waited for is there: it becomes ready, or, when its calls are done already, complete. */
  #unblock(task: Task): void {
    if (task.outcome !== undefined) {
      this.#resolve(task, task.outcome);
    } else if (task.twin !== undefined) {
      this.#reuse(task, task.twin.slots!, task.twin.shown, task.twin.carriers);
    } else {
      task.phase = 'ready';
      task.lanes = lanesOf(task, this.#scope.devices, this.#scope.lifetime);
      this.#ready.add(task);
    }
  }

  #start(task: Task): void {
    task.phase = 'running';
    this.#running.add(task);
    this.#scope.lifetime.beginUse();
    this.#perform(task).catch((error: unknown) => this.#fail(task, error)).then(() => this.#end(task)).catch((error: unknown) => this.#fail(task, error));
  }

  /** Its lanes are free again; it is done, or waits for what it asked for meanwhile. */
  #end(task: Task): void {
    this.#running.delete(task);
    this.#scope.lifetime.endUse();
    this.#ready.leave(task);
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
    if (this.#scope.signal.aborted) return;
    if (task.phase === 'running') {
      task.phase = task.outcome === undefined ? 'waiting' : 'expanded';
      if (task.waitsFor === 0) this.#unblock(task);
    }
    this.#settle();
  }

  async #perform(task: Task): Promise<void> {
    const { node } = task;
    const { lifetime } = this.#scope;
    const began = performance.now();
    const scopes = new Scopes(this.#scope, node);
    let keeps: readonly Carrier[] = [];
    try {
      let inputs = this.#inputs(task);
      this.#announce(task, inputs);
      while (node.definition.needs !== undefined) {
        const asked = await requestedLinks(this.#scope, node, scopes, inputs, task.requested);
        if (asked.length === 0) break;
        if (this.#request(task, asked)) return;
        inputs = this.#inputs(task);
      }
      const outcome = await runCalls(this.#scope, node, scopes, inputs, (error) => this.#fail(task, error));
      task.ms += performance.now() - began;
      if (outcome.results.some(isExpansion)) {
        // Raw values of its expansions live as long as it does.
        keeps = task.lent = lentCarriers(task, outcome, this.#scope.nodes, lifetime);
        lifetime.retain(task.lent);
        await this.#expand(task, outcome);
      } else {
        keeps = this.#resolve(task, outcome);
      }
    } finally {
      if (scopes.isUsed) await scopes.end(lifetime.held(keeps));
    }
  }

  #inputs(task: Task): readonly InputList[] {
    return gatherInputs(task.node, (i) => task.sources![i]!.slots!, task.requested, this.#scope);
  }

  #announce(task: Task, inputs: readonly InputList[]): void {
    const { node } = task;
    task.attempts++;
    if (task.attempts > 1) {
      this.#scope.emitter.sendFor(node, { kind: 'attempt', attempt: task.attempts });
      return;
    }
    const seed = node.traits.seed === undefined ? undefined : inputs.find(({ name }) => name === node.traits.seed)?.values[0];
    this.#scope.emitter.sendFor(node, { kind: 'begun', type: node.definition.type, title: node.title, device: laneText(task), ...(typeof seed === 'bigint' ? { seed } : {}) });
  }

  /** Demands lazy links. True when the task has to wait for them. */
  #request(task: Task, links: readonly number[]): boolean {
    task.requested ??= new Set();
    for (const i of links) {
      task.requested.add(task.node.links[i]!.name);
      const source = task.sources![i]!;
      this.#demand(source);
      this.#waitFor(task, source); // not for what was known
    }
    return task.waitsFor > 0;
  }

  // ── expansion ──

  /** Adds what its calls made to the run and waits for it: for what they return and for output nodes among it. */
  async #expand(task: Task, outcome: Outcome): Promise<void> {
    const { nodes, keys, origins, emitter, signal } = this.#scope;
    const added = addInner(task, outcome, nodes, origins, (call, ids) => emitter.sendFor(task.node, { kind: 'expanded', call, nodes: ids }));
    await keys.compute([...added.nodes.map(({ id }) => id), ...added.wanted]);
    if (signal.aborted) return;
    for (const node of added.nodes) this.#register(node);
    task.outcome = outcome;
    for (const id of added.wanted) {
      const inner = this.#task(id);
      this.#takeFrom(task, inner);
      this.#demand(inner);
    }
  }

  #rootKey(node: PlanNode): string {
    return node.parent === null ? node.key : this.#scope.nodes.get(node.real)!.key;
  }

  // ── results ──

  /** Makes the result of what the calls returned; everything they link to is done. Returns what the result keeps alive. */
  #resolve(task: Task, { results, shown }: Outcome): readonly Carrier[] {
    const { outputs } = task.node.definition;
    const slots = emptySlots(outputs);
    for (const result of results) {
      if (isExpansion(result)) addExpanded(slots, outputs, result, (id) => this.#task(id).slots!);
      else addResult(slots, outputs, result);
    }
    const carriers = this.#scope.lifetime.carriers(slots, outputs);
    this.#complete(task, slots, mergeShown(shown), carriers, results.length > 0 && results.every(isBlocked));
    return carriers;
  }

  #complete(task: Task, slots: Slots, shown: Json | undefined, carriers: readonly Carrier[], isBlockedWholly: boolean): void {
    const { node } = task;
    const { cache, emitter, origins } = this.#scope;
    this.#take(task, slots, shown, carriers);
    origins.remember(node, slots);
    // A node that was only blocked has done nothing worth keeping, and says why again next time.
    if (!node.isVolatile && !isBlockedWholly) {
      const { id, display, parent, real } = node;
      cache.set({ key: node.key, slots, shown, carriers, meta: { node: id, display, parent, real } }, this.#rootKey(node));
    }
    if (shown !== undefined) emitter.sendFor(node, { kind: 'shown', type: node.definition.type, ui: shown });
    emitter.sendFor(node, { kind: 'finished', ms: task.ms, cached: false, device: laneText(task) });
    this.#finish(task);
  }

  #reuse(task: Task, slots: Slots, shown: Json | undefined, carriers: readonly Carrier[]): void {
    const { node } = task;
    this.#take(task, slots, shown, carriers);
    if (task.isOutput || !this.#hits.has(node.id)) {
      this.#scope.emitter.sendFor(node, { kind: 'reused', type: node.definition.type, ui: shown ?? null });
      this.#scope.emitter.sendFor(node, { kind: 'finished', ms: 0, cached: true, device: hostLane });
    }
    this.#finish(task);
  }

  #take(task: Task, slots: Slots, shown: Json | undefined, carriers: readonly Carrier[]): void {
    task.slots = slots;
    task.shown = shown;
    task.carriers = carriers;
    this.#scope.lifetime.retain(carriers);
  }

  #finish(task: Task): void {
    task.phase = 'done';
    task.outcome = undefined;
    this.#unfinished--;
    this.#settled.push(task);
    this.#scope.lifetime.release(task.lent);
    task.lent = [];
    for (const source of task.sources!) this.#leave(source);
    for (const other of task.also) this.#leave(other);
  }

  /** Tells those who waited. Not recursive: what becomes done here is told in the same loop. */
  #settle(): void {
    for (let done = this.#settled.pop(); done !== undefined; done = this.#settled.pop()) {
      const { waiting } = done;
      done.waiting = [];
      for (const task of waiting) {
        if (--task.waitsFor > 0 || (task.phase !== 'waiting' && task.phase !== 'expanded')) continue;
        try {
          this.#unblock(task);
        } catch (error) {
          this.#fail(task, error);
        }
      }
    }
  }

  /** One reader fewer. A result that nobody will read is let go of; should someone ask again, it is looked up or made again. */
  #leave(source: Task): void {
    source.readers--;
    if (source.readers > 0 || source.phase !== 'done' || this.#keepsAll || source.isOutput || source.node.isVolatile || source.also.length > 0) return;
    this.#letGo(source);
    source.phase = 'idle';
    source.sources = undefined;
    source.requested = undefined;
  }

  #letGo(task: Task): void {
    this.#scope.lifetime.release(task.carriers);
    this.#scope.lifetime.release(task.lent);
    task.slots = undefined;
    task.carriers = [];
    task.lent = [];
  }

  // ── failure ──

  /** The first failure stops the run; what the stopping itself breaks is no failure. */
  #fail({ node }: Task, error: unknown): void {
    if (this.#scope.signal.aborted) return;
    this.#hasFailed = true;
    this.#scope.emitter.sendFor(node, { kind: 'failed', ...failureOf(node, error) });
    this.#scope.stop(error);
  }

  /** Nothing runs and nothing can: expansions have made a cycle. The node that made it is to blame. */
  #failStalled(): void {
    const cycle = findCycle(this.#tasks.values());
    if (cycle === undefined) throw new Error('the run has stalled without a cycle; this is a fault of the executor');
    const inner = cycle.find(({ node }) => node.parent !== null);
    this.#fail(inner === undefined ? cycle[0]! : this.#task(inner.node.parent!), new CycleError(cycle.map(({ node }) => node)));
  }
}
