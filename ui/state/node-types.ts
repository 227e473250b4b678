// What a node type looks like in the editor: title, inputs with their widgets, outputs. Read from /object_info on top of engine/formats,
// so that editor and conversion agree on what is a widget. Knows no documents.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../engine/formats/json.ts';
import { readDefinitions, type Definitions, type InputShape } from '../../engine/formats/object-info.ts';
import type { ControlMode } from './document.ts';

export interface NodeType {
  readonly type: string;
  readonly title: string;
  readonly category: string;
  readonly description: string;
  /** In the order declared. Nodes show sockets first, then widgets. */
  readonly inputs: readonly InputType[];
  readonly outputs: readonly OutputType[];
  /** It makes a run worth running: saves or shows something. */
  readonly isOutput: boolean;
  readonly isDeprecated: boolean;
  readonly isExperimental: boolean;
  /** Exists in editors only; never part of a run. */
  readonly isVirtual: boolean;
  /** Made from a subgraph's definition. */
  readonly isSubgraph: boolean;
  /** The pack it comes from. */
  readonly pack: string;
  /** Other words to find it by. */
  readonly aliases: readonly string[];
}

export interface InputType {
  readonly name: string;
  readonly label?: string;
  /** A list of choices is COMBO. */
  readonly type: string;
  readonly isOptional: boolean;
  readonly isAdvanced: boolean;
  readonly isHidden: boolean;
  readonly tooltip?: string;
  /** Absent: a socket only. */
  readonly widget?: Widget;
}

export interface OutputType {
  readonly name: string;
  readonly type: string;
  readonly isList: boolean;
  readonly tooltip?: string;
}

interface WidgetBase {
  /** What a new node starts with; null for a list without choices. */
  readonly initial: Json;
  /** 0: no control; 1: a mode; 2: a mode and a filter. */
  readonly controls: 0 | 1 | 2;
  readonly initialMode: ControlMode;
}

export type Widget = WidgetBase & (
  | { readonly kind: 'integer'; readonly min: bigint; readonly max: bigint; readonly step: bigint; readonly display: NumberDisplay }
  /** `round`: values are multiples of it; `digits` shown after the point. */
  | { readonly kind: 'float'; readonly min: number; readonly max: number; readonly step: number; readonly round: number | undefined; readonly digits: number; readonly display: NumberDisplay }
  | { readonly kind: 'toggle'; readonly on: string; readonly off: string }
  | { readonly kind: 'choice'; readonly choices: readonly Json[]; readonly isMultiple: boolean; readonly upload: Upload | undefined; readonly remote: JsonObject | undefined }
  /** `device`: it names devices of the server, separated by commas where it takes several. */
  | { readonly kind: 'text'; readonly isMultiline: boolean; readonly placeholder: string; readonly isMarkdown: boolean; readonly device?: 'one' | 'several' }
  | { readonly kind: 'color' });

export type NumberDisplay = 'number' | 'slider';
export interface Upload { readonly accept: 'image' | 'video' | 'audio'; readonly folder: string }

export interface NodeTypes {
  get(type: string): NodeType | undefined;
  /** All, in the server's order, the editor's own last. */
  readonly all: readonly NodeType[];
  /** What the conversion of engine/formats takes. */
  readonly definitions: Definitions;
  /** Definitions that could not be read; the others are there. */
  readonly broken: readonly { readonly type: string; readonly reason: string }[];
}

