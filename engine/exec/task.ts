// A node while it runs: what it waits for, who waits for it, and its result. State only; execute.ts moves it.
import type { Json } from '../formats/json.ts';
import type { Carrier } from './lifetime.ts';
import type { Slots } from './lists.ts';
import type { PlanNode } from './plan.ts';
import type { Candidate, Rank } from './ready.ts';

/**
 * idle: not demanded. waiting: for sources, for lazy inputs, or for its twin. ready: in the ready list. running.
 * expanded: its calls are done, it waits for the nodes they made. done: has its result.
 */
export type Phase = 'idle' | 'waiting' | 'ready' | 'running' | 'expanded' | 'done';

/** What the calls of a node returned, in order. */
export interface Outcome {
  readonly results: readonly unknown[];
  readonly shown: readonly Json[];
}

export class Task implements Candidate {
  readonly node: PlanNode;
  phase: Phase = 'idle';
  place = 0;
  /** Links to the next output node: 0 = is one; 3 = more than two. */
  distance: Rank;
  lanes: readonly string[] = [];
  /** How many sources it still waits for. */
  waitsFor = 0;
  /** Tasks that wait for this one. */
  waiting: Task[] = [];
  /** The task behind each link of the node; undefined until it is registered. */
  sources: readonly Task[] | undefined;
  /** Further tasks whose results it takes: its twin, or the nodes it expanded into. */
  readonly also: Task[] = [];
  /** Tasks that may still read its result. */
  readers = 0;
  /** The task with the same key that runs in its place. */
  twin: Task | undefined;
  /** Lazy inputs it has asked for. */
  requested: Set<string> | undefined;
  attempts = 0;
  ms = 0;
  /** Kept only while it waits for what its calls expanded into. */
  outcome: Outcome | undefined;
  /** Raw values of its expansions, kept until it is done. */
  lent: readonly Carrier[] = [];
  slots: Slots | undefined;
  shown: Json | undefined;
  carriers: readonly Carrier[] = [];

  constructor(node: PlanNode) {
    this.node = node;
    this.distance = node.definition.output === true ? 0 : 3;
  }

  get rank(): Rank {
    return this.node.definition.concurrent === true ? 0 : this.distance;
  }

  get isOutput(): boolean {
    return this.node.definition.output === true;
  }
}
