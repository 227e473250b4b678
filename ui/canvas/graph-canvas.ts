// The canvas as whoever uses it sees it: what can be shown, set and asked.
import type { Document, LayerId, NodeId, Point } from '../state/document.ts';
import type { Patch } from '../state/history.ts';
import type { NodeTypes } from '../state/node-types.ts';
import type { NodeRun } from '../state/run.ts';
import type { Selection } from '../state/selection.ts';
import type { SnapSettings } from './drags/drag.ts';
import type { CanvasEvents, Target, View, WidgetPlace } from './events.ts';
import { englishCanvasWords, type CanvasWords, type LinkStyle, type NodeProblem } from './look.ts';
import type { Minimap } from './minimap.ts';
import type { WheelMode } from './wheel.ts';

export interface CanvasSettings {
  readonly wheel: WheelMode;
  /** What dragging the empty canvas does. */
  readonly emptyDrag: 'pan' | 'select';
  readonly snap: SnapSettings;
  readonly linkStyle: LinkStyle;
  readonly showsGrid: boolean;
  readonly isReadOnly: boolean;
  readonly words: CanvasWords;
  /** Smallest scale at which fields of the page lie over widgets. */
  readonly fieldScale: number;
}

export const defaultSettings: CanvasSettings = {
  wheel: 'auto', emptyDrag: 'pan', snap: { gridStep: 0, guides: true }, linkStyle: 'spline', showsGrid: true, isReadOnly: false, words: englishCanvasWords, fieldScale: 0.45,
};

export interface CanvasOptions extends CanvasEvents {
  readonly settings?: Partial<CanvasSettings>;
  /** What pictures of results may take at the most. */
  readonly pictureBytes?: number;
}

/** Boxes in CSS pixels of the window. */
export interface ClientBox { readonly x: number; readonly y: number; readonly width: number; readonly height: number }

export interface GraphCanvas {
  readonly surface: HTMLCanvasElement;
  /** Another document, layer or set of node types: everything anew. The view stays. */
  show(document: Document, layer: LayerId, types: NodeTypes): void;
  /** Follows a change of the shown document. */
  apply(document: Document, patches: readonly Patch[]): void;
  setSelection(selection: Selection): void;
  setRuns(runs: Readonly<Record<NodeId, NodeRun>>): void;
  setProblems(problems: Readonly<Record<NodeId, NodeProblem>>): void;
  /** Names in the order of their colours. */
  setDevices(devices: readonly string[]): void;
  /** Addresses of pictures that a node shows; none: nothing. */
  setPictures(node: NodeId, addresses: readonly string[]): void;
  /** The latest preview of a running node; undefined ends it. */
  setPreview(node: NodeId, picture: Blob | undefined): void;
  setText(node: NodeId, text: string | undefined): void;
  /** Short texts on links. */
  setLinkNotes(notes: Readonly<Record<string, string>>): void;
  /** The node that has the keyboard's focus gets a ring. */
  setFocus(node: NodeId | undefined): void;
  setSettings(settings: Partial<CanvasSettings>): void;
  /** While Space is held. */
  setPanHeld(isHeld: boolean): void;
  /** Reads the CSS variables again. */
  refreshTheme(): void;
  view(): View;
  setView(view: View): void;
  /** At a position in CSS pixels of the window; without one in the middle. */
  zoomBy(factor: number, client?: { readonly x: number; readonly y: number }): void;
  zoomTo(scale: number): void;
  /** Shows everything, or only these. Never blows up a small graph. */
  fit(nodes?: readonly NodeId[]): void;
  /** Brings a node into sight, moving no more than needed. */
  reveal(node: NodeId): void;
  /** What lies in the middle of the view, in graph coordinates. */
  middle(): Point;
  /** Client pixels ↔ graph coordinates. */
  toGraph(client: { readonly x: number; readonly y: number }): Point;
  toClient(at: Point): { readonly x: number; readonly y: number };
  targetAt(client: { readonly x: number; readonly y: number }): Target;
  nodeBox(node: NodeId): ClientBox | undefined;
  slotPoint(node: NodeId, side: 'in' | 'out', slot: string | number): { readonly x: number; readonly y: number } | undefined;
  widgetBox(node: NodeId, input: string, part?: WidgetPlace['part']): ClientBox | undefined;
  /** Places of the widgets in sight, as `onWidgets` tells them. */
  widgets(): readonly WidgetPlace[];
  minimap(element: HTMLElement): Minimap;
  /** Undoes the drag under way. */
  cancel(): void;
  /** Nothing is waiting to be drawn and no drag is under way. */
  isIdle(): boolean;
  perf(): { readonly frames: number; readonly lastFrameMs: number; readonly rebuilds: number; readonly nodes: number; readonly visible: number; readonly pictureBytes: number };
  /** What is drawn and is not as the document says; for tests. */
  differences(): readonly string[];
  destroy(): void;
}
