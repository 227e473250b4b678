// What goes wrong in a run, with the node, the call and the values it got.
import type { Failure } from './events.ts';
import type { PlanNode } from './plan.ts';
import { nodeName, type NodeProblem, type Refusal, sentence } from '../graph/problems.ts';
import type { Image } from '../graph/node.ts';

/** A call of a node threw. */
export class CallError extends Error {
  readonly call: number;
  readonly inputs: Readonly<Record<string, unknown>>;

  constructor(cause: unknown, call: number, inputs: Readonly<Record<string, unknown>>) {
    super(messageOf(cause), { cause });
    this.call = call;
    this.inputs = inputs;
  }
}

/** The graph has nothing that can run. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly refusal: Refusal;
  readonly problems: readonly NodeProblem[];

  constructor(refusal: Refusal, problems: readonly NodeProblem[]) {
    super(sentence(refusal));
    this.refusal = refusal;
    this.problems = problems;
  }
}

/** The node does not do what its declaration says, or expands into nonsense. */
export function failureOf(node: PlanNode, error: unknown): Failure {
  const cause = error instanceof CallError ? error.cause : error;
  const reason = messageOf(cause);
  const call = error instanceof CallError ? error.call : undefined;
  const inner = node.parent === null ? '' : `, inside node ${node.real}`;
  const which = call === undefined || call === 0 ? '' : `, call ${call + 1}`;
  return {
    type: node.definition.type,
    title: node.title,
    ...(call === undefined ? {} : { call }),
    name: cause instanceof Error ? cause.name : 'Error',
    message: `${nodeName(node.id, node.definition.type, node.title)}${inner}${which}: ${reason}`,
    reason,
    stack: cause instanceof Error ? cause.stack ?? '' : '',
    inputs: error instanceof CallError ? shortValues(error.inputs) : {},
  };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function shortValues(inputs: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, shortValue(value)]));
}

/** A value in a few words. */
export function shortValue(value: unknown): string {
  if (typeof value === 'string') return value.length > 60 ? `${JSON.stringify(value.slice(0, 57))}…` : JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? 'function' : String(value);
  if (Array.isArray(value)) return value.length <= 3 ? `[${value.map(shortValue).join(', ')}]` : `[${value.length} values]`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${(value as unknown as ArrayLike<number>).length})`;
  if (value instanceof Map) return `Map(${value.size})`;
  if (isImage(value)) return `${value.batch} × ${value.width}×${value.height} image`;
  const { constructor } = value as { constructor?: { name?: string } };
  return constructor === undefined || constructor === Object ? `{ ${Object.keys(value).slice(0, 6).join(', ')} }` : constructor.name ?? 'object';
}

function isImage(value: object): value is Image {
  return 'batch' in value && 'width' in value && 'height' in value && 'data' in value && ArrayBuffer.isView(value.data);
}
