// The nodes that the calls of one node made: added to the run, and what of it the node waits for.
import type { NodeId } from '../graph/graph.ts';
import { linkedNodes, localId, rawValues } from './expansion.ts';
import type { Carrier, Lifetime } from './lifetime.ts';
import { isExpansion } from './lists.ts';
import type { Origins } from './origins.ts';
import type { Nodes, PlanNode } from './plan.ts';
import type { Outcome, Task } from './task.ts';
import { originToken } from './tokens.ts';

export interface Added {
  readonly nodes: readonly PlanNode[];
  /** Nodes whose outputs the expansions return, and output nodes among the new ones. */
  readonly wanted: ReadonlySet<NodeId>;
}

/** Adds the nodes of all expansions of `outcome`; `tell` hears of each. Throws on ids that exist and unknown types. */
export function addInner({ node: parent }: Task, { results }: Outcome, nodes: Nodes, origins: Origins, tell: (call: number, ids: readonly NodeId[]) => void): Added {
  const added: PlanNode[] = [];
  const wanted = new Set<NodeId>();
  results.forEach((result, call) => {
    if (!isExpansion(result)) return;
    for (const [id, inner] of result.nodes) {
      const made = (input: string) => originToken('made', parent.key, `${call}.${localId(id, parent.id, call)}.${input}`);
      const node = nodes.add(id, inner, parent, (input, value) => origins.tokenOf(value, () => made(input)));
      added.push(node);
      if (node.definition.output === true) wanted.add(id);
    }
    for (const id of linkedNodes(result)) wanted.add(id);
    tell(call, [...result.nodes.keys()]);
  });
  return { nodes: added, wanted };
}

/** What raw values among the inputs and outputs of expansions keep alive. */
export function lentCarriers({ node }: Task, { results }: Outcome, nodes: Nodes, lifetime: Lifetime): readonly Carrier[] {
  const lent: Carrier[] = [];
  for (const result of results) {
    if (!isExpansion(result)) continue;
    for (const { type, input, value } of rawValues(result.nodes)) lent.push(...lifetime.carriersOf(value, nodes.registry.get(type)?.inputs[input]?.type));
    result.outputs.forEach((output, i) => {
      if ('value' in output) lent.push(...lifetime.carriersOf(output.value, node.definition.outputs[i]?.type));
    });
  }
  return lent;
}
