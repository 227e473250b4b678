// The document: what a workflow file says, as plain immutable data. It is the truth of the editor; the canvas and the panels are
// projections of it, and only commands change it. Knows no file syntax, no node definitions and nothing of a screen.
import type { Form } from '../../engine/formats/forms.ts';
import type { Json, JsonObject } from '../../engine/formats/json.ts';

/** Ids as text; a file's numbers are written back as numbers. */
export type NodeId = string;
export type LinkId = string;
export type GroupId = string;
export type RerouteId = string;
/** `rootLayer`, or the id of a subgraph. */
export type LayerId = string;

export const rootLayer: LayerId = '';
/** The two places in a subgraph's layer that stand for its own inputs and outputs; they are ends of links, but no nodes. */
export const inputBoundary: NodeId = '-10';
export const outputBoundary: NodeId = '-20';

/** Graph coordinates: x to the right, y downwards; a node's position is the corner below its title bar. */
export type Point = readonly [x: number, y: number];
export type Size = readonly [width: number, height: number];
export type Box = readonly [x: number, y: number, width: number, height: number];

export interface Document {
  readonly root: Layer;
  /** By id, which is the type of their instances. */
  readonly subgraphs: Readonly<Record<string, SubgraphDefinition>>;
  /** Inputs and outputs that the simple view shows. */
  readonly form?: Form;
  /** The file this came from: what is not understood is written back from here. */
  readonly raw: JsonObject;
}

/** One graph: the workflow itself or the inside of a subgraph. Records are by id and have no prototype. */
export interface Layer {
  readonly nodes: Readonly<Record<NodeId, DocNode>>;
  readonly links: Readonly<Record<LinkId, DocLink>>;
  readonly groups: Readonly<Record<GroupId, DocGroup>>;
  readonly reroutes: Readonly<Record<RerouteId, DocReroute>>;
  /** The largest ids ever used: an id is not given twice. */
  readonly lastNodeId: number;
  readonly lastLinkId: number;
  readonly lastGroupId: number;
  readonly lastRerouteId: number;
  readonly raw: JsonObject;
}

/** 0 runs, 2 is muted (absent from a run), 4 is bypassed (its inputs go on to its outputs). */
export type Mode = 0 | 2 | 4;

export interface DocNode {
  readonly id: NodeId;
  readonly type: string;
  readonly pos: Point;
  readonly size: Size;
  readonly mode: Mode;
  /** Place in the editor's order of execution. */
  readonly order: number;
  readonly title?: string;
  readonly color?: string;
  readonly bgcolor?: string;
  readonly shape?: number;
  readonly flags: { readonly collapsed?: true; readonly pinned?: true };
  readonly properties: JsonObject;
  /** As in the file: sockets and linked widgets are listed, unlinked widgets need not be. `inputSlots` gives all that a node shows. */
  readonly inputs: readonly DocInput[];
  readonly outputs: readonly DocOutput[];
  /** Widget values by input name. */
  readonly values: Readonly<Record<string, Json>>;
  /** What happens to a value after (or before) a run, by input name. */
  readonly controls: Readonly<Record<string, Control>>;
  /** Its type was unknown when the file was read: its values by position are only in `raw`. */
  readonly isUntyped?: true;
  /** Absent for a node made here. */
  readonly raw?: JsonObject;
}

export interface DocInput {
  readonly name: string;
  readonly type: string;
  readonly label?: string;
  /** Name of the widget this is the socket of. */
  readonly widget?: string;
  readonly link: LinkId | null;
  readonly shape?: number;
  readonly raw?: JsonObject;
}

export interface DocOutput {
  readonly name: string;
  readonly type: string;
  readonly label?: string;
  readonly shape?: number;
  readonly raw?: JsonObject;
}

export type ControlMode = 'fixed' | 'increment' | 'increment-wrap' | 'decrement' | 'randomize';
export interface Control {
  readonly mode: ControlMode;
  /** For choices: only those that contain it (or match it, written `/like this/`) take part. */
  readonly filter?: string;
}

/** `toSlot` is the index in the target's `inputs`, which names this link; invariant both ways. */
export interface DocLink {
  readonly id: LinkId;
  readonly from: NodeId;
  readonly fromSlot: number;
  readonly to: NodeId;
  readonly toSlot: number;
  readonly type: string;
  /** The reroute nearest its target. */
  readonly parent?: RerouteId;
  readonly raw?: Json;
}

export interface DocGroup {
  readonly id: GroupId;
  readonly title: string;
  readonly box: Box;
  readonly color?: string;
  readonly fontSize?: number;
  readonly isPinned?: true;
  readonly raw?: JsonObject;
}

/** A point on links; `parent` is the next one towards their source. */
export interface DocReroute {
  readonly id: RerouteId;
  readonly pos: Point;
  readonly parent?: RerouteId;
  readonly raw?: JsonObject;
}

export interface SubgraphDefinition {
  readonly id: string;
  readonly name: string;
  readonly layer: Layer;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly raw?: JsonObject;
}

/** An input or output of a subgraph; links inside end at `inputBoundary` and `outputBoundary` with its index as slot. */
export interface Port {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly label?: string;
  readonly raw?: JsonObject;
}

/** The same type for commands to change: every field can be set, JSON is replaced as a whole. */
export type Editable<T> = T extends Json ? T : { -readonly [K in keyof T]: Editable<T[K]> };
export type EditableDocument = Editable<Document>;
export type EditableLayer = Editable<Layer>;
export type EditableNode = Editable<DocNode>;

/** A record that no key can harm: it has no prototype. */
export function emptyRecord<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

export function emptyLayer(): Layer {
  return { nodes: emptyRecord(), links: emptyRecord(), groups: emptyRecord(), reroutes: emptyRecord(), lastNodeId: 0, lastLinkId: 0, lastGroupId: 0, lastRerouteId: 0, raw: new Map() };
}

export function emptyDocument(): Document {
  return { root: emptyLayer(), subgraphs: emptyRecord(), raw: new Map() };
}

/** Undefined for a subgraph that does not exist. */
export function findLayer(document: Document, layer: LayerId): Layer | undefined {
  return layer === rootLayer ? document.root : document.subgraphs[layer]?.layer;
}

/** Throws for a layer that does not exist: the caller's mistake. */
export function layerOf(document: Document, layer: LayerId): Layer {
  const found = findLayer(document, layer);
  if (found === undefined) throw new Error(`the document has no layer ${JSON.stringify(layer)}`);
  return found;
}

/** Every layer with its id, the root first. */
export function layersOf(document: Document): readonly (readonly [LayerId, Layer])[] {
  return [[rootLayer, document.root], ...Object.values(document.subgraphs).map(({ id, layer }) => [id, layer] as const)];
}

/** Links that start at an output, in the order of their ids. */
export function linksFrom(layer: Layer, node: NodeId, slot?: number): readonly DocLink[] {
  return Object.values(layer.links).filter((link) => link.from === node && (slot === undefined || link.fromSlot === slot));
}
