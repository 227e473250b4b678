// What can be wrong with a graph, as data: a code a program can test, a sentence for the user, and what an edge needs to build its own error bodies.
// The codes of node problems are ComfyUI's, for clients know them; the words are ours.
import type { GraphNode, Link, Literal, NodeId, Problem } from './graph.ts';
import type { AnyNode, InputSpec } from './node.ts';
import { boundOf, pythonText } from './coerce.ts';

export type ProblemCode =
  | 'required_input_missing' | 'bad_linked_input' | 'return_type_mismatch' | 'invalid_input_type'
  | 'value_smaller_than_min' | 'value_bigger_than_max' | 'value_not_in_list'
  | 'custom_validation_failed' | 'exception_during_validation' | 'dependency_cycle' | 'unknown_device' | 'undeclared_input';

/** Why nothing can run. */
export type RefusalCode = 'no_prompt' | 'invalid_prompt' | 'prompt_no_outputs' | 'prompt_outputs_failed_validation';

/** A problem of one node. */
export interface NodeProblem extends Problem {
  readonly code: ProblemCode;
  readonly node: NodeId;
  readonly type: string;
  readonly spec?: InputSpec<unknown>;
  /** Inputs the failed check had looked at. */
  readonly inputs?: readonly string[];
  readonly receivedType?: string;
  readonly linked?: Link;
  readonly choices?: readonly Literal[];
  /** What a check or conversion threw. */
  readonly exception?: { readonly name: string; readonly message: string; readonly stack: string };
  /** The reason a check gave. */
  readonly reason?: string;
  /** Outputs that cannot run because of it. */
  readonly dependentOutputs: readonly NodeId[];
}

export interface Refusal extends Problem {
  readonly code: RefusalCode;
  readonly type?: string;
}

type Details = Omit<NodeProblem, 'code' | 'message' | 'node' | 'title' | 'type' | 'dependentOutputs'>;

/** A node as messages name it: `Load Image "cat" (node 3)`. */
export function nodeName(id: NodeId, type: string, title?: string): string {
  return title === undefined || title === type ? `${type} (node ${id})` : `${type} "${title}" (node ${id})`;
}

export function problemOf(node: GraphNode, code: ProblemCode, what: string, details: Details = {}): NodeProblem {
  const where = nodeName(node.id, node.type, node.title) + (details.input === undefined ? '' : `, input ${details.input}`);
  return {
    code, message: `${where}: ${what}`, node: node.id, type: node.type, ...(node.title === undefined ? {} : { title: node.title }), ...details, dependentOutputs: [],
  };
}

export const problems = {
  missing: (node: GraphNode, input: string, spec: InputSpec<unknown>) =>
    problemOf(node, 'required_input_missing', `it is required (${spec.type.name})`, { input, spec, hint: 'connect a link or give a value' }),

  badLink: (node: GraphNode, input: string, spec: InputSpec<unknown> | undefined, linked: Link, what: string, hint?: string) =>
    problemOf(node, 'bad_linked_input', what, { input, linked, ...(spec === undefined ? {} : { spec }), received: [linked.node, BigInt(Math.trunc(linked.output) || 0)], ...(hint === undefined ? {} : { hint }) }),

  mismatch: (node: GraphNode, input: string, spec: InputSpec<unknown>, linked: Link, from: string, source: string) =>
    problemOf(node, 'return_type_mismatch', `it takes ${spec.type.name}, but output ${linked.output} of ${source} gives ${from}`, { input, spec, linked, receivedType: from }),

  invalid: (node: GraphNode, input: string, spec: InputSpec<unknown>, literal: Literal, error: unknown) =>
    problemOf(node, 'invalid_input_type', `${shortLiteral(literal)} is no ${spec.type.name}: ${exceptionOf(error).message}`, { input, spec, received: literal, exception: exceptionOf(error) }),

  tooSmall: (node: GraphNode, input: string, spec: InputSpec<unknown>, value: Literal) =>
    problemOf(node, 'value_smaller_than_min', `${shortLiteral(value)} is below the least allowed value ${boundOf(spec, 'min')}`, { input, spec, received: value, hint: `give ${rangeText(spec)}` }),

  tooBig: (node: GraphNode, input: string, spec: InputSpec<unknown>, value: Literal) =>
    problemOf(node, 'value_bigger_than_max', `${shortLiteral(value)} is above the greatest allowed value ${boundOf(spec, 'max')}`, { input, spec, received: value, hint: `give ${rangeText(spec)}` }),

  notInList: (node: GraphNode, input: string, spec: InputSpec<unknown>, value: Literal, choices: readonly Literal[]) =>
    problemOf(node, 'value_not_in_list', `${shortLiteral(value)} is not in the list`, { input, spec, received: value, choices, hint: listText(choices) }),

  checkFailed: (node: GraphNode, inputs: readonly string[], reason: string) =>
    problemOf(node, 'custom_validation_failed', reason, { inputs, reason, ...(inputs.length === 1 ? { input: inputs[0]! } : {}) }),

  checkThrew: (node: GraphNode, inputs: readonly string[], error: unknown) =>
    problemOf(node, 'exception_during_validation', `its check failed: ${exceptionOf(error).message}`, { inputs, exception: exceptionOf(error) }),

  cycle: (node: GraphNode, path: readonly NodeId[]) =>
    problemOf(node, 'dependency_cycle', `it depends on itself: ${pathText(path)}`, { hint: 'remove one of these links' }),

  unknownDevice: (node: GraphNode, device: string, known: readonly string[]) =>
    problemOf(node, 'unknown_device', `there is no device ${device}`, { hint: known.length === 0 ? 'no device was opened' : `devices are ${known.join(', ')}` }),

  undeclared: (node: GraphNode, definition: AnyNode, input: string) =>
    problemOf(node, 'undeclared_input', 'there is no such input, so its link is dropped', { input, hint: `inputs are ${Object.keys(definition.inputs).join(', ') || 'none'}` }),
} as const;

