// Decides which outputs of a graph can run: types, links, values and the nodes' own checks, as ComfyUI does, each node once.
// Linear in nodes and links and without recursion. Runs nothing.
import { boundOf, coerce } from './coerce.ts';
import { fits } from './fits.ts';
import { isLink, type Graph, type GraphNode, type Input, type Link, type Literal, type NodeId } from './graph.ts';
import { nearestNames } from './nearest.ts';
import type { AnyNode, Environment, InputSpec, Registry } from './node.ts';
import { nodeName, problems, refusals, unknownType, type NodeProblem, type Refusal } from './problems.ts';

export interface ValidateOptions {
  /** Only these outputs; ids that are no output nodes are ignored. Absent = all. */
  readonly targets?: readonly NodeId[];
}

export interface Checked {
  readonly graph: Graph;
  /** Output nodes that can run, in the order of the graph. */
  readonly targets: readonly NodeId[];
  /** What is wrong with the others, in the order of the graph. */
  readonly problems: readonly NodeProblem[];
  /** What was ignored, such as links to undeclared inputs. */
  readonly warnings: readonly NodeProblem[];
  /** Why nothing can run; then `targets` is empty. */
  readonly refusal?: Refusal;
  /** Values of the declared literals, after conversion. */
  readonly constants: ReadonlyMap<NodeId, ReadonlyMap<string, unknown>>;
}

/** Checks what the outputs (or those in `targets`) depend on. Good outputs are kept, bad ones dropped with their problems. Never throws for a user's mistake. */
export async function validate(graph: Graph, registry: Registry, env: Environment, options: ValidateOptions = {}): Promise<Checked> {
  const refuse = (refusal: Refusal, found: Partial<Checked> = {}): Checked => ({ graph, targets: [], problems: [], warnings: [], constants: new Map(), ...found, refusal });
  const wanted = options.targets === undefined ? undefined : new Set(options.targets);
  const outputs: NodeId[] = [];
  for (const node of graph.nodes.values()) {
    const definition = registry.get(node.type);
    if (definition === undefined) return refuse(unknownType(node, nearestNames(node.type, registry.all().flatMap(({ type, aliases }) => [type, ...(aliases ?? [])]))));
    if (definition.output === true && (wanted === undefined || wanted.has(node.id))) outputs.push(node.id);
  }
  if (outputs.length === 0) return refuse(refusals.noOutputs(options.targets));

  const check = new Check(graph, registry, env);
  const order = check.walk(outputs);
  for (const id of order) check.node(graph.nodes.get(id)!);
  await check.settle();
  const bad = check.spread(order);
  const failed = outputs.filter((id) => bad.has(id));
  const found = { problems: inOrder(graph, withDependents(check, failed)), warnings: inOrder(graph, check.warnings), constants: check.constants };
  if (failed.length === outputs.length) return refuse(refusals.allFailed(found.problems), found);
  return { graph, targets: outputs.filter((id) => !bad.has(id)), ...found };
}

class Check {
  readonly graph: Graph;
  readonly registry: Registry;
  readonly env: Environment;
  readonly problems = new Map<NodeId, NodeProblem[]>();
  readonly warnings: NodeProblem[] = [];
  readonly constants = new Map<NodeId, Map<string, unknown>>();
  readonly #links = new Map<NodeId, readonly Link[]>();
  readonly #choices = new Map<InputSpec<unknown>, Promise<readonly Literal[]>>();
  readonly #pending: Promise<void>[] = [];

  constructor(graph: Graph, registry: Registry, env: Environment) {
    this.graph = graph;
    this.registry = registry;
    this.env = env;
  }

  /** All nodes the outputs depend on, sources first. A link that closes a cycle is reported where it ends. */
  walk(outputs: readonly NodeId[]): readonly NodeId[] {
    const order: NodeId[] = [];
    const entered = new Set<NodeId>();
    const left = new Set<NodeId>();
    for (const output of outputs) {
      if (entered.has(output)) continue;
      entered.add(output);
      const path: { readonly id: NodeId; readonly links: readonly Link[]; next: number }[] = [{ id: output, links: this.linksOf(output), next: 0 }];
      while (path.length > 0) {
        const top = path[path.length - 1]!;
        const link = top.links[top.next++];
        if (link === undefined) {
          left.add(top.id);
          order.push(top.id);
          path.pop();
        } else if (!entered.has(link.node)) {
          entered.add(link.node);
          path.push({ id: link.node, links: this.linksOf(link.node), next: 0 });
        } else if (!left.has(link.node)) {
          const cycle = path.slice(path.findIndex(({ id }) => id === link.node)).map(({ id }) => id);
          this.report(problems.cycle(this.graph.nodes.get(link.node)!, cycle));
        }
      }
    }
    return order;
  }

