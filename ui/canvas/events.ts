// What the canvas tells: results of gestures as plain data, for whoever turns them into commands on the document. The canvas itself
// never changes the document.
import type { Json } from '../../engine/formats/json.ts';
import type { Box, GroupId, LayerId, LinkId, NodeId, Point, RerouteId, Size } from '../state/document.ts';
import type { Message } from '../state/messages.ts';
import type { Selection } from '../state/selection.ts';
import type { WidgetPart } from './layout.ts';

/** What lies under a point. Slots of outputs go by index, inputs by name. */
export type Target =
  | { readonly kind: 'empty' }
  | { readonly kind: 'node'; readonly node: NodeId; readonly part: 'title' | 'body' | 'collapse' | 'resize' }
  | { readonly kind: 'input'; readonly node: NodeId; readonly input: string }
  | { readonly kind: 'output'; readonly node: NodeId; readonly slot: number }
  | { readonly kind: 'widget'; readonly node: NodeId; readonly input: string; readonly part: WidgetPart }
  /** `index`: which of the pictures that a node shows; -1: the preview of a run. */
  | { readonly kind: 'picture'; readonly node: NodeId; readonly index: number }
  | { readonly kind: 'link'; readonly link: LinkId }
  | { readonly kind: 'reroute'; readonly reroute: RerouteId }
  | { readonly kind: 'group'; readonly group: GroupId; readonly part: 'title' | 'body' | 'resize' };

/** One end of a link that is being dragged. */
export type LinkEnd =
  | { readonly kind: 'output'; readonly node: NodeId; readonly slot: number; readonly type: string }
  | { readonly kind: 'input'; readonly node: NodeId; readonly input: string; readonly type: string };

/** New places by id, in graph coordinates. */
export interface Moves {
  readonly nodes: Readonly<Record<NodeId, Point>>;
  readonly groups: Readonly<Record<GroupId, Point>>;
  readonly reroutes: Readonly<Record<RerouteId, Point>>;
}

/** A finished gesture: one step of the history each. */
export type CanvasCommand =
  | { readonly kind: 'move'; readonly moves: Moves }
  /** Alt held while dragging: what is selected stays, a copy goes to the new places (which are told by the originals' ids). */
  | { readonly kind: 'duplicate'; readonly moves: Moves }
  | { readonly kind: 'resizeNode'; readonly node: NodeId; readonly size: Size }
  | { readonly kind: 'resizeGroup'; readonly group: GroupId; readonly box: Box }
  /** `replaces`: the link that was taken up to be laid elsewhere. */
  | { readonly kind: 'connect'; readonly from: { readonly node: NodeId; readonly slot: number }; readonly to: { readonly node: NodeId; readonly input: string }; readonly replaces?: LinkId }
  | { readonly kind: 'disconnect'; readonly link: LinkId }
  /** `before`: the next point on the way to the target; absent for the last piece. */
  | { readonly kind: 'insertReroute'; readonly link: LinkId; readonly at: Point; readonly before?: RerouteId }
  | { readonly kind: 'setCollapsed'; readonly node: NodeId; readonly isCollapsed: boolean }
  /** A number was dragged. */
  | { readonly kind: 'setValue'; readonly node: NodeId; readonly input: string; readonly value: Json }
  /** A node dropped on a link goes between its ends. */
  | { readonly kind: 'insertNode'; readonly node: NodeId; readonly link: LinkId; readonly moves: Moves };

export interface View {
  /** CSS pixels a graph unit. */
  readonly scale: number;
  /** What is added to a graph coordinate before scaling: x px = (x + offset[0]) · scale. */
  readonly offset: Point;
}

/** Where a widget lies, in graph coordinates. */
export interface WidgetPlace {
  readonly node: NodeId;
  readonly input: string;
  readonly part: WidgetPart;
  readonly box: Box;
  /** Higher lies above lower. */
  readonly z: number;
}

/** A position both ways: in graph coordinates and in CSS pixels of the window (for menus and boxes beside it). */
export interface Place {
  readonly graph: Point;
  readonly client: { readonly x: number; readonly y: number };
}

export interface CanvasEvents {
  onCommand(command: CanvasCommand): void;
  onSelection(selection: Selection): void;
  onView?(view: View): void;
  /** Widgets of nodes that are in sight, when any of them came, went or moved; empty where the view is too small for fields. */
  onWidgets?(places: readonly WidgetPlace[]): void;
  onClick?(target: Target, at: Place): void;
  onDoubleClick?(target: Target, at: Place): void;
  onContextMenu?(target: Target, at: Place): void;
  /** A link was dropped where nothing is: what to add there? `replaces`: the link that was taken up. */
  onLinkDropped?(from: LinkEnd, at: Place, replaces?: LinkId): void;
  /** A link was dropped where it does not fit. `fix`: a node type that would go between. */
  onRefused?(reason: Message, from: LinkEnd, to: Target, at: Place, fix?: string): void;
  /** While a link is dragged over a slot that does not take it, and undefined when it leaves. */
  onRefusal?(reason: Message | undefined, at: Place): void;
  onHover?(target: Target | undefined, at: Place): void;
  onLayerOpened?(layer: LayerId): void;
}
