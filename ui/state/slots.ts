// The slots that a node shows: those of its type, joined with what the document holds. Sockets come first, then widgets.
// A subgraph's instance has a type made from its definition. Knows no drawing.
import { isJsonArray, type Json } from '../../engine/formats/json.ts';
import { inputBoundary, layersOf, linksFrom, outputBoundary, type DocInput, type DocNode, type Document, type Layer, type LayerId, type LinkId, type NodeId, type SubgraphDefinition } from './document.ts';
import type { InputType, NodeType, NodeTypes, Widget } from './node-types.ts';

export interface InputSlot {
  readonly name: string;
  readonly label: string;
  readonly type: string;
  readonly link: LinkId | null;
  readonly isOptional: boolean;
  readonly isAdvanced: boolean;
  readonly tooltip?: string;
  /** Its value is edited in the node while no link comes in. */
  readonly widget?: Widget;
  /** The file has it, the node's type does not. */
  readonly isStale: boolean;
  /** Of a subgraph's instance: a widget of this node inside, shown without a port. No link can come in. */
  readonly owner?: NodeId;
}

export interface OutputSlot {
  readonly name: string;
  readonly label: string;
  readonly type: string;
  readonly isList: boolean;
  readonly tooltip?: string;
}

/** The type of a node, also of a subgraph's instance; undefined where nothing knows it. */
export function nodeTypeOf(document: Document, types: NodeTypes, type: string): NodeType | undefined {
  const definition = document.subgraphs[type];
  return definition === undefined ? types.get(type) : subgraphType(document, types, definition);
}

/** All inputs that a node shows. Hidden ones appear only while linked. */
export function inputSlots(document: Document, types: NodeTypes, node: DocNode, depth = 0): readonly InputSlot[] {
  const type = nodeTypeOf(document, types, node.type);
  const own = new Map(node.inputs.map((input) => [input.name, input]));
  if (type === undefined) return node.inputs.map((input) => staleSlot(input, false));
  if (node.type === 'PrimitiveNode') return primitiveSlots(document, types, node);
  const declared = type.inputs.filter(({ name, isHidden }) => !isHidden || (own.get(name)?.link ?? null) !== null).map((input) => declaredSlot(input, own.get(input.name)));
  const names = new Set(type.inputs.map(({ name }) => name));
  // packs may take inputs that they do not declare (rest inputs): what is linked is shown
  const stale = node.inputs.filter(({ name, link }) => !names.has(name) && link !== null).map((input) => staleSlot(input, true));
  return [...declared.filter(({ widget }) => widget === undefined), ...stale, ...declared.filter(({ widget }) => widget !== undefined), ...promotedSlots(document, types, node, depth)];
}

/** Widgets of nodes inside that an instance shows without a port (`properties.proxyWidgets`, by their owner). One that is fed inside is not shown. */
function promotedSlots(document: Document, types: NodeTypes, { type, properties }: DocNode, depth: number): readonly InputSlot[] {
  const inside = document.subgraphs[type]?.layer.nodes;
  const promoted = properties.get('proxyWidgets');
  if (inside === undefined || depth >= 16 || !isJsonArray(promoted)) return [];
  const found = new Map<string, InputSlot>();
  for (const entry of promoted) {
    const [id, name] = isJsonArray(entry) ? entry : [];
    const owner = inside[String(id)];
    const slot = owner === undefined || String(id) === '-1' ? undefined : inputSlots(document, types, owner, depth + 1).find((one) => one.name === name);
    if (owner === undefined || slot?.widget === undefined || slot.link !== null) continue;
    const key = `${owner.id} ${slot.name}`;
    // its value has no control of its own, like that of a port
    found.set(key, { ...slot, name: key, label: `${titleOf(document, types, owner)}: ${slot.label}`, isOptional: true, owner: owner.id, widget: { ...slot.widget, controls: 0, initial: valueOf(owner, slot) ?? null } });
  }
  return [...found.values()];
}

/** A primitive has the widget of the first input that it feeds; unlinked it has none. */
function primitiveSlots(document: Document, types: NodeTypes, node: DocNode): readonly InputSlot[] {
  const layer = layersOf(document).find(([, { nodes }]) => nodes[node.id] === node)?.[1];
  for (const link of layer === undefined ? [] : linksFrom(layer, node.id)) {
    const target = layer!.nodes[link.to];
    const name = target?.inputs[link.toSlot]?.name;
    const input = target === undefined ? undefined : nodeTypeOf(document, types, target.type)?.inputs.find((other) => other.name === name);
    if (input?.widget === undefined) continue;
    const controls = input.widget.kind === 'choice' ? 2 : input.widget.kind === 'integer' || input.widget.kind === 'float' ? 1 : 0;
    return [{ name: 'value', label: input.label ?? input.name, type: input.type, link: null, isOptional: true, isAdvanced: false, isStale: false, widget: { ...input.widget, controls } }];
  }
  return [];
}

