// The engine: what runs of one process share (devices, cache, lifetimes), and a run from a graph to its last event.
import { randomUUID } from 'node:crypto';
import type { Devices } from '../device/device.ts';
import type { Json } from '../formats/json.ts';
import type { Graph, NodeId } from '../graph/graph.ts';
import type { Environment, Files, Registry, RequestMeta } from '../graph/node.ts';
import { sentence, type NodeProblem } from '../graph/problems.ts';
import { SEED } from '../graph/types.ts';
import { validate, type Checked, type ValidateOptions } from '../graph/validate.ts';
import { Cache, type CachePolicy, type CacheStats } from './cache.ts';
import { RefusedError } from './errors.ts';
import { Emitter, type Place, type Receiver } from './events.ts';
import { Execution, type ExecutionScope } from './execute.ts';
import { Homes } from './homes.ts';
import { Keys } from './keys.ts';
import { Lifetime } from './lifetime.ts';
import { Origins } from './origins.ts';
import { constantsOf, Nodes, type PlanNode } from './plan.ts';
import { Queue } from './queue.ts';
import { knownShown } from './known.ts';
import { SharedLanes } from './ready.ts';
import { createRecorder, type RunRecord } from './record.ts';
import { Turn } from './turn.ts';

export interface EngineOptions {
  readonly registry: Registry;
  readonly devices: Devices;
  readonly files: Files;
  /** Default: least recently used under a budget of a quarter of the memory. */
  readonly cache?: CachePolicy;
  /** Runs at once; they share devices, a node at a time on each, and each is at home on the device that fewest others are. Default 1. */
  readonly concurrency?: number;
}

export interface RunOptions {
  readonly runId?: string;
  /** Only these outputs. Ignored for a graph that was checked before. */
  readonly targets?: readonly NodeId[];
  /** For metadata; default: none. */
  readonly request?: RequestMeta;
  /** Aborting it interrupts the run, also while it waits for its turn. */
  readonly signal?: AbortSignal;
  /** bypass: every node runs, whatever earlier runs have made; models stay loaded. Default use. */
  readonly cache?: 'use' | 'bypass';
  readonly emit?: Receiver;
  /** Asked before a preview is computed; default: no one looks. */
  readonly wantsPreviews?: () => boolean;
}

export interface RunResult extends RunRecord {
  /**
   * What is known to be shown for nodes of the graph, in its order, then for nodes made by expansion: by this run, or in the cache
   * by an earlier one or an equal node, whose place then stands here. Nodes that were not asked for count too.
   */
  readonly known: ReadonlyMap<NodeId, { readonly ui: Json; readonly place: Place }>;
  /** Why some outputs were dropped before the run. */
  readonly problems: readonly NodeProblem[];
}

export interface Engine {
  /** What of the graph can run, and what is wrong with the rest. */
  validate(graph: Graph, options?: ValidateOptions): Promise<Checked>;
  /**
   * Runs a graph; runs take turns, or overlap as far as `concurrency` allows. Resolves when the last event was sent, however the run ended.
   * Rejects with a RefusedError when nothing of the graph can run, and with what `emit` throws.
   */
  run(graph: Graph | Checked, options?: RunOptions): Promise<RunResult>;
  /** Drops cached models, other values, or (default) both, when no run is under way, and frees what they held. */
  clear(what?: { readonly models?: boolean; readonly values?: boolean }): Promise<void>;
  cacheStats(): CacheStats;
  /** Runs under way and waiting. */
  readonly queueLength: number;
}

