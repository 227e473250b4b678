// What every drag is given and can do. While one goes on only the picture changes; its result is told once, at its end.
import type { NodeId, Point } from '../../state/document.ts';
import type { Selection } from '../../state/selection.ts';
import type { CanvasEvents, Place, Target, View } from '../events.ts';
import type { Modifiers, PointerKind, Point as Pixels } from '../gestures.ts';
import type { Look } from '../look.ts';
import type { Scene } from '../scene.ts';
import type { Stage } from '../stage.ts';

/** Where a drag is, in graph coordinates and in CSS pixels of the canvas. */
export interface DragPoint extends Modifiers {
  readonly graph: Point;
  readonly px: Pixels;
  readonly pointer: PointerKind;
}

export interface Drag {
  move(at: DragPoint): void;
  /** Done: tells the result. */
  end(at: DragPoint): void;
  /** Undone: everything is as before. */
  cancel(): void;
  /** The view moves along when the pointer comes to the edge. */
  readonly scrolls: boolean;
  readonly cursor: string;
}

export interface SnapSettings {
  /** Step of the grid that things always snap to; 0: only while Shift is held. */
  readonly gridStep: number;
  /** In line with neighbours. */
  readonly guides: boolean;
}

/** What drags work on. */
export interface Workbench {
  readonly scene: Scene;
  readonly stage: Stage;
  readonly look: Look;
  readonly events: CanvasEvents;
  view(): View;
  setView(view: View): void;
  selection(): Selection;
  select(selection: Selection): void;
  findTarget(at: Point, pointer: PointerKind): Target;
  place(at: Point): Place;
  /** What an output carries; of a reroute, what comes into it. */
  outputType(node: NodeId, slot: number): string;
  redraw(background: boolean): void;
  snap(): SnapSettings;
}
