// Dragging a link from a slot: slots that do not take it are dim, it snaps to those that do, and a refusal is told with its reason.
import { fits } from '../../../engine/graph/fits.ts';
import { bestInput, bestOutput, canConnect, forbiddenTargets, type Answer } from '../../state/connections.ts';
import { inputBoundary, outputBoundary, type LinkId, type NodeId, type Point } from '../../state/document.ts';
import { message } from '../../state/messages.ts';
import { downstreamOf } from '../../state/walk.ts';
import type { LinkEnd, Target } from '../events.ts';
import type { DraggedLink } from '../look.ts';
import type { SceneNode } from '../stage.ts';
import type { Drag, DragPoint, Workbench } from './drag.ts';

export function linkDrag(bench: Workbench, end: LinkEnd, replaces?: LinkId): Drag | undefined {
  const { scene, look, events } = bench;
  const node = scene.node(end.node);
  const slot = end.kind === 'output' ? end.slot : node?.inputSlots.findIndex(({ name }) => name === end.input) ?? -1;
  if (node === undefined || slot < 0) return undefined;
  const start = node.slotPoint(end.kind === 'input', slot);
  const dragged: DraggedLink = { end, start, at: start, state: 'free', accepts: acceptor(bench, end), ...(replaces === undefined ? {} : { replaces }) };
  look.draggedLink = dragged;
  let over: Over = { target: { kind: 'empty' } };
  let toldReason = '';

  const stop = () => {
    look.draggedLink = undefined;
    look.hovered = undefined;
    events.onRefusal?.(undefined, bench.place(dragged.at));
    bench.redraw(true);
  };
  const move = ({ graph, pointer }: DragPoint) => {
    over = lookUnder(bench, end, graph, bench.findTarget(graph, pointer));
    dragged.state = over.answer === undefined ? 'free' : over.answer.ok ? 'fits' : 'refused';
    dragged.at = over.snap ?? graph;
    look.hovered = over.slot;
    const reason = over.answer?.ok === false ? over.answer.reason : undefined;
    const said = reason === undefined ? '' : JSON.stringify(reason);
    if (said !== toldReason) events.onRefusal?.(reason, bench.place(graph));
    toldReason = said;
    bench.redraw(true);
  };
  return {
    scrolls: true, cursor: 'crosshair',
    move,
    end(at) {
      move(at);
      stop();
      finish(bench, end, over, at, replaces);
    },
    cancel: stop,
  };
}

interface Over {
  readonly target: Target;
  /** The slot that would be linked. */
  readonly slot?: Target & { readonly kind: 'input' | 'output' };
  readonly answer?: Answer;
  readonly snap?: Point;
}

function finish({ scene, events, place }: Workbench, end: LinkEnd, { target, slot, answer }: Over, at: DragPoint, replaces: LinkId | undefined): void {
  const where = place(at.graph);
  if (answer?.ok === true && slot !== undefined) {
    const from = slot.kind === 'output' ? slot : end.kind === 'output' ? end : undefined;
    const to = slot.kind === 'input' ? slot : end.kind === 'input' ? end : undefined;
    if (from === undefined || to === undefined || isSame(scene.link(replaces ?? '')?.doc, from, to, scene.node(to.node))) return;
    events.onCommand({ kind: 'connect', from: { node: from.node, slot: from.slot }, to: { node: to.node, input: to.input }, ...(replaces === undefined ? {} : { replaces }) });
  } else if (answer?.ok === false) events.onRefused?.(answer.reason, end, target, where, answer.fix?.type);
  else if (replaces !== undefined) events.onCommand({ kind: 'disconnect', link: replaces });
  else events.onLinkDropped?.(end, where);
}

/** A link that was taken up and put back. */
function isSame(link: { readonly from: NodeId; readonly fromSlot: number; readonly to: NodeId; readonly toSlot: number } | undefined, from: { readonly node: NodeId; readonly slot: number }, to: { readonly node: NodeId; readonly input: string }, node: SceneNode | undefined): boolean {
  return link !== undefined && link.from === from.node && link.fromSlot === from.slot && link.to === to.node && (node?.isBoundary === true ? node.inputSlots[link.toSlot]?.name : node?.doc.inputs[link.toSlot]?.name) === to.input;
}

