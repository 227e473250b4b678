// Where a node of a run stands in the document: the run's ids (`12:3`) name the instances around it.
import { findLayer, rootLayer, type DocNode, type Document, type LayerId, type NodeId } from './document.ts';

export interface Place {
  readonly layer: LayerId;
  readonly node: DocNode;
  /** The instances to enter for it, from the outside in. */
  readonly around: readonly NodeId[];
}

/** The node that a run's id names; where its inside is not in the document (an old group node), the instance. */
export function placeOf(document: Document, id: string): Place | undefined {
  let layer: LayerId = rootLayer;
  let found: Place | undefined;
  const around: NodeId[] = [];
  for (const part of id.split(':')) {
    const node = findLayer(document, layer)?.nodes[part];
    if (node === undefined) break;
    found = { layer, node, around: [...around] };
    around.push(part);
    layer = node.type;
    if (document.subgraphs[layer] === undefined) break;
  }
  return found;
}

/** The id that a node has in a run, given the instances around it. */
export function runIdOf(around: readonly NodeId[], node: NodeId): string {
  return [...around, node].join(':');
}
