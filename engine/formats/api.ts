// The API form of a workflow: what ComfyUI's POST /prompt takes. Reading, writing, and the plain graph inside it.
// Rules: comfy-contract §3.1. Pure and browser-safe; knows no node definitions.
import { FormatError } from './errors.ts';
import { describeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';

export interface ApiNode {
  readonly class_type: string;
  /** As they were written: a link is a list `["4", 0]`, a literal list stands inside `{"__value__": […]}`. */
  readonly inputs: ReadonlyMap<string, Json>;
  readonly title?: string;
  /** `_meta.device`: where the node is placed. */
  readonly device?: string;
}

/** Nodes by id, in the order they were written. */
export interface ApiPrompt {
  readonly nodes: ReadonlyMap<string, ApiNode>;
}

/** The same as engine/graph's Graph, which this folder does not import. */
export interface PlainGraph {
  readonly nodes: ReadonlyMap<string, PlainNode>;
}

export interface PlainNode {
  readonly id: string;
  readonly type: string;
  readonly inputs: ReadonlyMap<string, PlainInput>;
  readonly title?: string;
  readonly device?: string;
}

export type PlainInput = { readonly link: PlainLink } | { readonly literal: Json };
export interface PlainLink { readonly node: string; readonly output: number }

/** A list that is neither a link nor wrapped. In the graph it is a link to nowhere, so that validation refuses it where the input is declared. */
export interface BadLink {
  readonly node: string;
  readonly input: string;
  readonly received: Json;
}

/** True for an object of objects, one of which at least has a class_type. */
export function isApiForm(json: Json): json is JsonObject {
  if (!isJsonObject(json)) return false;
  const nodes = [...json.values()];
  return nodes.every(isJsonObject) && nodes.some((node) => node.has('class_type'));
}

/** Reads the API form. Throws a FormatError that names node and key. A node without class_type gets '' there, for validation to report. */
export function parsePrompt(json: Json): ApiPrompt {
  if (!isJsonObject(json)) throw new FormatError(`a prompt is an object of nodes by id, got ${describeJson(json)}`);
  return { nodes: new Map([...json].map(([id, node]) => [id, parseNode(id, node)])) };
}

function parseNode(id: string, json: Json): ApiNode {
  const where = `node ${JSON.stringify(id)}`;
  if (!isJsonObject(json)) throw new FormatError(`${where}: expected an object with class_type and inputs, got ${describeJson(json)}`);
  const type = json.get('class_type') ?? '';
  if (typeof type !== 'string') throw new FormatError(`${where}: class_type must be a text, got ${describeJson(type)}`);
  const inputs = json.get('inputs') ?? new Map<string, Json>();
  if (!isJsonObject(inputs)) throw new FormatError(`${where}: inputs must be an object of values by name, got ${describeJson(inputs)}`);
  return { class_type: type, inputs, ...metaOf(json.get('_meta')) };
}

function metaOf(meta: Json | undefined): { title?: string; device?: string } {
  if (!isJsonObject(meta)) return {};
  const title = meta.get('title');
  const device = meta.get('device');
  return { ...(typeof title === 'string' ? { title } : {}), ...(typeof device === 'string' ? { device } : {}) };
}

/** Writes the API form as ComfyUI's page does. */
export function promptJson({ nodes }: ApiPrompt): JsonObject {
  return new Map([...nodes].map(([id, node]) => [id, nodeJson(node)]));
}

function nodeJson({ class_type, inputs, title, device }: ApiNode): JsonObject {
  const meta = new Map<string, Json>();
  if (title !== undefined) meta.set('title', title);
  if (device !== undefined) meta.set('device', device);
  return new Map<string, Json>([['inputs', inputs], ['class_type', class_type], ...(meta.size > 0 ? [['_meta', meta] as const] : [])]);
}

/** The link a written value stands for: a list of a text and a whole number, nothing else. */
export function linkOf(json: Json): PlainLink | undefined {
  if (!isJsonArray(json) || json.length !== 2) return undefined;
  const [node, slot] = json;
  if (typeof node !== 'string' || (typeof slot !== 'bigint' && typeof slot !== 'number')) return undefined;
  const output = Number(slot);
  return Number.isSafeInteger(output) && output >= 0 ? { node, output } : undefined;
}

/** A literal as the API form holds it: lists are wrapped, so that they are not taken for links. */
export function wrapLiteral(literal: Json): Json {
  return isJsonArray(literal) ? new Map([['__value__', literal]]) : literal;
}

function unwrapLiteral(json: Json): Json {
  return isJsonObject(json) && json.has('__value__') ? json.get('__value__')! : json;
}

const nowhere: PlainLink = { node: '', output: -1 };

/** The graph in a prompt, and the lists in it that are no links. */
export function toGraph({ nodes }: ApiPrompt): { readonly graph: PlainGraph; readonly badLinks: readonly BadLink[] } {
  const badLinks: BadLink[] = [];
  const graph = new Map<string, PlainNode>();
  for (const [id, { class_type: type, inputs: written, title, device }] of nodes) {
    const inputs = new Map<string, PlainInput>();
    for (const [name, json] of written) {
      const link = linkOf(json);
      if (link === undefined && isJsonArray(json)) badLinks.push({ node: id, input: name, received: json });
      inputs.set(name, isJsonArray(json) ? { link: link ?? nowhere } : { literal: unwrapLiteral(json) });
    }
    graph.set(id, { id, type, inputs, ...(title === undefined ? {} : { title }), ...(device === undefined ? {} : { device }) });
  }
  return { graph: { nodes: graph }, badLinks };
}

/** The prompt of a graph. */
export function fromGraph({ nodes }: PlainGraph): ApiPrompt {
  return {
    nodes: new Map([...nodes].map(([id, { type, inputs, title, device }]) => [id, {
      class_type: type,
      inputs: new Map([...inputs].map(([name, input]) => [name, 'link' in input ? [input.link.node, BigInt(input.link.output)] : wrapLiteral(input.literal)])),
      ...(title === undefined ? {} : { title }), ...(device === undefined ? {} : { device }),
    }])),
  };
}

/** Id of the node called `name`: an id, else a title that one node alone has. Throws with the nodes there are. */
export function findNode({ nodes }: ApiPrompt, name: string): string {
  if (nodes.has(name)) return name;
  const titled = [...nodes].filter(([, node]) => node.title === name).map(([id]) => id);
  if (titled.length === 1) return titled[0]!;
  if (titled.length > 1) throw new FormatError(`${titled.length} nodes have the title ${JSON.stringify(name)}: use an id, one of ${titled.join(', ')}`);
  const known = [...nodes].slice(0, 40).map(([id, node]) => `${id} (${node.title ?? node.class_type})`);
  throw new FormatError(`no node has the id or title ${JSON.stringify(name)}; the nodes are ${known.join(', ')}${nodes.size > 40 ? ', …' : ''}`);
}

/** A copy of the prompt with one input set to a literal, in place of a literal or link. */
export function withInput({ nodes }: ApiPrompt, id: string, input: string, literal: Json): ApiPrompt {
  const node = nodes.get(id);
  if (node === undefined) throw new FormatError(`no node has the id ${JSON.stringify(id)}`);
  return { nodes: new Map(nodes).set(id, { ...node, inputs: new Map(node.inputs).set(input, wrapLiteral(literal)) }) };
}
