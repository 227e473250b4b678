// A workflow as editors save it → the API form, as ComfyUI's page makes it before it queues a prompt. Needs the node definitions as data.
// Rules: editor.md §3, comfy-contract §4; golden: test/golden/converter. Pure and browser-safe.
import { wrapLiteral, type ApiNode, type ApiPrompt } from './api.ts';
import { pickDynamicPrompt } from './dynamic-prompt.ts';
import { bypassed, flatten, insideOut, instanceValues, muted, type InstanceValues, type Scope, type ScopedNode } from './flatten.ts';
import { isJsonArray, isJsonObject, type Json } from './json.ts';
import { sourceOf } from './link-source.ts';
import type { Definitions } from './object-info.ts';
import { widgetValues } from './widgets.ts';
import { readWorkflow } from './workflow-file.ts';

export interface Pick {
  readonly node: string;
  readonly input: string;
  readonly written: string;
  readonly picked: string;
}

export interface Conversion {
  readonly prompt: ApiPrompt;
  /** What the user may want to know: unknown types, links that lead nowhere. */
  readonly notices: readonly string[];
  /** Dynamic prompts that were replaced by one of their choices. */
  readonly picks: readonly Pick[];
}

export interface ConversionOptions {
  /** Decides what dynamic prompts become; without it each text decides for itself. */
  readonly seed?: bigint;
}

/**
 * Converts a workflow file (UI form, schema 0.4 or 1). Nodes of unknown type are passed on with their links, so that validation names them.
 * Throws a FormatError where the file has another shape, a subgraph holds itself, or a link runs in a circle.
 */
export function convertWorkflow(workflow: Json, definitions: Definitions, options: ConversionOptions = {}): Conversion {
  const scope = flatten(readWorkflow(workflow), definitions);
  const converter = new Converter(options);
  const nodes = converter.convert(scope);
  return { prompt: { nodes }, notices: converter.notices, picks: converter.picks };
}

class Converter {
  readonly notices: string[] = [];
  readonly picks: Pick[] = [];
  readonly #seed: bigint | undefined;
  readonly #instances = new Map<ScopedNode, InstanceValues>();
  /** Values that primitives write into the widgets they are linked to: `12:3 text`. */
  readonly #primitives = new Map<string, Json>();

  constructor({ seed }: ConversionOptions) {
    this.#seed = seed;
  }

  convert(scope: Scope): Map<string, ApiNode> {
    const nodes = [...insideOut(scope)];
    for (const node of nodes) if (node.node.type === 'PrimitiveNode') this.#writePrimitive(node);
    const running = nodes.filter(({ node, isVirtual }) => !isVirtual && node.mode !== muted && node.mode !== bypassed);
    const converted = running.map((node) => [node.id, this.#convertNode(node)] as const);
    // the page's object lists ids that are whole numbers first, in their order
    const isIndex = (id: string) => /^(0|[1-9]\d{0,9})$/.test(id) && Number(id) < 2 ** 32 - 1;
    return new Map([...converted.filter(([id]) => isIndex(id)).sort(([a], [b]) => Number(a) - Number(b)), ...converted.filter(([id]) => !isIndex(id))]);
  }

  #convertNode(scoped: ScopedNode): ApiNode {
    const { id, node, shape } = scoped;
    const inputs = new Map<string, Json>();
    for (const [name, value] of this.#ownValues(scoped)) inputs.set(name, wrapLiteral(value));
    for (const input of scoped.inputs) this.#addLink(scoped, input, inputs);
    for (const { name, widget } of shape?.inputs ?? []) {
      const written = inputs.get(name);
      if (widget?.hasDynamicPrompts === true && typeof written === 'string') inputs.set(name, this.#pick(id, name, written));
    }
    if (shape === undefined) this.notices.push(`node ${id}: the type ${JSON.stringify(node.type)} is unknown, so only its links could be read`);
    const device = node.properties.get('device');
    return { class_type: node.type, inputs, title: node.title ?? shape?.title ?? node.type, ...(typeof device === 'string' ? { device } : {}) };
  }

  /** What the widgets of a node say, before links. */
  #ownValues(scoped: ScopedNode): Map<string, Json> {
    const { id, node, shape, scope } = scoped;
    const values = shape !== undefined ? widgetValues(node, shape) : new Map(isJsonObject(node.values) ? node.values : []);
    for (const name of values.keys()) {
      const promoted = scope.instance && this.#valuesOf(scope.instance).inner.get(`${node.id} ${name}`);
      const value = this.#primitives.get(`${id} ${name}`) ?? promoted;
      if (value !== undefined) values.set(name, value);
    }
    return values;
  }

  #addLink(scoped: ScopedNode, input: ScopedNode['inputs'][number], inputs: Map<string, Json>): void {
    if (input.link === undefined || input.name === '') return;
    const source = sourceOf(scoped, input, (instance) => this.#valuesOf(instance));
    if ('value' in source) inputs.set(input.name, wrapLiteral(source.value));
    else if ('because' in source) {
      if (source.because !== undefined) this.notices.push(`node ${scoped.id} (${scoped.node.title ?? scoped.node.type}), input ${input.name}: dropped, for ${source.because}`);
    } else inputs.set(input.name, [source.node.id, BigInt(source.output)]);
  }

  #pick(node: string, input: string, written: string): string {
    const picked = pickDynamicPrompt(written, this.#seed);
    if (picked !== written) this.picks.push({ node, input, written, picked });
    return picked;
  }

  #valuesOf(instance: ScopedNode): InstanceValues {
    const known = this.#instances.get(instance) ?? instanceValues(instance);
    this.#instances.set(instance, known);
    return known;
  }

  /** A primitive writes its value into the widgets at the ends of its links, through reroutes. */
  #writePrimitive(primitive: ScopedNode): void {
    const { node, scope, inputs } = primitive;
    const fromGroup = inputs.find(({ name }) => name === 'value');
    const source = fromGroup && sourceOf(primitive, fromGroup, (instance) => this.#valuesOf(instance));
    const own = isJsonArray(node.values) ? node.values[0] : node.values.get('value');
    const value = source !== undefined && 'value' in source ? source.value : own;
    if (value === undefined || value === null) return;
    const reached = new Set<string>();
    const ends = [node.id];
    for (let from = ends.pop(); from !== undefined; from = ends.pop()) {
      if (reached.has(from)) continue;
      reached.add(from);
      for (const target of scope.nodes.values()) {
        for (const input of target.inputs) {
          if (input.link === undefined || scope.links.get(input.link)?.from !== from) continue;
          if (target.node.type === 'Reroute') ends.push(target.node.id);
          else this.#primitives.set(`${target.id} ${input.name}`, value);
        }
      }
    }
  }
}