export function createEngine({ registry, devices, files, cache: policy = { policy: 'bytes' }, concurrency = 1 }: EngineOptions): Engine {
  const environment: Environment = { files, devices };
  const lifetime = new Lifetime(devices);
  const cache = new Cache(policy, lifetime);
  const origins = new Origins();
  const queue = new Queue(concurrency);
  const shared: Shared = { registry, environment, lifetime, cache, origins, lanes: new SharedLanes(), homes: new Homes(devices) };
  return {
    validate: (graph, options) => validate(graph, registry, environment, options),
    async run(graph, options = {}) {
      const checked = 'graph' in graph ? graph : await validate(graph, registry, environment, options.targets === undefined ? {} : { targets: options.targets });
      if (checked.refusal !== undefined) throw new RefusedError(checked.refusal, checked.problems);
      return queue.add(() => run(shared, checked, options));
    },
    clear: (what) => queue.alone(async () => {
      cache.clear(what);
      await lifetime.flush();
    }),
    cacheStats: () => cache.stats(),
    get queueLength() { return queue.length; },
  };
}

interface Shared {
  readonly registry: Registry;
  readonly environment: Environment;
  readonly lifetime: Lifetime;
  readonly cache: Cache;
  readonly origins: Origins;
  readonly lanes: SharedLanes;
  readonly homes: Homes;
}

async function run(shared: Shared, checked: Checked, options: RunOptions): Promise<RunResult> {
  const { environment, lifetime, cache } = shared;
  const runId = options.runId ?? randomUUID();
  const stop = new AbortController();
  const recorder = createRecorder();
  const emitter = new Emitter(runId, (event) => {
    recorder.event(event);
    options.emit?.(event);
  }, () => stop.abort());
  const nodes = new Nodes(checked.graph, shared.registry, checked.constants);
  const keys = new Keys(nodes, environment, runId);
  const home = shared.homes.enter();
  const taken = options.cache === 'bypass' ? cache.fresh() : cache;
  const scope: ExecutionScope = {
    nodes, keys, cache: taken, lifetime, origins: shared.origins, lanes: shared.lanes, emitter, turn: new Turn(), signal: stop.signal, files: environment.files, devices: home.devices,
    request: options.request ?? { prompt: null, extras: new Map() }, wantsPreviews: options.wantsPreviews ?? (() => false), lastPreviewAt: -Infinity,
    stop: (reason) => stop.abort(reason),
  };
  const began = performance.now();
  let execution: Execution | undefined;
  const interrupt = () => {
    if (stop.signal.aborted) return;
    for (const node of execution?.running() ?? []) emitter.sendFor(node, { kind: 'interrupted', type: node.definition.type });
    stop.abort(options.signal!.reason);
  };
  options.signal?.addEventListener('abort', interrupt);
  let status: 'success' | 'error' | 'interrupted' = 'error';
  let known: RunResult['known'] = new Map();
  try {
    const plan = await keys.compute(checked.targets);
    cache.begin(plan);
    emitter.send({ kind: 'started', nodes: plan.length, targets: checked.targets, seeds: seedsOf(plan) });
    const hits: NodeId[] = [];
    for (const { id, key, isVolatile } of plan) if (!isVolatile && taken.get(key, key) !== undefined) hits.push(id);
    emitter.send({ kind: 'hits', nodes: hits });
    for (const warning of checked.warnings) emitter.sendFor(nodes.get(warning.node)!, { kind: 'notice', message: sentence(warning) });
    execution = new Execution(scope, plan, new Set(hits));
    if (options.signal?.aborted === true) interrupt();
    status = await execution.run(checked.targets);
    known = await knownShown(checked.graph, nodes, keys, cache, recorder.record().outputs);
  } finally {
    options.signal?.removeEventListener('abort', interrupt);
    cache.end();
    home.leave();
    await lifetime.flush();
    emitter.send({ kind: 'ended', status, ms: performance.now() - began });
    emitter.close();
  }
  if (emitter.hasFailed) throw emitter.error;
  return { ...recorder.record(), problems: checked.problems, known };
}

function seedsOf(plan: readonly PlanNode[]): { node: NodeId; input: string; seed: bigint }[] {
  const seeds: { node: NodeId; input: string; seed: bigint }[] = [];
  for (const node of plan) {
    if (node.traits.seed === undefined) continue;
    for (const [input, value] of Object.entries(constantsOf(node))) if (node.definition.inputs[input]?.type === SEED && typeof value === 'bigint') seeds.push({ node: node.id, input, seed: value });
  }
  return seeds;
}