function declaredSlot(input: InputType, own: DocInput | undefined): InputSlot {
  return {
    name: input.name, label: own?.label ?? input.label ?? input.name, type: input.type === '*' && own !== undefined && own.type !== '' ? own.type : input.type, link: own?.link ?? null,
    isOptional: input.isOptional, isAdvanced: input.isAdvanced, isStale: false,
    ...(input.tooltip === undefined ? {} : { tooltip: input.tooltip }), ...(input.widget === undefined ? {} : { widget: input.widget }),
  };
}

function staleSlot({ name, label, type, link }: DocInput, isStale: boolean): InputSlot {
  return { name, label: label ?? name, type, link, isOptional: true, isAdvanced: false, isStale };
}

/** All outputs that a node shows; their index is the slot of links. */
export function outputSlots(document: Document, types: NodeTypes, node: DocNode): readonly OutputSlot[] {
  const declared = nodeTypeOf(document, types, node.type)?.outputs ?? [];
  const shown = declared.map((output, slot): OutputSlot => {
    const own = node.outputs[slot];
    return { ...output, label: own?.label ?? (output.name || own?.name || output.type), type: output.type === '*' && own !== undefined ? own.type : output.type };
  });
  return [...shown, ...node.outputs.slice(declared.length).map(({ name, label, type }) => ({ name, label: label ?? name, type, isList: false }))];
}

/** The value that a widget shows. An instance that has none of its own shows that of its inside. */
export function valueOf(node: DocNode, slot: Pick<InputSlot, 'name' | 'widget'>): Json | undefined {
  return node.values[slot.name] ?? slot.widget?.initial;
}

/** The title that a node shows. */
export function titleOf(document: Document, types: NodeTypes, node: Pick<DocNode, 'type' | 'title'>): string {
  return node.title ?? nodeTypeOf(document, types, node.type)?.title ?? node.type;
}

/** The type that an output carries; of a reroute that of its source. */
export function outputTypeOf(document: Document, types: NodeTypes, layer: Layer, node: NodeId, slot: number, layerId?: LayerId): string | undefined {
  let id = node;
  let at = slot;
  const seen = new Set<NodeId>();
  for (;;) {
    if (id === inputBoundary) return layerId === undefined ? undefined : document.subgraphs[layerId]?.inputs[at]?.type;
    const found = layer.nodes[id];
    if (found === undefined) return undefined;
    if (found.type !== 'Reroute' || seen.has(id)) return outputSlots(document, types, found)[at]?.type;
    seen.add(id);
    const link = found.inputs[0]?.link;
    const source = link === null || link === undefined ? undefined : layer.links[link];
    if (source === undefined) return '*';
    id = source.from;
    at = source.fromSlot;
  }
}

/** The type of a subgraph's instances: its ports, with the widgets that they lead to. Own instances inside are not followed. */
export function subgraphType(document: Document, types: NodeTypes, definition: SubgraphDefinition, depth = 0): NodeType {
  const inputs = definition.inputs.map(({ name, type, label }, slot): InputType => {
    const inner = depth < 16 ? innerWidget(document, types, definition, slot, depth) : undefined;
    return { name, type, isOptional: inner?.isOptional ?? false, isAdvanced: false, isHidden: false, ...(label === undefined ? {} : { label }), ...(inner?.tooltip === undefined ? {} : { tooltip: inner.tooltip }), ...(inner?.widget === undefined ? {} : { widget: inner.widget }) };
  });
  return {
    type: definition.id, title: definition.name, category: 'subgraph', description: '', inputs,
    outputs: definition.outputs.map(({ name, type, label }) => ({ name: label ?? name, type, isList: false })),
    isOutput: false, isDeprecated: false, isExperimental: false, isVirtual: false, isSubgraph: true, pack: '', aliases: [],
  };
}

/** What the input behind a port is like: its widget with the inner node's value, for as long as all links agree that there is one. */
function innerWidget(document: Document, types: NodeTypes, { layer }: SubgraphDefinition, slot: number, depth: number): { readonly isOptional: boolean; readonly tooltip?: string; readonly widget?: Widget } | undefined {
  for (const link of linksFrom(layer, inputBoundary, slot)) {
    const node = link.to === outputBoundary ? undefined : layer.nodes[link.to];
    const name = node?.inputs[link.toSlot]?.name;
    if (node === undefined || name === undefined) continue;
    const inside = document.subgraphs[node.type];
    const type = inside === undefined ? types.get(node.type) : subgraphType(document, types, inside, depth + 1);
    const input = type?.inputs.find((other) => other.name === name);
    if (input === undefined) continue;
    const value = node.values[name];
    // a port's value has no control of its own: the conversion reads its values one by one
    const widget = input.widget && { ...input.widget, controls: 0 as const, initial: value !== undefined && !isJsonArray(value) ? value : input.widget.initial };
    return { isOptional: input.isOptional, ...(input.tooltip === undefined ? {} : { tooltip: input.tooltip }), ...(widget === undefined ? {} : { widget }) };
  }
  return undefined;
}
