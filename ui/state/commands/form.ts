// Commands on the form: the inputs and outputs that the simple view shows, by name. Nodes are named as in a run: inside subgraphs `12:3`.
import type { Form, FormInput, FormOutput } from '../../../engine/formats/forms.ts';
import type { Editable, EditableDocument, NodeId } from '../document.ts';
import { message, Refusal } from '../messages.ts';

/** Shows an input in the simple view, under its own name or another. Marking twice does nothing. */
export function markInput(draft: EditableDocument, { node, input, name = input }: { readonly node: NodeId; readonly input: string; readonly name?: string }): void {
  const form = formOf(draft);
  if (form.inputs.some((entry) => entry.node === node && entry.input === input)) return;
  form.inputs.push({ name: freeName(name, form.inputs), node, input });
}

export function markOutput(draft: EditableDocument, { node, name = 'result' }: { readonly node: NodeId; readonly name?: string }): void {
  const form = formOf(draft);
  if (form.outputs.some((entry) => entry.node === node)) return;
  form.outputs.push({ name: freeName(name, form.outputs), node });
}

/** Hides an input or output again. */
export function unmark(draft: EditableDocument, { node, input }: { readonly node: NodeId; readonly input?: string }): void {
  const { form } = draft;
  if (form === undefined) return;
  form.inputs = form.inputs.filter((entry) => input === undefined || entry.node !== node || entry.input !== input);
  if (input === undefined) form.outputs = form.outputs.filter((entry) => entry.node !== node);
  dropEmptyForm(draft);
}

/** The whole form: order and names. Refused where a name stands twice. */
export function setForm(draft: EditableDocument, { form }: { readonly form: Form }): void {
  for (const list of [form.inputs, form.outputs]) {
    const names = list.map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw new Refusal(message('form.name-taken', { name: twice }));
  }
  draft.form = { inputs: form.inputs.map((entry) => ({ ...entry })), outputs: form.outputs.map((entry) => ({ ...entry })) };
  dropEmptyForm(draft);
}

/** Entries of nodes that are gone, and of what was inside them. */
export function dropFromForm(draft: EditableDocument, removed: ReadonlySet<NodeId>): void {
  const { form } = draft;
  const isGone = ({ node }: FormOutput) => removed.has(node.split(':')[0]!);
  if (form === undefined || !(form.inputs.some(isGone) || form.outputs.some(isGone))) return;
  form.inputs = form.inputs.filter((entry) => !isGone(entry));
  form.outputs = form.outputs.filter((entry) => !isGone(entry));
  dropEmptyForm(draft);
}

/** Follows nodes that got another id in a run. */
export function renameInForm(draft: EditableDocument, renamed: (node: NodeId) => NodeId | undefined): void {
  for (const entry of [...(draft.form?.inputs ?? []), ...(draft.form?.outputs ?? [])] as Editable<FormInput | FormOutput>[]) {
    const name = renamed(entry.node);
    if (name !== undefined) entry.node = name;
  }
}

function formOf(draft: EditableDocument): Editable<Form> {
  draft.form ??= { inputs: [], outputs: [] };
  return draft.form;
}

function dropEmptyForm(draft: EditableDocument): void {
  if (draft.form?.inputs.length === 0 && draft.form.outputs.length === 0) delete draft.form;
}

function freeName(wanted: string, taken: readonly { readonly name: string }[]): string {
  const names = new Set(taken.map(({ name }) => name));
  let name = wanted;
  for (let i = 2; names.has(name); i++) name = `${wanted} ${i}`;
  return name;
}
