// What is known to be shown for every node of a graph once a run of it has ended, whoever made it. ComfyUI's history tells that.
import type { Json } from '../formats/json.ts';
import type { Graph, NodeId } from '../graph/graph.ts';
import type { Cache } from './cache.ts';
import type { Place } from './events.ts';
import type { Keys } from './keys.ts';
import type { Nodes, PlanNode } from './plan.ts';
import type { ShownOutput } from './record.ts';

/** From the cache where it is there, else what this run has shown. Output nodes that were not asked for get their keys here. */
export async function knownShown(graph: Graph, nodes: Nodes, keys: Keys, cache: Cache, shown: ReadonlyMap<NodeId, ShownOutput>): Promise<Map<NodeId, { readonly ui: Json; readonly place: Place }>> {
  const known = new Map<NodeId, { ui: Json; place: Place }>();
  const add = (id: NodeId, key: string): void => {
    const entry = key === '' ? undefined : cache.peek(key);
    if (entry?.shown !== undefined) known.set(id, { ui: entry.shown, place: entry.meta });
    else if (shown.has(id)) known.set(id, placed(shown.get(id)!));
  };
  for (const id of graph.nodes.keys()) {
    const node = planOf(nodes, id);
    if (node === undefined) continue;
    // an output that cannot run, for want of a link, has no key
    if (node.key === '' && node.definition.output === true) await keys.compute([id]).catch(() => undefined);
    add(id, node.key);
  }
  for (const id of shown.keys()) if (!graph.nodes.has(id)) add(id, nodes.get(id)?.key ?? '');
  return known;
}

/** A node that was not asked for may hold values that no one could read; then nothing is known of it. */
function planOf(nodes: Nodes, id: NodeId): PlanNode | undefined {
  try {
    return nodes.get(id);
  } catch {
    return undefined;
  }
}

function placed({ ui, node, display, parent, real }: ShownOutput): { ui: Json; place: Place } {
  return { ui, place: { node, display, parent, real } };
}