  /** Links that are followed: those of declared inputs, and undeclared ones where the node takes them; to nodes that exist. */
  linksOf(id: NodeId): readonly Link[] {
    const known = this.#links.get(id);
    if (known !== undefined) return known;
    const node = this.graph.nodes.get(id)!;
    const definition = this.registry.get(node.type)!;
    const links: Link[] = [];
    for (const [name, input] of node.inputs) {
      if (isLink(input) && isFollowed(definition, name) && this.graph.nodes.has(input.link.node)) links.push(input.link);
    }
    this.#links.set(id, links);
    return links;
  }

  /** The node's own mistakes. Checks that take time are awaited in `settle`. */
  node(node: GraphNode): void {
    const definition = this.registry.get(node.type)!;
    const constants = new Map<string, unknown>();
    const types: Record<string, string> = {};
    this.constants.set(node.id, constants);
    if (node.device !== undefined && !this.env.devices.has(node.device)) this.report(problems.unknownDevice(node, node.device, [...this.env.devices.keys()]));
    for (const name in definition.inputs) {
      const spec = definition.inputs[name] as InputSpec<unknown>;
      const input = node.inputs.get(name);
      if (input === undefined || isAbsent(spec, input)) {
        if (spec.optional !== true && spec.hidden === undefined) this.report(problems.missing(node, name, spec));
      } else if (isLink(input)) {
        const type = this.#link(node, definition, name, spec, input.link);
        if (type !== undefined) types[name] = type;
      } else {
        this.#literal(node, definition, name, spec, input.literal, constants);
      }
    }
    for (const [name, input] of node.inputs) {
      if (definition.inputs[name] !== undefined || !isLink(input)) continue;
      if (definition.rest === undefined) this.warnings.push(problems.undeclared(node, definition, name));
      else this.#source(node, name, undefined, input.link);
    }
    if (definition.validate !== undefined) this.#custom(node, definition, constants, types);
  }

  /** Waits for lists of choices and the nodes' own checks. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
  }

  /** Nodes that cannot run: with problems of their own or behind such ones. `order` has sources first. */
  spread(order: readonly NodeId[]): Set<NodeId> {
    const bad = new Set<NodeId>(this.problems.keys());
    for (const id of order) if (!bad.has(id) && this.linksOf(id).some(({ node }) => bad.has(node))) bad.add(id);
    return bad;
  }

  report(problem: NodeProblem): void {
    const known = this.problems.get(problem.node);
    if (known === undefined) this.problems.set(problem.node, [problem]);
    else known.push(problem);
  }

