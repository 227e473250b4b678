// What gestures mean: which drag starts where, what clicks select. Knows the document only to read it.
import type { LinkId, Point } from '../state/document.ts';
import { addToSelection, emptySelection, selectNodes, type Selection } from '../state/selection.ts';
import { distanceToLink } from './draw/links.ts';
import type { LinkEnd, Target } from './events.ts';
import type { Gesture, Modifiers, PointerKind, Point as Pixels } from './gestures.ts';
import type { Drag, DragPoint, Workbench } from './drags/drag.ts';
import { linkDrag } from './drags/link.ts';
import { marqueeDrag } from './drags/marquee.ts';
import { moveDrag } from './drags/move.ts';
import { panDrag } from './drags/pan.ts';
import { resizeGroupDrag, resizeNodeDrag } from './drags/resize.ts';
import { valueDrag } from './drags/value.ts';
import { panBy, toGraph, zoomAt } from './view.ts';

export interface InteractionOptions {
  /** What dragging the empty canvas does; with Ctrl or Shift held it always selects, with Space or the middle button it always pans. */
  readonly emptyDrag: () => 'pan' | 'select';
  readonly isPanHeld: () => boolean;
  readonly isReadOnly: () => boolean;
  readonly setCursor: (cursor: string) => void;
  /** Size of the canvas in CSS pixels. */
  readonly size: () => { readonly width: number; readonly height: number };
  readonly raise: (node: string) => void;
  readonly requestFrame: (run: () => void) => number;
}

export interface Interaction {
  gesture(gesture: Gesture): void;
  leave(): void;
  isDragging(): boolean;
  /** The view or the graph changed under a resting pointer. */
  refreshHover(): void;
  /** The document is another one: whatever is under way ends. */
  stop(): void;
}

const edgePx = 28;
const edgeStepPx = 14;

