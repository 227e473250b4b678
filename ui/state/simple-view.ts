// The simple view: a workflow's form as fields and results. Any workflow becomes one by marking inputs and outputs; one without marks gets
// a suggestion. Fields are found by node and name, so they survive every edit that leaves their node.
import { isJsonObject, type Json } from '../../engine/formats/json.ts';
import type { Command } from './commands/commands.ts';
import { type Control, type Document, type LayerId, type NodeId } from './document.ts';
import type { Form } from '../../engine/formats/forms.ts';
import type { NodeTypes, Widget } from './node-types.ts';
import { placeOf } from './places.ts';
import { inputSlots, nodeTypeOf, titleOf, valueOf } from './slots.ts';
import { orderOf } from './walk.ts';

export interface Field {
  readonly name: string;
  readonly label: string;
  /** The node's id in a run. */
  readonly id: string;
  readonly layer: LayerId;
  readonly node: NodeId;
  readonly input: string;
  readonly widget: Widget;
  readonly value: Json | undefined;
  readonly control?: Control;
  readonly tooltip?: string;
  /** A link feeds it: shown, not editable. */
  readonly isLinked: boolean;
}

export interface Result {
  readonly name: string;
  readonly id: string;
  readonly title: string;
}

export interface SimpleView {
  readonly description: string;
  readonly fields: readonly Field[];
  readonly results: readonly Result[];
  /** Entries of the form whose node or input is gone. */
  readonly missing: readonly string[];
}

/** The form's fields as they are now. Without a form that of `suggestForm`. */
export function simpleView(document: Document, types: NodeTypes): SimpleView {
  const form = document.form ?? suggestForm(document, types);
  const missing: string[] = [];
  const fields = form.inputs.flatMap(({ name, node: id, input }): readonly Field[] => {
    const place = placeOf(document, id);
    const slot = place && inputSlots(document, types, place.node).find((other) => other.name === input);
    if (place === undefined || slot?.widget === undefined) {
      missing.push(name);
      return [];
    }
    const control = place.node.controls[input];
    return [{ name, label: name.replaceAll('_', ' '), id, layer: place.layer, node: place.node.id, input, widget: slot.widget, value: valueOf(place.node, slot), isLinked: slot.link !== null, ...(control === undefined ? {} : { control }), ...(slot.tooltip === undefined ? {} : { tooltip: slot.tooltip }) }];
  });
  const results = form.outputs.flatMap(({ name, node: id }): readonly Result[] => {
    const place = placeOf(document, id);
    if (place === undefined) missing.push(name);
    return place === undefined ? [] : [{ name, id, title: titleOf(document, types, place.node) }];
  });
  return { description: descriptionOf(document), fields, results, missing };
}

function descriptionOf({ raw }: Document): string {
  const extra = raw.get('extra');
  const ours = isJsonObject(extra) ? extra.get('bagelgraph') : undefined;
  const description = isJsonObject(ours) ? ours.get('description') : undefined;
  return typeof description === 'string' ? description : '';
}

/** The command that sets a field. */
export function setField({ layer, node, input }: Field, value: Json): Command {
  return { kind: 'setValue', layer, node, input, value };
}

const usual = /^(.*_)?(prompt|question|instruction|seed|width|height|steps)$|^(text|image)$/i;
const mostFields = 12;

/** A form for a workflow without one: the unlinked inputs that people change (texts, pictures, seeds, sizes), in running order, and all outputs. */
export function suggestForm(document: Document, types: NodeTypes): Form {
  const taken = new Set<string>();
  const nameFor = (wanted: string) => {
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted} ${i}`;
    taken.add(name);
    return name;
  };
  const nodes = orderOf(document.root).nodes.map((id) => document.root.nodes[id]!).filter(({ mode }) => mode === 0);
  const inputs = nodes.flatMap((node) => inputSlots(document, types, node)
    .filter((slot) => slot.widget !== undefined && slot.link === null && nodeTypeOf(document, types, node.type)?.isVirtual !== true)
    .filter(({ name, widget }) => usual.test(name) || (widget?.kind === 'text' && widget.isMultiline) || (widget?.kind === 'choice' && widget.upload !== undefined))
    .map((slot) => ({ node: node.id, input: slot.name })));
  const outputs = nodes.filter(({ type }) => nodeTypeOf(document, types, type)?.isOutput === true);
  return {
    inputs: inputs.slice(0, mostFields).map(({ node, input }) => ({ name: nameFor(input), node, input })),
    outputs: outputs.map((node) => ({ name: nameFor(titleOf(document, types, node)), node: node.id })),
  };
}
