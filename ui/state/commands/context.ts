// What commands get besides the draft and their arguments, and small steps that several of them take. A command changes the draft,
// returns what it made, and throws a Refusal for what cannot be done.
import { layerOf, rootLayer, type Document, type Editable, type EditableDocument, type EditableLayer, type EditableNode, type GroupId, type LayerId, type LinkId, type NodeId, type RerouteId } from '../document.ts';
import { message, Refusal } from '../messages.ts';
import type { NodeTypes } from '../node-types.ts';

export interface Context {
  readonly types: NodeTypes;
  /** The document before the command: looking something up in it costs less than in a draft. */
  readonly before: Document;
}

/** Ids of what a command made, for selecting it. */
export interface Made {
  readonly nodes?: readonly NodeId[];
  readonly links?: readonly LinkId[];
  readonly groups?: readonly GroupId[];
  readonly reroutes?: readonly RerouteId[];
  readonly layer?: LayerId;
}

export function draftLayer(draft: EditableDocument, id: LayerId): EditableLayer {
  const layer = id === rootLayer ? draft.root : draft.subgraphs[id]?.layer;
  if (layer === undefined) throw new Refusal(message('node.missing'));
  return layer;
}

export function draftNode(layer: EditableLayer, id: NodeId): EditableNode {
  const node = layer.nodes[id];
  if (node === undefined) throw new Refusal(message('node.missing'));
  return node;
}

/** Those of the ids that are nodes. */
export function draftNodes(layer: EditableLayer, ids: readonly NodeId[]): readonly EditableNode[] {
  return ids.flatMap((id) => layer.nodes[id] ?? []);
}

export function nextNodeId(layer: EditableLayer): NodeId {
  return String(++layer.lastNodeId);
}

export function nextLinkId(layer: EditableLayer): LinkId {
  return String(++layer.lastLinkId);
}

/** Sets an optional member, or takes it out for undefined. */
export function setMember<T extends object, K extends keyof T>(target: T, key: K, value: T[K] | undefined): void {
  if (value === undefined) delete target[key];
  else if (target[key] !== value) target[key] = value;
}

/** Subgraphs that nothing uses any more go; what they used goes too. */
export function pruneSubgraphs(draft: EditableDocument, candidates: Iterable<string>): void {
  const pending = [...candidates];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const definition = draft.subgraphs[id];
    if (definition === undefined || isUsed(draft, id)) continue;
    const inner = Object.values(definition.layer.nodes).map(({ type }) => type);
    delete draft.subgraphs[id];
    pending.push(...new Set(inner.filter((type) => draft.subgraphs[type] !== undefined)));
  }
}

function isUsed(draft: Editable<Document>, type: string): boolean {
  return [draft.root, ...Object.values(draft.subgraphs).map(({ layer }) => layer)].some(({ nodes }) => Object.values(nodes).some((node) => node.type === type));
}

/** True when instances of `type` stand, at any depth, around or in the layer: then one more would hold itself. */
export function wouldHoldItself(document: Document, layer: LayerId, type: string): boolean {
  const pending = [type];
  const seen = new Set<string>();
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (id === layer && layer !== rootLayer) return true;
    if (seen.has(id) || document.subgraphs[id] === undefined) continue;
    seen.add(id);
    for (const node of Object.values(layerOf(document, id).nodes)) if (document.subgraphs[node.type] !== undefined) pending.push(node.type);
  }
  return false;
}
