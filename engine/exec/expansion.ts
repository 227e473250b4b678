// Nodes that replace themselves by nodes: the Builder they use, and how the outputs of what they built become theirs.
import type { Link, Literal, NodeId } from '../graph/graph.ts';
import type { Builder, Expansion, InnerInput, InnerNode, NodeRef, OutputSpecs } from '../graph/node.ts';
import { addValue, isBlocked, type Slots } from './lists.ts';

/** Ids are `<parent>.<call>.<local>`; local ids count from 1 where none is given. */
export function createBuilder(parent: NodeId, call: number): Builder {
  const prefix = `${parent}.${call}.`;
  const nodes = new Map<NodeId, InnerNode>();
  let unnamed = 0;
  return {
    node(type, inputs, { id: local, ...options } = {}): NodeRef {
      const id = prefix + (local ?? String(++unnamed));
      if (nodes.has(id)) throw new Error(`the expansion of node ${parent} has two nodes called ${local}; give each its own id`);
      nodes.set(id, { type, inputs: new Map(Object.entries(inputs).filter(([, value]) => value !== undefined).map(([name, value]) => [name, nodeInput(value)])), ...options });
      return { id, out: (output) => ({ link: { node: id, output } }) };
    },
    finish: (outputs) => ({ kind: 'expansion', nodes, outputs: outputs.map((value) => (isBlocked(value) ? value : innerInput(value))) }),
  };
}

function innerInput(value: unknown): { readonly link: Link } | { readonly value: unknown } {
  if (isLinkLike(value)) return { link: value };
  if (typeof value === 'object' && value !== null && 'link' in value && isLinkLike(value.link)) return { link: value.link };
  return { value };
}

/** As `innerInput`; `{ literal }` alone is something written, which still has to become a value of the input's type. */
function nodeInput(value: unknown): InnerInput {
  const isWritten = typeof value === 'object' && value !== null && Object.keys(value).length === 1 && 'literal' in value;
  return isWritten ? { literal: value.literal as Literal } : innerInput(value);
}

function isLinkLike(value: unknown): value is Link {
  return typeof value === 'object' && value !== null && 'node' in value && typeof value.node === 'string' && 'output' in value && typeof value.output === 'number' && Object.keys(value).length === 2;
}

/** What stands between `<parent>.<call>.` and the end of an inner id; the whole id of nodes that were not made by a Builder. */
export function localId(id: NodeId, parent: NodeId, call: number): string {
  const prefix = `${parent}.${call}.`;
  return id.startsWith(prefix) ? id.slice(prefix.length) : id;
}

/** Nodes whose outputs an expansion returns. */
export function linkedNodes(expansion: Expansion): NodeId[] {
  return expansion.outputs.flatMap((output) => ('link' in output ? [output.link.node] : []));
}

/** Adds the outputs of a finished expansion; a link brings all values of the slot it names. */
export function addExpanded(slots: unknown[][], outputs: OutputSpecs, expansion: Expansion, slotsOf: (id: NodeId) => Slots): void {
  if (expansion.outputs.length !== outputs.length) throw new TypeError(`its expansion has ${expansion.outputs.length} outputs, the node has ${outputs.length}`);
  expansion.outputs.forEach((output, i) => {
    if (isBlocked(output)) {
      slots[i]!.push(output);
    } else if ('link' in output) {
      const values = slotsOf(output.link.node)[output.link.output];
      if (values === undefined) throw new TypeError(`its expansion returns output ${output.link.output} of node ${output.link.node}, which has no such output`);
      for (const value of values) slots[i]!.push(value);
    } else {
      addValue(slots[i]!, outputs[i]!, output.value);
    }
  });
}

/** Raw values among the inputs of an expansion. */
export function rawValues(nodes: ReadonlyMap<NodeId, InnerNode>): { readonly type: string; readonly input: string; readonly value: unknown }[] {
  const found: { type: string; input: string; value: unknown }[] = [];
  for (const { type, inputs } of nodes.values()) {
    for (const [input, given] of inputs as ReadonlyMap<string, InnerInput>) if ('value' in given) found.push({ type, input, value: given.value });
  }
  return found;
}
