// A workflow as data: nodes, their inputs, links between them. Pure and browser-safe; knows no execution.
import type { Json } from '../formats/json.ts';

export type NodeId = string;

/** A constant as it was written: 5 is a bigint, 5.0 a number. */
export type Literal = Json;

/** One output of a node. The slot index is its identity; names may repeat. */
export interface Link {
  readonly node: NodeId;
  readonly output: number;
}

export type Input = { readonly link: Link } | { readonly literal: Literal };

export interface GraphNode {
  readonly id: NodeId;
  readonly type: string;
  readonly inputs: ReadonlyMap<string, Input>;
  readonly title?: string;
  /** Name of the device this node is placed on; absent = the default. */
  readonly device?: string;
}

/** Nodes in the order they were written. */
export interface Graph {
  readonly nodes: ReadonlyMap<NodeId, GraphNode>;
}

/** A mistake of the user: what, where, what was given, what to do. */
export interface Problem {
  /** A word a program can test, such as `value_bigger_than_max`. */
  readonly code: string;
  readonly message: string;
  readonly node?: NodeId;
  readonly title?: string;
  readonly input?: string;
  readonly received?: Literal;
  /** What to do about it, when that is known. */
  readonly hint?: string;
}

export function isLink(input: Input): input is { readonly link: Link } {
  return 'link' in input;
}
