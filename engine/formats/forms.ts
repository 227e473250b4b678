// The form of a workflow: the few inputs and outputs that a user of it sees, by name. It stands in `extra.bagelgraph.form`.
import { withInput, type ApiPrompt } from './api.ts';
import { FormatError } from './errors.ts';
import { describeJson, isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts';

export interface FormInput { readonly name: string; readonly node: string; readonly input: string }
export interface FormOutput { readonly name: string; readonly node: string }
export interface Form {
  readonly inputs: readonly FormInput[];
  readonly outputs: readonly FormOutput[];
}

/** The form of a workflow file; undefined where it has none. Throws a FormatError that names the entry. */
export function readForm(workflow: Json): Form | undefined {
  const extra = isJsonObject(workflow) ? workflow.get('extra') : undefined;
  const ours = isJsonObject(extra) ? extra.get('bagelgraph') : undefined;
  const form = isJsonObject(ours) ? ours.get('form') : undefined;
  if (form === undefined) return undefined;
  if (!isJsonObject(form)) throw new FormatError(`extra.bagelgraph.form must be an object with inputs and outputs, got ${describeJson(form)}`);
  const inputs = entries(form, 'inputs', ['name', 'node', 'input']) as unknown as readonly FormInput[];
  const outputs = entries(form, 'outputs', ['name', 'node']) as unknown as readonly FormOutput[];
  for (const [kind, list] of [['inputs', inputs], ['outputs', outputs]] as const) {
    const names = list.map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw new FormatError(`extra.bagelgraph.form.${kind} names ${JSON.stringify(twice)} twice`);
  }
  return { inputs, outputs };
}

function entries(form: JsonObject, kind: string, keys: readonly string[]): readonly Record<string, string>[] {
  const list = form.get(kind) ?? [];
  if (!isJsonArray(list)) throw new FormatError(`extra.bagelgraph.form.${kind} must be a list, got ${describeJson(list)}`);
  return list.map((entry, i) => Object.fromEntries(keys.map((key) => {
    const value = isJsonObject(entry) ? entry.get(key) : undefined;
    // ids are numbers in a workflow file
    const text = typeof value === 'bigint' ? String(value) : value;
    if (typeof text !== 'string') throw new FormatError(`extra.bagelgraph.form.${kind}[${i}] needs a text "${key}", got ${describeJson(value)}`);
    return [key, text];
  })));
}

/** A copy of the prompt with the form's inputs set. Throws where a name is unknown (listing the names) or its node is not in the prompt. */
export function applyForm(prompt: ApiPrompt, form: Form, values: Readonly<Record<string, Json>>): ApiPrompt {
  let filled = prompt;
  for (const [name, value] of Object.entries(values)) {
    const entry = form.inputs.find((input) => input.name === name);
    if (entry === undefined) throw new FormatError(`the form has no input ${JSON.stringify(name)}; its inputs are ${form.inputs.map((input) => input.name).join(', ') || 'none'}`);
    if (!prompt.nodes.has(entry.node)) throw new FormatError(`the form's input ${JSON.stringify(name)} belongs to node ${entry.node}, which is not in the workflow or is muted`);
    filled = withInput(filled, entry.node, entry.input, value);
  }
  return filled;
}
