// A workflow with its subgraphs opened: scopes of nodes, each with the full list of inputs that an editor would show.
import { FormatError } from './errors.ts';
import { groupSubgraph } from './group-nodes.ts';
import { isJsonArray, isJsonObject, type Json } from './json.ts';
import type { Definitions, NodeShape } from './object-info.ts';
import { byPosition } from './widgets.ts';
import { inputBoundary, type Subgraph, type UiGraph, type UiInput, type UiLink, type UiNode, type UiWorkflow } from './workflow-file.ts';

export interface Scope {
  /** Ids of the instances around it, each followed by a colon: `12:3:`. */
  readonly prefix: string;
  readonly nodes: ReadonlyMap<string, ScopedNode>;
  readonly links: ReadonlyMap<string, UiLink>;
  /** The instance whose inside this is. */
  readonly instance?: ScopedNode;
}

export interface ScopedNode {
  readonly id: string;
  readonly scope: Scope;
  readonly node: UiNode;
  /** Sockets first, then widgets, as an editor lists them; entries the file lacks are unlinked. */
  readonly inputs: readonly UiInput[];
  readonly shape: NodeShape | undefined;
  /** Exists in editors only: links pass through it or end at it. */
  readonly isVirtual: boolean;
  /** The inside, where this is an instance of a subgraph that is neither muted nor bypassed. */
  inside?: { readonly scope: Scope; readonly subgraph: Subgraph };
}

export const muted = 2;
export const bypassed = 4;
const virtualTypes = new Set(['Reroute', 'PrimitiveNode', 'Note', 'MarkdownNote']);
/** Subgraphs inside subgraphs could multiply without end. */
const mostNodes = 100_000;

/** Opens every subgraph. Throws where one holds itself. */
export function flatten(workflow: UiWorkflow, definitions: Definitions): Scope {
  let count = 0;
  const subgraphOf = (type: string): Subgraph | undefined => {
    const group = workflow.groupNodes.get(type.replace(/^workflow[>/]/, ''));
    return workflow.subgraphs.get(type) ?? (group !== undefined && /^workflow[>/]/.test(type) ? groupSubgraph(group, definitions) : undefined);
  };
  const open = (graph: UiGraph, prefix: string, around: readonly string[], instance?: ScopedNode): Scope => {
    const nodes = new Map<string, ScopedNode>();
    const scope: Scope = { prefix, nodes, links: graph.links, ...(instance === undefined ? {} : { instance }) };
    for (const node of [...graph.nodes].sort((a, b) => a.order - b.order)) {
      if (++count > mostNodes) throw new FormatError(`the workflow has more than ${mostNodes} nodes when its subgraphs are opened`);
      const subgraph = subgraphOf(node.type);
      const shape = subgraph === undefined ? definitions(node.type) : undefined;
      const scoped: ScopedNode = { id: prefix + node.id, scope, node, shape, inputs: editorInputs(node, shape), isVirtual: virtualTypes.has(node.type) };
      nodes.set(node.id, scoped);
      if (subgraph === undefined || node.mode === muted || node.mode === bypassed) continue;
      if (around.includes(node.type)) throw new FormatError(`subgraph ${JSON.stringify(subgraph.name)} contains itself (node ${scoped.id})`);
      scoped.inside = { subgraph, scope: open(subgraph, `${scoped.id}:`, [...around, node.type], scoped) };
    }
    return scope;
  };
  return open(workflow, '', []);
}

function editorInputs(node: UiNode, shape: NodeShape | undefined): readonly UiInput[] {
  if (shape === undefined) return node.inputs;
  const saved = new Map(node.inputs.map((input) => [input.name, input]));
  const declared = [...shape.inputs.filter(({ widget }) => widget === undefined), ...shape.inputs.filter(({ widget }) => widget !== undefined)]
    .map(({ name, type, widget }): UiInput => ({ label: undefined, ...saved.get(name), name, type, isWidget: widget !== undefined, link: saved.get(name)?.link }));
  const names = new Set(declared.map(({ name }) => name));
  return [...declared, ...node.inputs.filter(({ name }) => !names.has(name))];
}

/** All nodes that could run, insides in place of their instances. */
export function* insideOut(scope: Scope): Generator<ScopedNode> {
  for (const node of scope.nodes.values()) {
    if (node.inside !== undefined) yield* insideOut(node.inside.scope);
    else yield node;
  }
}

/** The instance's input that feeds the subgraph's input `slot`: by name, for files leave unlinked ones out. */
export function instanceInput({ inputs, inside }: ScopedNode, slot: number): UiInput | undefined {
  const port = inside?.subgraph.inputs[slot];
  return inputs.find(({ name }) => name === port?.name) ?? (inputs.length === inside?.subgraph.inputs.length ? inputs[slot] : undefined);
}

/** What an instance says about widgets of its inside: by the subgraph's input, and by inner node and widget (`3 text`). */
export interface InstanceValues {
  readonly inputs: ReadonlyMap<string, Json>;
  readonly inner: ReadonlyMap<string, Json>;
}

export function instanceValues(instance: ScopedNode): InstanceValues {
  const { node: { values, properties }, inside } = instance;
  const inputs = new Map<string, Json>();
  const inner = new Map<string, Json>();
  const promoted = properties.get('proxyWidgets');
  if (isJsonArray(promoted) && isJsonArray(values)) {
    promoted.forEach((entry, i) => {
      const [owner, widget] = isJsonArray(entry) ? entry : [];
      const value = values[i];
      if (typeof widget !== 'string' || value === undefined || value === null) return;
      if (String(owner) === '-1') inputs.set(widget, value);
      else inner.set(`${String(owner)} ${widget}`, value);
    });
    return { inputs, inner };
  }
  const widgets = inside!.subgraph.widgets ?? inside!.subgraph.inputs.filter((_, slot) => isWidgetInput(instance, slot)).map(({ name }) => ({ name, controls: 0 }));
  const named = isJsonObject(values) ? values : byPosition(values as readonly Json[], widgets);
  for (const [name, value] of named) if (value !== null) inputs.set(name, value);
  return { inputs, inner };
}

/** True when a subgraph's input ends at a widget, so that its instances show one. */
function isWidgetInput(instance: ScopedNode, slot: number): boolean {
  if (instanceInput(instance, slot)?.isWidget === true) return true;
  const { scope } = instance.inside!;
  const links = [...scope.links.values()].filter((link) => link.from === inputBoundary && link.fromSlot === slot);
  return links.some((link) => {
    const target = scope.nodes.get(link.to);
    return target?.inputs.some((input) => input.link === link.id && input.isWidget) ?? false;
  });
}
