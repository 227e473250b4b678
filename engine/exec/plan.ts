// The nodes of a run with everything about them resolved once: definition, links, constants, where they are shown.
// Nodes of the graph and nodes made by expansion are alike here. Knows no values and no order.
import { coerce } from '../graph/coerce.ts';
import { type Graph, type GraphNode, type Link, type Literal, type NodeId } from '../graph/graph.ts';
import type { AnyNode, InnerInput, InnerNode, InputSpec, LiveGraph, Registry } from '../graph/node.ts';
import { SEED } from '../graph/types.ts';
import { contentToken } from './tokens.ts';

export interface PlanLink {
  readonly name: string;
  readonly link: Link;
  readonly spec: InputSpec<unknown>;
  readonly isLazy: boolean;
  readonly isRaw: boolean;
  /** Its place among the node's links. */
  readonly index: number;
  /** The node it comes from; set by keys.ts. */
  source: PlanNode | undefined;
}

export interface PlanConstant {
  readonly name: string;
  readonly value: unknown;
  /** What stands for the value in the key. */
  readonly token: string;
}

export interface PlanNode {
  readonly id: NodeId;
  readonly definition: AnyNode;
  readonly traits: Traits;
  readonly title: string;
  /** The device it was placed on; absent = the default. */
  readonly device: string | undefined;
  readonly parent: NodeId | null;
  readonly display: NodeId;
  readonly real: NodeId;
  /** Links and constants in the order they were written: nodes with undeclared inputs may care. */
  readonly inputs: readonly (PlanLink | PlanConstant)[];
  readonly links: readonly PlanLink[];
  /** Content key; '' until keys.ts has computed it. */
  key: string;
  /** True when the key holds for this run alone. */
  isVolatile: boolean;
  /** True while keys.ts is on the way through it. */
  isOpen: boolean;
}

/** What a definition says, looked up once. */
export interface Traits {
  readonly hidden: readonly (readonly [name: string, what: NonNullable<InputSpec<unknown>['hidden']>])[];
  readonly seed: string | undefined;
  readonly isKeyedById: boolean;
  /** True when a declared type keeps device memory alive: the node works with its device. */
  readonly usesDevice: boolean;
  readonly hasRaw: boolean;
  readonly defaults: readonly PlanConstant[];
}

const known = new WeakMap<AnyNode, Traits>();

export function traitsOf(definition: AnyNode): Traits {
  let traits = known.get(definition);
  if (traits === undefined) known.set(definition, (traits = readTraits(definition)));
  return traits;
}

function readTraits(definition: AnyNode): Traits {
  const specs = Object.entries(definition.inputs as Readonly<Record<string, InputSpec<unknown>>>);
  return {
    hidden: specs.flatMap(([name, { hidden }]) => (hidden === undefined ? [] : [[name, hidden] as const])),
    seed: specs.find(([, { type }]) => type === SEED)?.[0],
    isKeyedById: definition.keyedBy === 'node' || specs.some(([, { hidden }]) => hidden === 'id'),
    usesDevice: specs.some(([, { type }]) => type.held !== undefined) || definition.outputs.some(({ type }) => type.held !== undefined),
    hasRaw: specs.some(([, { raw, hidden }]) => raw === true || hidden === 'graph'),
    defaults: specs.flatMap(([name, spec]) => (spec.default === undefined || spec.optional === true ? [] : [constantOf(name, coerce(spec, spec.default))])),
  };
}

/** The constants of a node by name. */
export function constantsOf({ inputs }: PlanNode): Record<string, unknown> {
  const constants: Record<string, unknown> = {};
  for (const input of inputs) if (!('link' in input)) constants[input.name] = input.value;
  return constants;
}

/** The value with its token; `token` is needed for values that only their origin identifies. */
export function constantOf(name: string, value: unknown, token = contentToken(value)): PlanConstant {
  if (token === undefined) throw new Error(`input ${name}: a value that is no constant needs a token`);
  return { name, value, token };
}

/** All nodes of a run by id: those of the graph as they are asked for, and those that expansions added. */
export class Nodes implements LiveGraph {
  readonly original: Graph;
  readonly registry: Registry;
  readonly #constants: ReadonlyMap<NodeId, ReadonlyMap<string, unknown>>;
  readonly #planned = new Map<NodeId, PlanNode>();
  readonly #inner = new Map<NodeId, InnerNode>();

  constructor(original: Graph, registry: Registry, constants: ReadonlyMap<NodeId, ReadonlyMap<string, unknown>>) {
    this.original = original;
    this.registry = registry;
    this.#constants = constants;
  }

