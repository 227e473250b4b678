// Node definitions as data, in the shape of ComfyUI's /object_info (comfy-contract §1.5): what editors draw and workflows are converted by.
// Pure and browser-safe; knows no server.
import type { Json, JsonObject } from '../formats/json.ts';
import { boundOf } from './coerce.ts';
import type { Literal } from './graph.ts';
import type { AnyNode, Environment, InputSpec, Registry } from './node.ts';

/** A registry that also knows which pack a node comes from. */
type Source = Registry & { packOf?(type: string): string | undefined };

const hiddenTypes = { prompt: 'PROMPT', extras: 'EXTRA_PNGINFO', id: 'UNIQUE_ID', graph: 'DYNPROMPT' } as const;

/** Every node by type, in the registry's order; or those named in `types` alone, under these names, where they are known. */
export async function objectInfo(registry: Source, env: Environment, types?: Iterable<string>): Promise<JsonObject> {
  const named = types === undefined ? registry.all().map((node) => [node.type, node] as const) : [...new Set(types)].map((type) => [type, registry.get(type)] as const);
  const known = named.filter((entry): entry is readonly [string, AnyNode] => entry[1] !== undefined);
  return new Map(await Promise.all(known.map(async ([type, node]) => [type, await nodeInfo(node, env, registry.packOf?.(node.type))] as const)));
}

/** One node. A list of choices that cannot be made is empty: one bad definition must not hide the others. */
export async function nodeInfo(node: AnyNode, env: Environment, pack?: string): Promise<JsonObject> {
  const kinds = new Map<string, Map<string, Json>>([['required', new Map()]]);
  for (const [name, spec] of Object.entries(node.inputs)) {
    const kind = spec.hidden !== undefined ? 'hidden' : spec.optional === true ? 'optional' : 'required';
    if (!kinds.has(kind)) kinds.set(kind, new Map());
    kinds.get(kind)!.set(name, await inputInfo(spec, env));
  }
  const ordered = [...kinds].sort(([a], [b]) => kindOrder.indexOf(a) - kindOrder.indexOf(b));
  return new Map<string, Json>([
    ['input', new Map(ordered)],
    ['input_order', new Map(ordered.map(([kind, inputs]) => [kind, [...inputs.keys()]]))],
    ['output', node.outputs.map(({ type }) => typeName(type))],
    ['output_is_list', node.outputs.map(({ list }) => list === true)],
    ['output_name', node.outputs.map(({ name }) => name)],
    ['name', node.type],
    ['display_name', node.title ?? node.type],
    ['description', node.description ?? ''],
    ['python_module', pack === undefined || pack === 'core' ? 'nodes' : `custom_nodes.${pack}`],
    ['category', node.category],
    ['output_node', node.output === true],
    ...(node.outputs.some(({ tooltip }) => tooltip !== undefined) ? [['output_tooltips', node.outputs.map(({ tooltip }) => tooltip ?? null)] as const] : []),
    ...(node.deprecated === true ? [['deprecated', true] as const] : []),
    ...(node.experimental === true ? [['experimental', true] as const] : []),
  ]);
}

const kindOrder = ['required', 'optional', 'hidden'];

/** `[type, options]`; of a choice `[choices, options]`; of a hidden input the bare type. */
async function inputInfo(spec: InputSpec<unknown>, env: Environment): Promise<Json> {
  if (spec.hidden !== undefined) return hiddenTypes[spec.hidden];
  const options = new Map<string, Json>();
  if (spec.default !== undefined) options.set('default', spec.default);
  for (const bound of ['min', 'max', 'step'] as const) {
    const value = boundOf(spec, bound);
    if (value !== undefined) options.set(bound, value);
  }
  if (spec.lazy === true) options.set('lazy', true);
  if (spec.raw === true) options.set('rawLink', true);
  for (const [name, value] of Object.entries(spec.ui ?? {})) options.set(name, value);
  const type = spec.choices !== undefined || spec.type.name === 'COMBO' ? await choicesOf(spec, env) : typeName(spec.type);
  return options.size === 0 ? [type] : [type, options];
}

async function choicesOf({ choices = [] }: InputSpec<unknown>, env: Environment): Promise<readonly Literal[]> {
  if (typeof choices !== 'function') return choices;
  try {
    return await choices(env);
  } catch {
    return [];
  }
}

function typeName({ name, oneOf }: InputSpec<unknown>['type']): string {
  return oneOf === undefined ? name : oneOf.join(',');
}
