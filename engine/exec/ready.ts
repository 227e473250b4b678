// The nodes that could run now, and the lanes they need: one a device and `host`. Which comes next is ComfyUI's order (contract §3.4).
// Knows ranks, places and lanes only; every operation is at most logarithmic.

export const hostLane = 'host';

/** 0: an output node or a concurrent one. 1: feeds an output. 2: feeds what feeds an output. 3: the rest. */
export type Rank = 0 | 1 | 2 | 3;

export interface Candidate {
  /** Place in the order in which nodes were demanded. */
  readonly place: number;
  readonly rank: Rank;
  /** Lanes it takes while it runs; none for concurrent nodes. */
  readonly lanes: readonly string[];
}

interface Queue<T extends Candidate> {
  readonly lanes: readonly string[];
  readonly byRank: readonly [Heap<T>, Heap<T>, Heap<T>, Heap<T>];
}

interface Occupied {
  /** All lanes of those who are here. */
  readonly lanes: string;
  readonly seats: number;
  taken: number;
}

/**
 * Lanes that runs share: those of devices. Each run has a `host` lane of its own.
 * One work at a time is on a lane. But as many works as there are lanes may hold the same several lanes: what is spread over devices keeps
 * one of them busy at a time, and the others follow it.
 */
export class SharedLanes {
  readonly #occupied = new Map<string, Occupied>();
  readonly #listeners = new Set<() => void>();

  areFree(lanes: readonly string[]): boolean {
    const id = lanes.join(' ');
    return lanes.every((lane) => {
      const occupied = this.#occupied.get(lane);
      return occupied === undefined || (occupied.lanes === id && occupied.taken < occupied.seats);
    });
  }

  take(lanes: readonly string[]): void {
    for (const lane of lanes) {
      const occupied = this.#occupied.get(lane);
      if (occupied === undefined) this.#occupied.set(lane, { lanes: lanes.join(' '), seats: lanes.length, taken: 1 });
      else occupied.taken++;
    }
  }

  leave(lanes: readonly string[]): void {
    for (const lane of lanes) {
      const occupied = this.#occupied.get(lane)!;
      if (--occupied.taken === 0) this.#occupied.delete(lane);
    }
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` whenever a lane becomes free; returns what ends that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export class ReadyList<T extends Candidate> {
  readonly #shared: SharedLanes;
  /** Candidates with equal lanes wait together, so that a busy lane is skipped at once. */
  readonly #queues = new Map<string, Queue<T>>();
  readonly #waiting = new Set<T>();
  #isHostBusy = false;

  constructor(shared: SharedLanes = new SharedLanes()) {
    this.#shared = shared;
  }

  /** True when some wait, be it for lanes that other runs have taken. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  add(candidate: T): void {
    const id = candidate.lanes.length === 1 ? candidate.lanes[0]! : candidate.lanes.join(' ');
    let queue = this.#queues.get(id);
    if (queue === undefined) this.#queues.set(id, (queue = { lanes: candidate.lanes, byRank: [new Heap(), new Heap(), new Heap(), new Heap()] }));
    queue.byRank[candidate.rank].push(candidate);
    this.#waiting.add(candidate);
  }

  /** Tells that a waiting candidate's rank has changed. */
  rerank(candidate: T): void {
    if (this.#waiting.has(candidate)) this.add(candidate);
  }

  /** The next candidate whose lanes are free; its lanes are busy from now on. */
  take(): T | undefined {
    let best: T | undefined;
    for (const { lanes, byRank } of this.#queues.values()) {
      if (!this.#areFree(lanes)) continue;
      const first = this.#first(byRank);
      if (first !== undefined && (best === undefined || first.rank < best.rank || (first.rank === best.rank && first.place < best.place))) best = first;
    }
    if (best === undefined) return undefined;
    this.#waiting.delete(best);
    if (isOnHost(best)) this.#isHostBusy = true;
    else this.#shared.take(best.lanes);
    return best;
  }

  /** Its lanes are free again. */
  leave(candidate: T): void {
    if (isOnHost(candidate)) this.#isHostBusy = false;
    else this.#shared.leave(candidate.lanes);
  }

  #areFree(lanes: readonly string[]): boolean {
    return isOnHost({ lanes }) ? !this.#isHostBusy : this.#shared.areFree(lanes);
  }

  /** The first of the best rank. Entries that were taken, or stand under an old rank, are passed over here. */
  #first(byRank: Queue<T>['byRank']): T | undefined {
    for (let rank = 0; rank < 4; rank++) {
      const heap = byRank[rank]!;
      for (let top = heap.top; top !== undefined; top = heap.top) {
        if (top.rank === rank && this.#waiting.has(top)) return top;
        heap.pop();
      }
    }
    return undefined;
  }
}

/** The host lane is never taken together with others. */
function isOnHost({ lanes }: Pick<Candidate, 'lanes'>): boolean {
  return lanes.length === 1 && lanes[0] === hostLane;
}

/** Least place on top. */
class Heap<T extends { readonly place: number }> {
  readonly #items: T[] = [];

  get top(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (items[above]!.place <= item.place) break;
      items[at] = items[above]!;
      at = above;
    }
    items[at] = item;
  }

  pop(): void {
    const items = this.#items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && items[below + 1]!.place < items[below]!.place) below++;
      if (items[below]!.place >= last.place) break;
      items[at] = items[below]!;
      at = below;
    }
    items[at] = last;
  }
}