export function createInteraction(bench: Workbench, options: InteractionOptions): Interaction {
  const { scene, look, events } = bench;
  let drag: Drag | undefined;
  let last: DragPoint | undefined;
  let scrolling = false;
  let resting: { readonly px: Pixels; readonly pointer: PointerKind } | undefined;

  const pointAt = (px: Pixels, pointer: PointerKind, { shift, ctrl, alt }: Modifiers): DragPoint => ({ px, pointer, shift, ctrl, alt, graph: toGraph(bench.view(), px.x, px.y) });
  const targetAt = (px: Pixels, pointer: PointerKind) => bench.findTarget(toGraph(bench.view(), px.x, px.y), pointer);

  function gesture(one: Gesture): void {
    switch (one.kind) {
      case 'hover': return hover(one.at, one.pointer);
      case 'press': return press(one);
      case 'click': return click(one);
      case 'hold': return hold(one);
      case 'holdEnd': return holdEnd(one);
      case 'dragStart': return startDrag(one);
      case 'drag': return moveDragTo(pointAt(one.at, one.pointer, one));
      case 'dragEnd': return endDrag(pointAt(one.at, one.pointer, one));
      case 'dragCancel': return cancelDrag();
      case 'pinch': return bench.setView(panBy(zoomAt(bench.view(), one.factor, one.at.x - one.by.x, one.at.y - one.by.y), one.by.x, one.by.y));
      case 'pinchStart':
      case 'pinchEnd': return;
    }
  }

  function hover(px: Pixels, pointer: PointerKind): void {
    resting = { px, pointer };
    if (drag !== undefined) return;
    const target = targetAt(px, pointer);
    options.setCursor(cursorOf(target, options.isPanHeld()));
    if (isSameTarget(look.hovered, target)) return;
    look.hovered = target.kind === 'empty' ? undefined : target;
    bench.redraw(true);
    events.onHover?.(look.hovered, bench.place(toGraph(bench.view(), px.x, px.y)));
  }

  function press({ at, pointer, button }: Gesture & { readonly kind: 'press' }): void {
    const target = targetAt(at, pointer);
    if (button === 0 && 'node' in target) options.raise(target.node);
  }

  function click(one: Gesture & { readonly kind: 'click' }): void {
    const at = toGraph(bench.view(), one.at.x, one.at.y);
    const target = bench.findTarget(at, one.pointer);
    const place = bench.place(at);
    // what acts on each click does so on the second of two quick ones too
    const isPressed = target.kind === 'widget' || (target.kind === 'node' && target.part === 'collapse');
    if (one.button === 2) openMenu(target, one.at);
    else if (one.button === 0 && one.count === 2 && !isPressed) {
      if (target.kind === 'link' && !options.isReadOnly()) insertReroute(target.link, at);
      else events.onDoubleClick?.(target, place);
    } else if (one.button === 0) {
      clickOn(target, one);
      events.onClick?.(target, place);
    }
    if (one.pointer !== 'mouse') resting = undefined;
  }

  function clickOn(target: Target, { shift, ctrl }: Modifiers): void {
    if (target.kind === 'node' && target.part === 'collapse' && !options.isReadOnly()) {
      events.onCommand({ kind: 'setCollapsed', node: target.node, isCollapsed: scene.layer.nodes[target.node]?.flags.collapsed !== true });
      return;
    }
    const found = selectionOf(target);
    if (shift || ctrl) {
      if (target.kind !== 'empty') bench.select(addToSelection(bench.selection(), found, true));
    } else bench.select(found);
  }

  function insertReroute(id: LinkId, at: Point): void {
    const link = scene.link(id)!;
    const before = scene.reroutesOf(link.doc)[distanceToLink(bench.stage, link, at).piece];
    events.onCommand({ kind: 'insertReroute', link: id, at: [Math.round(at[0]), Math.round(at[1])], ...(before === undefined ? {} : { before }) });
  }

  /** What a click on a target selects. */
  function selectionOf(target: Target): Selection {
    const none = { ...emptySelection, layer: scene.layerId };
    if ('node' in target) return scene.node(target.node)?.isBoundary === true ? none : selectNodes(scene.layerId, [target.node]);
    if (target.kind === 'link') return { ...none, links: [target.link] };
    if (target.kind === 'reroute') return { ...none, reroutes: [target.reroute] };
    return target.kind === 'group' && target.part !== 'body' ? { ...none, groups: [target.group] } : none;
  }

  /** A menu is about what is under the pointer, or about the selection if that is part of it. */
  function selectForMenu(target: Target): void {
    const { nodes, groups, reroutes, links } = bench.selection();
    const isIn = ('node' in target && nodes.includes(target.node)) || (target.kind === 'group' && groups.includes(target.group)) || (target.kind === 'reroute' && reroutes.includes(target.reroute)) || (target.kind === 'link' && links.includes(target.link));
    if (!isIn && target.kind !== 'empty') bench.select(selectionOf(target));
  }

  /** Fingers have no second button: resting on something opens its menu. On nothing, the finger may go on to draw a box, so its menu waits. */
  function hold({ at, pointer }: Gesture & { readonly kind: 'hold' }): void {
    const target = targetAt(at, pointer);
    if (target.kind !== 'empty') openMenu(target, at);
  }

  function holdEnd({ at, pointer }: Gesture & { readonly kind: 'holdEnd' }): void {
    const target = targetAt(at, pointer);
    if (target.kind === 'empty') openMenu(target, at);
  }

  function openMenu(target: Target, at: Pixels): void {
    selectForMenu(target);
    events.onContextMenu?.(target, bench.place(toGraph(bench.view(), at.x, at.y)));
  }

  function startDrag(one: Gesture & { readonly kind: 'dragStart' }): void {
    const start = pointAt(one.from, one.pointer, one);
    const target = targetAt(one.from, one.pointer);
    if (one.held && target.kind !== 'empty') return; // its menu is open
    drag = chooseDrag(one, start, target) ?? panDrag(bench, start);
    options.setCursor(drag.cursor);
  }

  function chooseDrag(one: Gesture & { readonly kind: 'dragStart' }, start: DragPoint, target: Target): Drag | undefined {
    if (one.button === 2) return undefined;
    if (one.button === 1 || options.isPanHeld()) return panDrag(bench, start);
    const selects = start.ctrl || (start.shift && !('node' in target)) || one.held || (options.emptyDrag() === 'select' && one.pointer !== 'touch');
    switch (target.kind) {
      case 'output': return options.isReadOnly() ? undefined : linkDrag(bench, endAt(target));
      case 'input': return options.isReadOnly() ? undefined : inputDrag(target);
      case 'node':
        if (target.part === 'resize' && !options.isReadOnly()) return resizeNodeDrag(bench, start, target.node);
        return start.ctrl && !start.alt ? marqueeDrag(bench, start) : dragItems(start, target);
      case 'widget': {
        const value = target.part === 'value' && one.pointer === 'mouse' && !start.ctrl && !options.isReadOnly() ? valueDrag(bench, start, target.node, target.input) : undefined;
        return value ?? (start.ctrl && !start.alt ? marqueeDrag(bench, start) : dragItems(start, target));
      }
      case 'picture': return start.ctrl && !start.alt ? marqueeDrag(bench, start) : dragItems(start, target);
      case 'reroute': return dragItems(start, target);
      case 'group':
        if (target.part === 'resize' && !options.isReadOnly()) return resizeGroupDrag(bench, start, target.group);
        return target.part === 'title' ? dragItems(start, target) : selects ? marqueeDrag(bench, start) : undefined;
      case 'link':
      case 'empty': return selects ? marqueeDrag(bench, start) : undefined;
    }
  }

  /** Moves the selection if the target is part of it, else the target alone. */
  function dragItems(start: DragPoint, target: Target): Drag | undefined {
    if (options.isReadOnly()) return undefined;
    const own = selectionOf(target);
    const now = bench.selection();
    const isIn = own.nodes.every((id) => now.nodes.includes(id)) && own.groups.every((id) => now.groups.includes(id)) && own.reroutes.every((id) => now.reroutes.includes(id));
    if (!isIn || now.layer !== scene.layerId) bench.select(start.shift ? addToSelection(now, own) : own);
    return moveDrag(bench, start, bench.selection());
  }

  /** From a linked input its link is taken up, to be laid elsewhere. */
  function inputDrag(target: Target & { readonly kind: 'input' }): Drag | undefined {
    const slot = scene.node(target.node)?.inputSlots.find(({ name }) => name === target.input);
    const link = slot?.link === null || slot === undefined ? undefined : scene.link(slot.link);
    if (link === undefined) return linkDrag(bench, endAt(target));
    const { from, fromSlot } = link.doc;
    return linkDrag(bench, endAt({ kind: 'output', node: from, slot: fromSlot }), link.doc.id);
  }

  function endAt(target: Target & { readonly kind: 'input' | 'output' }): LinkEnd {
    const node = scene.node(target.node);
    if (target.kind === 'input') return { kind: 'input', node: target.node, input: target.input, type: node?.inputSlots.find(({ name }) => name === target.input)?.type ?? '*' };
    return { kind: 'output', node: target.node, slot: target.slot, type: bench.outputType(target.node, target.slot) };
  }

  function moveDragTo(at: DragPoint): void {
    last = at;
    drag?.move(at);
    if (drag?.scrolls === true && !scrolling && edgeStep(at.px) !== undefined) scroll();
  }

  /** While the pointer rests at the edge the view goes on, and what is dragged with it. */
  function scroll(): void {
    const step = drag === undefined || last === undefined ? undefined : edgeStep(last.px);
    scrolling = step !== undefined;
    if (step === undefined) return;
    bench.setView(panBy(bench.view(), step.x, step.y));
    last = { ...last!, graph: toGraph(bench.view(), last!.px.x, last!.px.y) };
    drag!.move(last);
    options.requestFrame(scroll);
  }

  function edgeStep({ x, y }: Pixels): Pixels | undefined {
    const { width, height } = options.size();
    const along = (at: number, size: number) => (at < edgePx ? edgeStepPx : at > size - edgePx ? -edgeStepPx : 0);
    const step = { x: along(x, width), y: along(y, height) };
    return step.x === 0 && step.y === 0 ? undefined : step;
  }

  function endDrag(at: DragPoint): void {
    const ended = drag;
    drag = undefined;
    last = undefined;
    ended?.end(at);
    refreshHover();
  }

  function cancelDrag(): void {
    const ended = drag;
    drag = undefined;
    last = undefined;
    ended?.cancel();
    refreshHover();
  }

  function refreshHover(): void {
    if (resting === undefined || drag !== undefined) return;
    hover(resting.px, resting.pointer);
  }

  return {
    gesture,
    leave() {
      resting = undefined;
      if (look.hovered === undefined || drag !== undefined) return;
      look.hovered = undefined;
      bench.redraw(true);
      events.onHover?.(undefined, bench.place([0, 0]));
    },
    isDragging: () => drag !== undefined,
    refreshHover,
    stop: cancelDrag,
  };
}

function cursorOf(target: Target, isPanHeld: boolean): string {
  if (isPanHeld) return 'grab';
  switch (target.kind) {
    case 'input':
    case 'output': return 'crosshair';
    case 'node': return target.part === 'resize' ? 'nwse-resize' : target.part === 'collapse' ? 'pointer' : 'default';
    case 'group': return target.part === 'resize' ? 'nwse-resize' : target.part === 'title' ? 'move' : 'default';
    case 'picture':
    case 'link': return 'pointer';
    case 'reroute': return 'move';
    default: return 'default';
  }
}

function isSameTarget(a: Target | undefined, b: Target): boolean {
  return JSON.stringify(a ?? { kind: 'empty' }) === JSON.stringify(b);
}