  /** Type of the linked output, when the link is good so far. */
  #link(node: GraphNode, definition: AnyNode, name: string, spec: InputSpec<unknown>, link: Link): string | undefined {
    const source = this.#source(node, name, spec, link);
    if (source === undefined) return undefined;
    const output = this.registry.get(source.type)!.outputs[link.output]!;
    if (definition.validate?.types !== true && !fits(output.type, spec.type)) {
      this.report(problems.mismatch(node, name, spec, link, output.type.name, nodeName(source.id, source.type, source.title)));
    }
    return output.type.name;
  }

  /** The node a link comes from, or a problem. */
  #source(node: GraphNode, name: string, spec: InputSpec<unknown> | undefined, link: Link): GraphNode | undefined {
    const bad = (what: string, hint?: string) => {
      this.report(problems.badLink(node, name, spec, link, what, hint));
      return undefined;
    };
    if (typeof link.node !== 'string' || !Number.isInteger(link.output) || link.output < 0) return bad('its link is none: [node id, slot number] is needed');
    const source = this.graph.nodes.get(link.node);
    if (source === undefined) return bad(`it is linked to node ${link.node}, which does not exist`, 'connect another node or remove the link');
    const { outputs } = this.registry.get(source.type)!;
    if (link.output < outputs.length) return source;
    const listed = outputs.map((output, i) => `${i} ${output.name}`).join(', ');
    return bad(`it is linked to output ${link.output} of ${nodeName(source.id, source.type, source.title)}, which has ${outputs.length}`, outputs.length === 0 ? undefined : `outputs are ${listed}`);
  }

  #literal(node: GraphNode, definition: AnyNode, name: string, spec: InputSpec<unknown>, literal: Literal, constants: Map<string, unknown>): void {
    let value: unknown;
    try {
      if (needsLink(spec)) throw new Error('it cannot be written down; connect a link');
      value = coerce(spec, literal);
    } catch (error) {
      this.report(problems.invalid(node, name, spec, literal, error));
      return;
    }
    constants.set(name, value);
    const custom = definition.validate?.inputs;
    if (custom === 'all' || custom?.includes(name) === true) return;
    const number = typeof value === 'number' || typeof value === 'bigint' ? value : undefined;
    const given = number === undefined ? value as Literal : literalOf(spec, number);
    const [min, max] = [boundOf(spec, 'min'), boundOf(spec, 'max')];
    if (Number.isNaN(number) && (min ?? max) !== undefined) this.report(problems.invalid(node, name, spec, literal, new Error('it lies in no range')));
    else if (number !== undefined && min !== undefined && number < min) this.report(problems.tooSmall(node, name, spec, given));
    else if (number !== undefined && max !== undefined && number > max) this.report(problems.tooBig(node, name, spec, given));
    else if (spec.choices !== undefined) this.#choice(node, name, spec, given);
  }

  #choice(node: GraphNode, name: string, spec: InputSpec<unknown>, value: Literal): void {
    const compare = (choices: readonly Literal[]) => {
      // 1n and 1 are one number to the user
      // eslint-disable-next-line eqeqeq -- == compares a bigint with a number by value
      const isListed = choices.some((choice) => choice === value || (typeof choice !== 'string' && typeof value !== 'string' && typeof choice === 'bigint' !== (typeof value === 'bigint') && choice == value));
      if (!isListed) this.report(problems.notInList(node, name, spec, value, choices));
    };
    const { choices } = spec;
    if (typeof choices !== 'function') {
      compare(choices!);
      return;
    }
    const listed = this.#choices.get(spec) ?? Promise.resolve().then(() => choices(this.env));
    this.#choices.set(spec, listed);
    this.#pending.push(listed.then(compare, (error: unknown) => this.report(problems.checkThrew(node, [name], error))));
  }

  /** The node's check sees the named inputs only: literals as values, links as undefined. */
  #custom(node: GraphNode, definition: AnyNode, constants: ReadonlyMap<string, unknown>, types: Readonly<Record<string, string>>): void {
    const { inputs, types: seesTypes, check } = definition.validate!;
    const names = inputs === 'all' ? [...node.inputs.keys()] : inputs;
    if (names.length === 0 && seesTypes !== true) return;
    const known = Object.fromEntries(names.map((name) => [name, constants.has(name) ? constants.get(name) : undeclaredLiteral(node, definition, name)]));
    const checked = (async () => {
      try {
        const result = await check(known, types, this.env);
        if (result !== true) this.report(problems.checkFailed(node, names, result));
      } catch (error) {
        this.report(problems.checkThrew(node, names, error));
      }
    })();
    this.#pending.push(checked);
  }
}

function isFollowed(definition: AnyNode, name: string): boolean {
  return definition.rest !== undefined || definition.inputs[name] !== undefined;
}

/** null for an optional input that only a link can fill means that nothing is connected. */
function isAbsent(spec: InputSpec<unknown>, input: Input): boolean {
  return spec.optional === true && !isLink(input) && input.literal === null && needsLink(spec);
}

/** True for types whose values cannot be written down: pictures, and what lives on a device. */
function needsLink({ type, coerce: convert }: InputSpec<unknown>): boolean {
  return convert === undefined && (type.held !== undefined || type.name === 'IMAGE' || type.name === 'MASK');
}

/** A whole number is told as one. */
function literalOf({ type }: InputSpec<unknown>, value: number | bigint): Literal {
  return type.name === 'INT' && typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value;
}

function undeclaredLiteral(node: GraphNode, definition: AnyNode, name: string): unknown {
  const input = node.inputs.get(name);
  return definition.inputs[name] === undefined && input !== undefined && !isLink(input) ? input.literal : undefined;
}

/** The problems of nodes that failed outputs depend on, each with those outputs. */
function withDependents(check: Check, failed: readonly NodeId[]): NodeProblem[] {
  const dependents = new Map<NodeId, NodeId[]>();
  for (const output of failed) {
    const seen = new Set([output]);
    for (const id of seen) {
      if (check.problems.has(id)) dependents.set(id, [...(dependents.get(id) ?? []), output]);
      for (const { node } of check.linksOf(id)) seen.add(node);
    }
  }
  return [...check.problems].flatMap(([id, found]) => found.map((problem) => ({ ...problem, dependentOutputs: dependents.get(id) ?? [] })));
}

function inOrder(graph: Graph, found: readonly NodeProblem[]): NodeProblem[] {
  if (found.length < 2) return [...found];
  const place = new Map([...graph.nodes.keys()].map((id, i) => [id, i]));
  return [...found].sort((a, b) => place.get(a.node)! - place.get(b.node)!);
}