/** What is under the pointer, and whether the link may end there. Anywhere on a node means the slot that suits best. */
function lookUnder(bench: Workbench, end: LinkEnd, graph: Point, target: Target): Over {
  const { scene } = bench;
  if (!('node' in target)) return { target };
  const node = scene.node(target.node)!;
  const isWanted = end.kind === 'output' ? target.kind === 'input' : target.kind === 'output';
  if (target.node === end.node && !isWanted) return { target };
  const slot = isWanted && (target.kind === 'input' || target.kind === 'output') ? target : bestSlot(bench, end, node);
  if (slot === undefined) return { target, answer: { ok: false, reason: reasonFor(bench, end, node) } };
  const answer = ask(bench, end, slot);
  if (!answer.ok) return { target, answer };
  const index = slot.kind === 'output' ? slot.slot : node.inputSlots.findIndex(({ name }) => name === slot.input);
  return { target, slot, answer, snap: index < 0 ? graph : node.slotPoint(slot.kind === 'input', index) };
}

type SlotTarget = Target & { readonly kind: 'input' | 'output' };

function bestSlot({ scene }: Workbench, end: LinkEnd, node: SceneNode): SlotTarget | undefined {
  const { document, types, layer } = scene;
  if (end.kind === 'output') {
    const input = node.isBoundary ? node.inputSlots.find(({ type }) => fits({ name: end.type }, { name: type }))?.name : bestInput(document, types, layer, node.id, end.type);
    return input === undefined ? undefined : { kind: 'input', node: node.id, input };
  }
  const slot = node.isBoundary ? node.outputSlots.findIndex(({ type }) => fits({ name: type }, { name: end.type })) : bestOutput(document, types, layer, node.id, end.type) ?? -1;
  return slot < 0 ? undefined : { kind: 'output', node: node.id, slot };
}

function ask({ scene }: Workbench, end: LinkEnd, slot: SlotTarget): Answer {
  const from = end.kind === 'output' ? end : slot.kind === 'output' ? slot : undefined;
  const to = end.kind === 'input' ? end : slot.kind === 'input' ? slot : undefined;
  if (from === undefined || to === undefined) return { ok: false, reason: message('connect.no-input') };
  return canConnect(scene.document, scene.types, { layer: scene.layerId, from: { node: from.node, slot: from.slot }, to: { node: to.node, input: to.input } });
}

/** Why nothing of a node takes the link: said of its first slot. */
function reasonFor(bench: Workbench, end: LinkEnd, node: SceneNode) {
  const first: SlotTarget | undefined = end.kind === 'output'
    ? node.inputSlots[0] && { kind: 'input', node: node.id, input: node.inputSlots[0].name }
    : node.outputSlots[0] && { kind: 'output', node: node.id, slot: 0 };
  const answer = first === undefined ? undefined : ask(bench, end, first);
  return answer?.ok === false ? answer.reason : message(end.kind === 'output' ? 'connect.no-input' : 'connect.no-output');
}

/** Whether a slot takes the link, by types and circles; walks the graph once, not once a slot. */
function acceptor({ scene }: Workbench, end: LinkEnd): DraggedLink['accepts'] {
  const isBoundary = end.node === inputBoundary || end.node === outputBoundary;
  const forbidden = isBoundary ? new Set([end.node]) : end.kind === 'output' ? forbiddenTargets(scene.layer, end.node) : downstreamOf(scene.layer, [end.node]);
  const known = new Map<string, boolean>();
  return (id, slot) => {
    const key = `${id}/${typeof slot}/${slot}`;
    const answer = known.get(key);
    if (answer !== undefined) return answer;
    const node = scene.node(id);
    const type = node === undefined ? undefined : typeof slot === 'number' ? node.outputSlots[slot]?.type : node.inputSlots.find(({ name }) => name === slot)?.type;
    const isTaken = type !== undefined && !forbidden.has(id) && (end.kind === 'output' ? fits({ name: end.type }, { name: type }) : fits({ name: type }, { name: end.type }));
    known.set(key, isTaken);
    return isTaken;
  };
}