export function unknownType(node: GraphNode, nearest: readonly string[]): Refusal {
  const hint = nearest.length === 0 ? 'load the pack that has it; `bagelgraph nodes` lists what is known' : `did you mean ${nearest.join(' or ')}?`;
  return {
    code: 'invalid_prompt', message: `${nodeName(node.id, node.type, node.title)}: there is no node type ${node.type}`,
    node: node.id, type: node.type, hint, ...(node.title === undefined ? {} : { title: node.title }),
  };
}

export const refusals = {
  noOutputs: (asked: readonly NodeId[] | undefined): Refusal => ({
    code: 'prompt_no_outputs',
    message: asked === undefined ? 'the graph has no output node, so there is nothing to make' : `none of the nodes asked for (${asked.join(', ') || 'an empty list'}) is an output node`,
    hint: 'add a node such as SaveImage or PreviewAny',
  }),
  allFailed: (found: readonly NodeProblem[]): Refusal => ({
    code: 'prompt_outputs_failed_validation', message: `no output can be made: ${found.slice(0, 3).map(sentence).join('; ')}${found.length > 3 ? `; and ${found.length - 3} more` : ''}`,
  }),
} as const;

/** Message and hint in one line. */
export function sentence(problem: Problem): string {
  return problem.hint === undefined ? problem.message : `${problem.message} (${problem.hint})`;
}

export function exceptionOf(error: unknown): { readonly name: string; readonly message: string; readonly stack: string } {
  return error instanceof Error ? { name: error.name, message: error.message, stack: error.stack ?? '' } : { name: 'Error', message: String(error), stack: '' };
}

export function shortLiteral(literal: Literal): string {
  const text = typeof literal === 'string' ? JSON.stringify(literal) : pythonText(literal);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function rangeText(spec: InputSpec<unknown>): string {
  const [min, max] = [boundOf(spec, 'min'), boundOf(spec, 'max')];
  return min === undefined ? `at most ${max}` : max === undefined ? `at least ${min}` : `a value from ${min} to ${max}`;
}

function listText(choices: readonly Literal[]): string {
  if (choices.length === 0) return 'the list is empty';
  const shown = choices.slice(0, 20).map((choice) => (typeof choice === 'string' ? choice : shortLiteral(choice)));
  return `one of: ${shown.join(', ')}${choices.length > 20 ? ` and ${choices.length - 20} more` : ''}`;
}

function pathText(path: readonly NodeId[]): string {
  const shown = path.length > 8 ? [...path.slice(0, 4), '…', ...path.slice(-3)] : path;
  return [...shown, path[0]!].join(' → ');
}