/** Reads /object_info. A broken definition is left out and listed. */
export function readNodeTypes(objectInfo: Json): NodeTypes {
  const read = readDefinitions(objectInfo);
  const types = new Map<string, NodeType>();
  const broken: { type: string; reason: string }[] = [];
  for (const [type, json] of objectInfo as JsonObject) {
    try {
      types.set(type, readNodeType(json as JsonObject, read, type));
    } catch (error) {
      broken.push({ type, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  for (const virtual of virtualTypes) types.set(virtual.type, virtual);
  const isBroken = new Set(broken.map(({ type }) => type));
  return { get: (type) => types.get(type), all: [...types.values()], definitions: (type) => (isBroken.has(type) ? undefined : read(type)), broken };
}

function readNodeType(json: JsonObject, definitions: Definitions, type: string): NodeType {
  const shape = definitions(type)!;
  const names = listOf(json.get('output_name'));
  const lists = listOf(json.get('output_is_list'));
  const tooltips = listOf(json.get('output_tooltips'));
  return {
    type,
    title: shape.title,
    category: textOf(json.get('category')) ?? '',
    description: textOf(json.get('description')) ?? '',
    inputs: shape.inputs.map((input) => readInput(input, rawInput(json, input))),
    outputs: shape.outputs.map((output, i) => ({ name: textOf(names[i]) || output, type: output, isList: lists[i] === true, ...optional('tooltip', textOf(tooltips[i])) })),
    isOutput: shape.isOutput,
    isDeprecated: json.get('deprecated') === true,
    isExperimental: json.get('experimental') === true,
    isVirtual: false,
    isSubgraph: false,
    pack: (textOf(json.get('python_module')) ?? '').replace(/^custom_nodes\./, '').replace(/^nodes$/, 'core'),
    aliases: listOf(json.get('search_aliases')).filter((alias) => typeof alias === 'string'),
  };
}

/** The list of choices of `[[choices], options]`, which the shape does not keep. */
function rawInput(json: JsonObject, { name, isOptional }: InputShape): Json | undefined {
  const inputs = json.get('input');
  const kind = isJsonObject(inputs) ? inputs.get(isOptional ? 'optional' : 'required') : undefined;
  const spec = isJsonObject(kind) ? kind.get(name) : undefined;
  return isJsonArray(spec) ? spec[0] : spec;
}

function readInput({ name, type, isOptional, options, widget }: InputShape, written: Json | undefined): InputType {
  return {
    name, type, isOptional,
    isAdvanced: options.get('advanced') === true,
    isHidden: options.get('hidden') === true,
    ...optional('label', textOf(options.get('display_name'))),
    ...optional('tooltip', textOf(options.get('tooltip'))),
    ...(widget === undefined ? {} : { widget: readWidget(type, options, written, widget.initial, widget.controls, name) }),
  };
}

function readWidget(type: string, options: JsonObject, written: Json | undefined, initial: Json | undefined, controls: number, name: string): Widget {
  const asked = options.get('control_after_generate');
  const base = {
    initial: initial ?? null, controls: controls as 0 | 1 | 2,
    // a number that is not a seed by name stays as it is until its user asks for more
    initialMode: isControlMode(asked) ? asked : type === 'FLOAT' ? 'fixed' as const : 'randomize' as const,
  };
  const display: NumberDisplay = options.get('display') === 'slider' || options.get('display') === 'gradientslider' || options.get('display') === 'knob' ? 'slider' : 'number';
  const widgetType = textOf(options.get('widgetType')) ?? type;
  switch (widgetType) {
    case 'INT': return { ...base, kind: 'integer', display, min: integerOf(options.get('min')) ?? 0n, max: integerOf(options.get('max')) ?? 2048n, step: atLeastOne(integerOf(options.get('step'))), initial: integerOf(base.initial) ?? 0n };
    case 'FLOAT': {
      const step = positive(options.get('step')) ?? 0.5;
      const round = positive(options.get('round'));
      return { ...base, kind: 'float', display, min: numberOf(options.get('min')) ?? 0, max: numberOf(options.get('max')) ?? 2048, step, round, digits: digitsOf(step), initial: numberOf(base.initial) ?? 0 };
    }
    case 'BOOLEAN': return { ...base, kind: 'toggle', on: textOf(options.get('label_on')) ?? '', off: textOf(options.get('label_off')) ?? '', initial: base.initial === true };
    case 'COMBO': {
      const choices = isJsonArray(written) ? written : listOf(options.get('options'));
      const remote = options.get('remote');
      return { ...base, kind: 'choice', choices, isMultiple: options.get('multi_select') === true, upload: uploadOf(options), remote: isJsonObject(remote) ? remote : undefined };
    }
    case 'COLOR': return { ...base, kind: 'color' };
    default: return { ...base, kind: 'text', isMultiline: options.get('multiline') === true || widgetType === 'MARKDOWN', placeholder: textOf(options.get('placeholder')) ?? '', isMarkdown: widgetType === 'MARKDOWN', ...deviceText(name, options) };
  }
}

/** A line of text called `device`, `devices` or `…_device(s)` names devices: packs need say no more. */
function deviceText(name: string, options: JsonObject): { readonly device?: 'one' | 'several' } {
  const found = options.get('multiline') === true ? null : /(?:^|_)device(s?)$/.exec(name);
  return found === null ? {} : { device: found[1] === '' ? 'one' : 'several' };
}

const pictureInputs = new WeakMap<NodeType, InputType | null>();

/** The input of a node type that names an uploaded picture; undefined for types that load none. */
export function pictureInput(type: NodeType): InputType | undefined {
  let found = pictureInputs.get(type);
  if (found === undefined) {
    found = type.inputs.find(({ widget }) => widget?.kind === 'choice' && widget.upload?.accept === 'image') ?? null;
    pictureInputs.set(type, found);
  }
  return found ?? undefined;
}

function uploadOf(options: JsonObject): Upload | undefined {
  const accept = (['image', 'video', 'audio'] as const).find((kind) => options.get(`${kind}_upload`) === true);
  return accept === undefined ? undefined : { accept, folder: textOf(options.get('image_folder')) ?? 'input' };
}

/** Digits after the point that a step needs: 0.05 → 2. */
function digitsOf(step: number): number {
  return Math.min(10, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

const controlModes: readonly ControlMode[] = ['fixed', 'increment', 'increment-wrap', 'decrement', 'randomize'];
export function isControlMode(json: Json | undefined): json is ControlMode {
  return controlModes.some((mode) => mode === json);
}

function integerOf(json: Json | undefined): bigint | undefined {
  if (typeof json === 'bigint') return json;
  return typeof json === 'number' && Number.isFinite(json) ? BigInt(Math.trunc(json)) : undefined;
}

function numberOf(json: Json | undefined): number | undefined {
  if (typeof json === 'bigint') return Number(json);
  return typeof json === 'number' && !Number.isNaN(json) ? json : undefined;
}

function positive(json: Json | undefined): number | undefined {
  const number = numberOf(json);
  return number !== undefined && number > 0 && number < Infinity ? number : undefined;
}

function atLeastOne(step: bigint | undefined): bigint {
  return step !== undefined && step > 0n ? step : 1n;
}

function textOf(json: Json | undefined): string | undefined {
  return typeof json === 'string' ? json : undefined;
}

function listOf(json: Json | undefined): readonly Json[] {
  return isJsonArray(json) ? json : [];
}

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: string };
}

const virtualBase = { category: 'editor', inputs: [], outputs: [], isOutput: false, isDeprecated: false, isExperimental: false, isVirtual: true, isSubgraph: false, pack: 'editor', aliases: [] } as const;
const note = (isMarkdown: boolean): InputType => ({
  name: 'text', type: 'STRING', isOptional: true, isAdvanced: false, isHidden: false,
  widget: { kind: 'text', isMultiline: true, isMarkdown, placeholder: '', initial: '', controls: 0, initialMode: 'fixed' },
});
/** Nodes that editors know and servers do not. */
const virtualTypes: readonly NodeType[] = [
  { ...virtualBase, type: 'Note', title: 'Note', description: 'A text for whoever reads the graph.', inputs: [note(false)], aliases: ['comment', 'text'] },
  { ...virtualBase, type: 'MarkdownNote', title: 'Markdown Note', description: 'A formatted text for whoever reads the graph.', inputs: [note(true)], aliases: ['comment', 'text'] },
  { ...virtualBase, type: 'Reroute', title: 'Reroute', description: 'A bend in a link.', inputs: [{ name: '', type: '*', isOptional: true, isAdvanced: false, isHidden: false }], outputs: [{ name: '', type: '*', isList: false }] },
  { ...virtualBase, type: 'PrimitiveNode', title: 'Primitive', description: 'One value for the inputs it is linked to.', outputs: [{ name: '', type: '*', isList: false }], isDeprecated: true },
];

/** Before the server has answered: the editor's own types alone. */
export const noNodeTypes: NodeTypes = readNodeTypes(new Map());
