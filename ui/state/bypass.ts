// What bypassing nodes would connect: told before it is done, by the rule that the conversion follows. Knows no words.
import { passedInput } from '../../engine/formats/link-source.ts';
import { inputBoundary, outputBoundary, type DocLink, type DocNode, type Document, type Layer, type LinkId, type NodeId } from './document.ts';
import type { NodeTypes } from './node-types.ts';
import { inputSlots, outputSlots, type InputSlot } from './slots.ts';

export interface Passing {
  /** The link that would carry another value. */
  readonly link: LinkId;
  /** What would come: the output of a node, or of the subgraph's own inputs; absent: nothing would, and the input has its own value or lacks one. */
  readonly from?: { readonly node: NodeId; readonly slot: number };
}

const bypassed = 4;

/** For each link that leaves the nodes: where its value would come from if all of them were bypassed. */
export function bypassPreview(document: Document, types: NodeTypes, layer: Layer, nodes: Iterable<NodeId>): readonly Passing[] {
  const chosen = new Set(nodes);
  return Object.values(layer.links).filter(({ from, to }) => chosen.has(from) && !chosen.has(to)).map((link): Passing => {
    const from = sourceBehind(document, types, layer, chosen, link);
    return { link: link.id, ...(from === undefined ? {} : { from }) };
  });
}

function sourceBehind(document: Document, types: NodeTypes, layer: Layer, chosen: ReadonlySet<NodeId>, link: DocLink): Passing['from'] {
  const wanted = wantedType(document, types, layer, link);
  const seen = new Set<LinkId>();
  let at: DocLink | undefined = link;
  while (at !== undefined && !seen.has(at.id)) {
    seen.add(at.id);
    const node: DocNode | undefined = at.from === inputBoundary ? undefined : layer.nodes[at.from];
    if (node === undefined || !(chosen.has(node.id) || node.mode === bypassed)) return { node: at.from, slot: at.fromSlot };
    const passed: InputSlot | undefined = passedInput(inputSlots(document, types, node), outputSlots(document, types, node)[at.fromSlot]?.type ?? '*', at.fromSlot, wanted);
    at = passed?.link === null || passed === undefined ? undefined : layer.links[passed.link];
  }
  return undefined;
}

function wantedType(document: Document, types: NodeTypes, layer: Layer, { to, toSlot, type }: DocLink): string {
  const target = to === outputBoundary ? undefined : layer.nodes[to];
  const name = target?.inputs[toSlot]?.name;
  return (target === undefined ? undefined : inputSlots(document, types, target).find((slot) => slot.name === name)?.type) ?? type;
}
