// Ways out of a problem: connect what is there, add what is missing, take a value that fits. Each is commands to be run as one step.
import type { Json } from '../../engine/formats/json.ts';
import { nearestNames } from '../../engine/graph/nearest.ts';
import { canConnect } from './connections.ts';
import { layerOf, type Document, type Point } from './document.ts';
import { initialSize } from './sizes.ts';
import { message } from './messages.ts';
import type { InputType, NodeType, NodeTypes } from './node-types.ts';
import type { Place } from './places.ts';
import type { Fix } from './problems.ts';
import { outputSlots, titleOf } from './slots.ts';

/** Connect the nearest node that makes just this type; or add a node that makes it from nothing. */
export function fixesForMissing(document: Document, types: NodeTypes, { layer, node }: Place, input: InputType): readonly Fix[] {
  if (input.type === '*') return [];
  const distance = ([x, y]: Point) => Math.hypot(node.pos[0] - x, node.pos[1] - y);
  const sources = Object.values(layerOf(document, layer).nodes)
    .filter((other) => other.mode === 0 && other.id !== node.id)
    .flatMap((other) => outputSlots(document, types, other).flatMap(({ type }, slot) => (type === input.type ? [{ other, slot }] : [])))
    .filter(({ other, slot }) => canConnect(document, types, { layer, from: { node: other.id, slot }, to: { node: node.id, input: input.name } }).ok)
    .sort((a, b) => distance(a.other.pos) - distance(b.other.pos));
  const connects = sources.slice(0, 3).map(({ other, slot }): Fix => ({
    label: message('fix.connect', { title: titleOf(document, types, other) }),
    commands: [{ kind: 'connect', layer, from: { node: other.id, slot }, to: { node: node.id, input: input.name } }],
  }));
  const maker = connects.length > 0 ? undefined : findMaker(types, input.type);
  if (maker === undefined) return connects;
  const at: Point = [node.pos[0] - initialSize(maker)[0] - 80, node.pos[1]];
  return [{ label: message('fix.add', { title: maker.title }), commands: [{ kind: 'addNode', layer, type: maker.type, at, to: { node: node.id, input: input.name } }] }];
}

/** A type that makes a value from widgets alone: it works as soon as it is there. */
function findMaker(types: NodeTypes, wanted: string): NodeType | undefined {
  return types.all.find((type) => !type.isVirtual && !type.isDeprecated && type.outputs.some((output) => output.type === wanted) && type.inputs.every((input) => input.isOptional || input.widget !== undefined));
}

/** The nearest value that the widget takes. */
export function fixesForValue({ layer, node }: Place, { name, widget }: InputType, value: Json): readonly Fix[] {
  const set = (fit: Json): Fix => ({ label: message('fix.set', { value: String(fit) }), commands: [{ kind: 'setValue', layer, node: node.id, input: name, value: fit }] });
  if (widget?.kind === 'integer' || widget?.kind === 'float') {
    if (typeof value !== 'bigint' && typeof value !== 'number') return [set(widget.initial)];
    return [set(value < widget.min ? widget.min : widget.max)];
  }
  if (widget?.kind !== 'choice' || widget.choices.length === 0) return [];
  const near = nearestNames(String(value), widget.choices.map(String), 2);
  const choices = widget.choices.filter((choice) => near.includes(String(choice)));
  return (choices.length > 0 ? choices : widget.choices.slice(0, 1)).map(set);
}