  /** The node, or undefined when neither the graph nor an expansion has it. */
  get(id: NodeId): PlanNode | undefined {
    const planned = this.#planned.get(id);
    if (planned !== undefined) return planned;
    const node = this.original.nodes.get(id);
    const definition = node === undefined ? undefined : this.registry.get(node.type);
    if (node === undefined || definition === undefined) return undefined;
    const plan = planGraphNode(node, definition, this.#constants.get(id));
    this.#planned.set(id, plan);
    return plan;
  }

  /** Adds a node of an expansion. `tokenOf` gives what stands for a raw value in keys. */
  add(id: NodeId, inner: InnerNode, parent: PlanNode, tokenOf: (input: string, value: unknown) => string): PlanNode {
    const from = `the expansion of node ${parent.id}`;
    if (this.original.nodes.has(id) || this.#inner.has(id)) throw new Error(`${from} adds a node ${id}, but there is one; use ids from context.expand()`);
    const definition = this.registry.get(inner.type);
    if (definition === undefined) throw new Error(`${from} adds a node of type ${inner.type}, which is not loaded`);
    const plan = planInnerNode(id, inner, definition, parent, tokenOf);
    this.#planned.set(id, plan);
    this.#inner.set(id, inner);
    return plan;
  }

  node(id: NodeId): { readonly type: string; readonly inputs: ReadonlyMap<string, InnerInput>; readonly title?: string } | undefined {
    return this.#inner.get(id) ?? this.original.nodes.get(id);
  }

  parent(id: NodeId): NodeId | undefined {
    return this.get(id)?.parent ?? undefined;
  }

  display(id: NodeId): NodeId {
    return this.get(id)?.display ?? id;
  }
}

function planGraphNode(node: GraphNode, definition: AnyNode, checked: ReadonlyMap<string, unknown> | undefined): PlanNode {
  const value = (name: string, spec: InputSpec<unknown>, literal: Literal): unknown => {
    if (checked?.has(name) === true) return checked.get(name);
    return literal === null && spec.optional === true ? undefined : coerce(spec, literal);
  };
  const planned = planInputs(node.inputs, definition, (name, spec, input) => {
    const converted = value(name, spec, (input as { readonly literal: Literal }).literal);
    return converted === undefined ? undefined : constantOf(name, converted, contentToken(converted) ?? contentToken((input as { readonly literal: Literal }).literal)!);
  });
  const { id, device } = node;
  return { id, definition, traits: traitsOf(definition), title: node.title ?? definition.title ?? definition.type, device, parent: null, display: id, real: id, ...planned, key: '', isVolatile: false, isOpen: false };
}

function planInnerNode(id: NodeId, inner: InnerNode, definition: AnyNode, parent: PlanNode, tokenOf: (input: string, value: unknown) => string): PlanNode {
  const planned = planInputs(inner.inputs, definition, (name, spec, input) => {
    const value = 'value' in input ? input.value : coerce(spec, (input as { readonly literal: Literal }).literal);
    return value === undefined ? undefined : constantOf(name, value, tokenOf(name, value));
  });
  // What an expansion leaves out has its declared default; nodes of the user's graph were checked to be complete.
  for (const constant of traitsOf(definition).defaults) {
    if (!inner.inputs.has(constant.name)) planned.inputs.push(constant);
  }
  return {
    id, definition, traits: traitsOf(definition), title: inner.title ?? definition.title ?? definition.type, device: inner.device ?? parent.device,
    parent: parent.id, display: inner.display ?? parent.display, real: parent.real, ...planned, key: '', isVolatile: false, isOpen: false,
  };
}

/** Splits inputs into links and constants. Undeclared ones are kept only as links, and only where the node takes them. */
function planInputs(
  inputs: ReadonlyMap<string, InnerInput>, definition: AnyNode,
  constant: (name: string, spec: InputSpec<unknown>, input: InnerInput) => PlanConstant | undefined,
): { inputs: (PlanLink | PlanConstant)[]; links: PlanLink[] } {
  const planned: (PlanLink | PlanConstant)[] = [];
  const links: PlanLink[] = [];
  for (const [name, input] of inputs) {
    const declared = definition.inputs[name] as InputSpec<unknown> | undefined;
    const spec = declared ?? definition.rest;
    if (spec === undefined) continue;
    if ('link' in input) {
      const link: PlanLink = { name, link: input.link, spec, isLazy: spec.lazy === true, isRaw: spec.raw === true, index: links.length, source: undefined };
      links.push(link);
      planned.push(link);
    } else if (declared !== undefined || 'value' in input) {
      const made = constant(name, spec, input);
      if (made !== undefined) planned.push(made);
    }
  }
  return { inputs: planned, links };
}
