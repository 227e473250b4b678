// Walks over the links of a layer: what feeds a node, what depends on it, in which order nodes can run. Without recursion,
// for chains may be long. Knows links only.
import { inputBoundary, outputBoundary, type DocNode, type Layer, type NodeId } from './document.ts';

/** The nodes and everything that feeds them, through all links. */
export function upstreamOf(layer: Layer, nodes: Iterable<NodeId>): Set<NodeId> {
  return walk(nodes, (id) => sourcesOf(layer, id));
}

/** The nodes and everything that depends on them. */
export function downstreamOf(layer: Layer, nodes: Iterable<NodeId>): Set<NodeId> {
  const targets = targetsBySource(layer);
  return walk(nodes, (id) => targets.get(id) ?? []);
}

/** The nodes that feed one directly; a subgraph's own inputs are no node. */
export function sourcesOf(layer: Layer, node: NodeId): readonly NodeId[] {
  const found: NodeId[] = [];
  for (const { link } of layer.nodes[node]?.inputs ?? []) {
    const from = link === null ? undefined : layer.links[link]?.from;
    if (from !== undefined && from !== inputBoundary) found.push(from);
  }
  return found;
}

export function targetsBySource(layer: Layer): Map<NodeId, NodeId[]> {
  const targets = new Map<NodeId, NodeId[]>();
  for (const { from, to } of Object.values(layer.links)) {
    if (from === inputBoundary || to === outputBoundary) continue;
    const known = targets.get(from);
    if (known === undefined) targets.set(from, [to]);
    else known.push(to);
  }
  return targets;
}

function walk(starts: Iterable<NodeId>, next: (id: NodeId) => readonly NodeId[]): Set<NodeId> {
  const seen = new Set(starts);
  const pending = [...seen];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    for (const other of next(id)) {
      if (seen.has(other)) continue;
      seen.add(other);
      pending.push(other);
    }
  }
  return seen;
}

export interface Order {
  /** Sources before targets; among free ones from left to right, then top to bottom. Nodes on a circle come last. */
  readonly nodes: readonly NodeId[];
  /** How many links the longest way to a node has. */
  readonly depth: ReadonlyMap<NodeId, number>;
  /** Nodes that depend on themselves, or on such a node. */
  readonly circular: readonly NodeId[];
}

/** The order in which the nodes of a layer could run. */
export function orderOf(layer: Layer): Order {
  const targets = targetsBySource(layer);
  const waiting = new Map(Object.keys(layer.nodes).map((id) => [id, sourcesOf(layer, id).length]));
  const depth = new Map<NodeId, number>();
  const byPlace = (a: NodeId, b: NodeId) => comparePlace(layer.nodes[a]!, layer.nodes[b]!);
  let wave = [...waiting].filter(([, count]) => count === 0).map(([id]) => id).sort(byPlace);
  const nodes: NodeId[] = [];
  for (let level = 0; wave.length > 0; level++) {
    const next: NodeId[] = [];
    for (const id of wave) {
      nodes.push(id);
      depth.set(id, level);
      for (const target of targets.get(id) ?? []) {
        const left = (waiting.get(target) ?? 0) - 1;
        waiting.set(target, left);
        if (left === 0) next.push(target);
      }
    }
    wave = next.sort(byPlace);
  }
  const circular = Object.keys(layer.nodes).filter((id) => !depth.has(id));
  return { nodes: [...nodes, ...circular], depth, circular };
}

function comparePlace(a: DocNode, b: DocNode): number {
  return a.pos[0] - b.pos[0] || a.pos[1] - b.pos[1] || a.id.localeCompare(b.id, 'en', { numeric: true });
}

/** One circle of nodes, each feeding the next; undefined where there is none. */
export function findCycle(layer: Layer): readonly NodeId[] | undefined {
  const { circular } = orderOf(layer);
  const isCircular = new Set(circular);
  let id = circular[0];
  const way: NodeId[] = [];
  const at = new Map<NodeId, number>();
  // going from a circular node to circular sources must come back to where it was
  while (id !== undefined && !at.has(id)) {
    at.set(id, way.length);
    way.push(id);
    id = sourcesOf(layer, id).find((source) => isCircular.has(source));
  }
  return id === undefined ? undefined : way.slice(at.get(id)).reverse();
}
