// Which output may be linked to which input, and why not. Asked while a link is dragged, and by the command that makes it.
import { fits } from '../../engine/graph/fits.ts';
import { findLayer, inputBoundary, outputBoundary, type Document, type Layer, type LayerId, type NodeId } from './document.ts';
import { message, type Message } from './messages.ts';
import type { NodeType, NodeTypes } from './node-types.ts';
import { inputSlots, nodeTypeOf, outputTypeOf, titleOf } from './slots.ts';
import { upstreamOf } from './walk.ts';

/** One end of a link: an output by slot, an input by name. At a subgraph's boundary, the port by slot. */
export interface OutputEnd { readonly node: NodeId; readonly slot: number }
export interface InputEnd { readonly node: NodeId; readonly input: string }

export interface Connection {
  readonly layer: LayerId;
  readonly from: OutputEnd;
  readonly to: InputEnd;
}

/** `fix`: a node type that turns the one into the other. */
export type Answer = { readonly ok: true } | { readonly ok: false; readonly reason: Message; readonly fix?: NodeType };

/** Whether a link may be made. A link that is already there may be made again. */
export function canConnect(document: Document, types: NodeTypes, { layer: id, from, to }: Connection): Answer {
  const layer = findLayer(document, id);
  if (layer === undefined) return refuse('node.missing');
  if (from.node === to.node) return refuse('connect.own-node');
  const made = outputTypeOf(document, types, layer, from.node, from.slot, id);
  if (made === undefined) return refuse('connect.no-output');
  const wanted = inputTypeAt(document, types, id, layer, to);
  if (wanted === undefined) return refuse('connect.no-input');
  if (!fits({ name: made }, { name: wanted })) {
    const fix = findConverter(types, made, wanted);
    if (fix === undefined) return refuse('connect.wrong-type', { from: made, to: wanted });
    return { ok: false, reason: message('connect.wrong-type-convert', { from: made, to: wanted, node: fix.title }), fix };
  }
  if (to.node !== outputBoundary && from.node !== inputBoundary && upstreamOf(layer, [from.node]).has(to.node)) {
    return refuse('connect.cycle', { title: titleOf(document, types, layer.nodes[from.node]!) });
  }
  return { ok: true };
}

function refuse(code: Message['code'], params: Message['params'] = {}): Answer {
  return { ok: false, reason: message(code, params) };
}

function inputTypeAt(document: Document, types: NodeTypes, id: LayerId, layer: Layer, { node, input }: InputEnd): string | undefined {
  if (node === outputBoundary) return document.subgraphs[id]?.outputs.find(({ name }) => name === input)?.type;
  const found = layer.nodes[node];
  if (found === undefined) return undefined;
  if (found.type === 'Reroute') return input === (found.inputs[0]?.name ?? '') ? '*' : undefined;
  return inputSlots(document, types, found).find(({ name, owner }) => name === input && owner === undefined)?.type;
}

/** A node that turns the one value into the other and asks for little else: the one with the fewest inputs. */
function findConverter(types: NodeTypes, made: string, wanted: string): NodeType | undefined {
  const isConverter = (type: NodeType) => {
    const sockets = type.inputs.filter(({ widget }) => widget === undefined);
    const needed = sockets.filter(({ isOptional }) => !isOptional);
    // what is converted comes last, after a model to do it with; more than two settings make it a step of work, not a change of form
    return !type.isVirtual && !type.isDeprecated && type.outputs[0]?.type === wanted && needed.length <= 2 && needed.at(-1)?.type === made && type.inputs.length - sockets.length <= 2;
  };
  return types.all.filter(isConverter).toSorted((a, b) => a.inputs.length - b.inputs.length)[0];
}

/** Nodes that must not be fed by a node: itself and all that feed it. Asked once a drag, where `canConnect` asks once a slot. */
export function forbiddenTargets(layer: Layer, from: NodeId): ReadonlySet<NodeId> {
  return upstreamOf(layer, [from]);
}

/** The input of a node that a value of this type goes to when nobody says which: free required sockets first, then optional ones, then widgets. */
export function bestInput(document: Document, types: NodeTypes, layer: Layer, node: NodeId, made: string): string | undefined {
  const found = layer.nodes[node];
  if (found === undefined) return undefined;
  const slots = inputSlots(document, types, found).filter(({ type }) => fits({ name: made }, { name: type }));
  const rank = ({ type, link, isOptional, widget }: (typeof slots)[number]) => (link === null ? 0 : 8) + (widget === undefined ? 0 : 4) + (type === made ? 0 : 2) + (isOptional ? 1 : 0);
  return slots.toSorted((a, b) => rank(a) - rank(b))[0]?.name;
}

/** The output of a node that an input of this type is fed by when nobody says which: the same type first. */
export function bestOutput(document: Document, types: NodeTypes, layer: Layer, node: NodeId, wanted: string): number | undefined {
  const found = layer.nodes[node];
  if (found === undefined) return undefined;
  const outputs = nodeTypeOf(document, types, found.type)?.outputs ?? found.outputs;
  const same = outputs.findIndex(({ type }) => type === wanted);
  const slot = same >= 0 ? same : outputs.findIndex(({ type }) => fits({ name: type }, { name: wanted }));
  return slot < 0 ? undefined : slot;
}
