// Node definitions as data, in the shape of ComfyUI's /object_info, read into what the conversion of a workflow needs:
// which inputs are widgets, in which order, and what their values look like. Rules: editor.md §3, comfy-contract §1.5.
import { FormatError } from './errors.ts';
import { describeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';

export interface InputShape {
  readonly name: string;
  /** A list of choices is COMBO. */
  readonly type: string;
  readonly isOptional: boolean;
  readonly options: JsonObject;
  /** Absent: a socket only. */
  readonly widget?: WidgetShape;
}

export interface WidgetShape {
  /** What a new node starts with; undefined for a list without choices. */
  readonly initial: Json | undefined;
  /** Entries after its value in `widgets_values`: what happens after a run, and for a COMBO a filter. */
  readonly controls: number;
  /** `{a|b}` stands for one of both. */
  readonly hasDynamicPrompts: boolean;
}

export interface NodeShape {
  readonly type: string;
  readonly title: string;
  /** Required, then optional, in the order declared. */
  readonly inputs: readonly InputShape[];
  /** Types of the outputs; a list of choices is COMBO. */
  readonly outputs: readonly string[];
  readonly isOutput: boolean;
}

/** Looks a node type up; undefined where it is unknown. */
export type Definitions = (type: string) => NodeShape | undefined;

const widgetTypes = new Set(['INT', 'FLOAT', 'STRING', 'BOOLEAN', 'COMBO', 'MARKDOWN', 'COLOR']);

/** Reads /object_info; each definition at its first use, so that a broken one harms only those who need it. */
export function readDefinitions(objectInfo: Json): Definitions {
  if (!isJsonObject(objectInfo)) throw new FormatError(`object_info must be an object of definitions by node type, got ${describeJson(objectInfo)}`);
  const shapes = new Map<string, NodeShape | undefined>();
  return (type) => {
    if (!shapes.has(type)) shapes.set(type, objectInfo.has(type) ? readShape(type, objectInfo.get(type)!) : undefined);
    return shapes.get(type);
  };
}

function readShape(type: string, json: Json): NodeShape {
  if (!isJsonObject(json)) throw new FormatError(`object_info of ${type} must be an object, got ${describeJson(json)}`);
  const title = json.get('display_name');
  const outputs = json.get('output');
  return {
    type,
    // ComfyUI's page has names of its own for nodes without one: their class name in words
    title: typeof title === 'string' && title !== '' ? title : type.replace(/([a-z\d])([A-Z])/g, '$1 $2'),
    inputs: [...inputsOf(json, 'required'), ...inputsOf(json, 'optional')],
    outputs: isJsonArray(outputs) ? outputs.map((output) => (typeof output === 'string' ? output : 'COMBO')) : [],
    isOutput: json.get('output_node') === true,
  };
}

/** Inputs of one kind: those of `input_order` first, so that a server which sorts its keys does no harm. */
function inputsOf(json: JsonObject, kind: 'required' | 'optional'): readonly InputShape[] {
  const input = json.get('input');
  const specs = isJsonObject(input) ? input.get(kind) : undefined;
  if (!isJsonObject(specs)) return [];
  const orders = json.get('input_order');
  const order = isJsonObject(orders) ? orders.get(kind) : undefined;
  const listed = isJsonArray(order) ? order.filter((name): name is string => typeof name === 'string' && specs.has(name)) : [];
  const names = new Set([...listed, ...specs.keys()]);
  return [...names].map((name) => readInput(name, specs.get(name)!, kind === 'optional'));
}

/** `[TYPE, options]`, `[TYPE]`, bare TYPE, or `[[choices], options]`. */
function readInput(name: string, spec: Json, isOptional: boolean): InputShape {
  const [written, given] = isJsonArray(spec) ? [spec[0], spec[1]] : [spec, undefined];
  const options = isJsonObject(given) ? given : new Map<string, Json>();
  const type = typeof written === 'string' ? written : 'COMBO';
  const widgetType = options.get('widgetType');
  const isSocketOnly = options.get('forceInput') === true || !widgetTypes.has(typeof widgetType === 'string' ? widgetType : type);
  if (isSocketOnly) return { name, type, isOptional, options };
  const choices = isJsonArray(written) ? written : options.get('options');
  return { name, type, isOptional, options, widget: { initial: initialOf(type, options, choices), controls: controlsOf(name, type, options), hasDynamicPrompts: options.get('dynamicPrompts') === true } };
}

function initialOf(type: string, options: JsonObject, choices: Json | undefined): Json | undefined {
  if (options.has('default')) return options.get('default');
  switch (type) {
    case 'INT': return options.get('min') ?? 0n;
    case 'FLOAT': return options.get('min') ?? 0;
    case 'BOOLEAN': return false;
    case 'COMBO': return isJsonArray(choices) ? choices[0] : undefined;
    default: return '';
  }
}

/** An INT has a control entry when it asks for one, or does not say and is called as seeds are; FLOAT and COMBO only when they ask. */
export function controlsOf(name: string, type: string, options: JsonObject): number {
  const asked = options.get('control_after_generate');
  const isAsked = asked === true || typeof asked === 'string';
  if (type === 'INT') return isAsked || (asked === undefined && (name === 'seed' || name === 'noise_seed')) ? 1 : 0;
  if (type === 'FLOAT') return isAsked ? 1 : 0;
  return type === 'COMBO' && isAsked ? 2 : 0;
}
