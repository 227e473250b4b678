// The graph as a tree for reading and editing without a canvas: nodes in the order they would run, below each its inputs with what feeds
// them and its outputs with what they feed. Rows are data with all that a tree of the screen needs (level, position, size of set).
import type { Json } from '../../engine/formats/json.ts';
import { inputBoundary, layerOf, outputBoundary, type DocNode, type Document, type Layer, type LayerId, type LinkId, type NodeId } from './document.ts';
import type { NodeTypes, Widget } from './node-types.ts';
import { inputSlots, outputSlots, titleOf, valueOf } from './slots.ts';
import { orderOf } from './walk.ts';

interface RowBase {
  /** Unique in the tree, and stable while the graph changes elsewhere. */
  readonly key: string;
  readonly level: 1 | 2;
  readonly position: number;
  readonly setSize: number;
  readonly node: NodeId;
}

export type Row = RowBase & (
  | { readonly kind: 'node'; readonly title: string; readonly type: string; readonly mode: DocNode['mode']; readonly isExpanded: boolean; readonly isSubgraph: boolean }
  | { readonly kind: 'input'; readonly input: string; readonly label: string; readonly type: string; readonly isOptional: boolean; readonly link: LinkId | null; readonly source?: RowEnd; readonly widget?: Widget; readonly value?: Json }
  | { readonly kind: 'output'; readonly slot: number; readonly label: string; readonly type: string; readonly targets: readonly RowEnd[] });

/** The other end of a link; no node for a subgraph's own port. */
export interface RowEnd {
  readonly node?: NodeId;
  readonly title: string;
  readonly label: string;
}

/** The rows of a layer. `expanded` holds the nodes whose inputs and outputs show. */
export function outlineRows(document: Document, types: NodeTypes, id: LayerId, expanded: ReadonlySet<NodeId>): readonly Row[] {
  const layer = layerOf(document, id);
  const nodes = orderOf(layer).nodes.map((node) => layer.nodes[node]!);
  const outgoing = targetsOf(document, types, id, layer, expanded);
  return nodes.flatMap((node, i): readonly Row[] => {
    const isExpanded = expanded.has(node.id);
    const row: Row = { kind: 'node', key: node.id, level: 1, position: i + 1, setSize: nodes.length, node: node.id, title: titleOf(document, types, node), type: node.type, mode: node.mode, isExpanded, isSubgraph: document.subgraphs[node.type] !== undefined };
    return isExpanded ? [row, ...slotRows(document, types, id, layer, node, outgoing)] : [row];
  });
}

function slotRows(document: Document, types: NodeTypes, id: LayerId, layer: Layer, node: DocNode, outgoing: ReadonlyMap<string, readonly RowEnd[]>): readonly Row[] {
  const inputs = inputSlots(document, types, node);
  const outputs = outputSlots(document, types, node);
  const setSize = inputs.length + outputs.length;
  const rows = inputs.map((slot, i): Row => {
    const source = slot.link === null ? undefined : sourceOf(document, types, id, layer, slot.link);
    const value = slot.widget === undefined || slot.link !== null ? undefined : valueOf(node, slot);
    return {
      kind: 'input', key: `${node.id} in ${slot.name}`, level: 2, position: i + 1, setSize, node: node.id, input: slot.name, label: slot.label, type: slot.type, isOptional: slot.isOptional, link: slot.link,
      ...(source === undefined ? {} : { source }), ...(slot.widget === undefined ? {} : { widget: slot.widget }), ...(value === undefined ? {} : { value }),
    };
  });
  return [...rows, ...outputs.map((output, slot): Row => ({ kind: 'output', key: `${node.id} out ${slot}`, level: 2, position: inputs.length + slot + 1, setSize, node: node.id, slot, label: output.label, type: output.type, targets: outgoing.get(`${node.id} ${slot}`) ?? [] }))];
}

function sourceOf(document: Document, types: NodeTypes, id: LayerId, layer: Layer, link: LinkId): RowEnd | undefined {
  const found = layer.links[link];
  if (found === undefined) return undefined;
  if (found.from === inputBoundary) return { title: document.subgraphs[id]?.name ?? '', label: document.subgraphs[id]?.inputs[found.fromSlot]?.name ?? '' };
  const node = layer.nodes[found.from];
  return node && { node: node.id, title: titleOf(document, types, node), label: outputSlots(document, types, node)[found.fromSlot]?.label ?? '' };
}

/** What the outputs of expanded nodes feed, by node and slot. */
function targetsOf(document: Document, types: NodeTypes, id: LayerId, layer: Layer, expanded: ReadonlySet<NodeId>): ReadonlyMap<string, readonly RowEnd[]> {
  const ends = new Map<string, RowEnd[]>();
  for (const { from, fromSlot, to, toSlot } of Object.values(layer.links)) {
    if (!expanded.has(from)) continue;
    const node = layer.nodes[to];
    const end: RowEnd = to === outputBoundary ? { title: document.subgraphs[id]?.name ?? '', label: document.subgraphs[id]?.outputs[toSlot]?.name ?? '' } : { node: to, title: node === undefined ? to : titleOf(document, types, node), label: node?.inputs[toSlot]?.label ?? node?.inputs[toSlot]?.name ?? '' };
    ends.set(`${from} ${fromSlot}`, [...(ends.get(`${from} ${fromSlot}`) ?? []), end]);
  }
  return ends;
}

export type Move = 'up' | 'down' | 'first' | 'last' | 'parent' | 'child';

/** The key that the focus goes to from another; the same where there is nowhere to go. `child` and `parent` need the row's own state. */
export function moveFocus(rows: readonly Row[], key: string | undefined, move: Move): string | undefined {
  const at = rows.findIndex((row) => row.key === key);
  if (at < 0) return rows[0]?.key;
  const row = rows[at]!;
  switch (move) {
    case 'up': return rows[Math.max(0, at - 1)]!.key;
    case 'down': return rows[Math.min(rows.length - 1, at + 1)]!.key;
    case 'first': return rows[0]!.key;
    case 'last': return rows.at(-1)!.key;
    case 'parent': return row.level === 2 ? row.node : row.key;
    case 'child': return row.kind === 'node' && row.isExpanded && rows[at + 1]?.level === 2 ? rows[at + 1]!.key : row.key;
  }
}
