// The API form → a document: nodes from their types, links from their inputs, laid out from left to right.
import { linkOf, type ApiNode, type ApiPrompt } from '../../engine/formats/api.ts';
import { isJsonArray, isJsonObject, type Json } from '../../engine/formats/json.ts';
import { emptyDocument, emptyRecord, type Control, type DocInput, type DocLink, type DocNode, type DocOutput } from './document.ts';
import { tidyPositions } from './layout.ts';
import { message } from './messages.ts';
import { newNode } from './new-node.ts';
import type { NodeType, NodeTypes } from './node-types.ts';
import type { ReadDocument } from './read-file.ts';
import { idOf } from './read-parts.ts';
import { isSafeKey } from './widget-values.ts';

/** Reads a prompt. Seeds stay as they are (`fixed`): the same picture again. Inner ids (`12:3`) are kept as texts. */
export function fromPrompt(prompt: ApiPrompt, types: NodeTypes): ReadDocument {
  const nodes = emptyRecord<DocNode>();
  const links = emptyRecord<DocLink>();
  let lastLinkId = 0;
  let lost = 0;
  const unknown = new Set<string>();
  [...prompt.nodes].forEach(([key, entry], order) => {
    const id = idOf(key, 'the prompt');
    if (id === undefined) return;
    const type = types.get(entry.class_type);
    if (type === undefined) unknown.add(entry.class_type);
    nodes[id] = nodeOf(id, entry, type, order, prompt);
  });
  for (const [id, { inputs }] of prompt.nodes) {
    const node = nodes[id];
    if (node === undefined) continue;
    const own = [...node.inputs];
    for (const [name, written] of inputs) {
      const source = linkOf(written);
      if (source === undefined) continue;
      const from = nodes[source.node];
      const made = from?.outputs[source.output];
      if (made === undefined) {
        lost++;
        continue;
      }
      const link = String(++lastLinkId);
      const toSlot = slotFor(own, name, types.get(node.type), made.type, link);
      links[link] = { id: link, from: source.node, fromSlot: source.output, to: id, toSlot, type: made.type };
    }
    nodes[id] = { ...node, inputs: own };
  }
  const empty = emptyDocument();
  const lastNodeId = Object.keys(nodes).reduce((most, id) => (/^\d{1,15}$/.test(id) ? Math.max(most, Number(id)) : most), 0);
  const root = { ...empty.root, nodes, links, lastNodeId, lastLinkId };
  const placed = emptyRecord<DocNode>();
  const places = tidyPositions(root);
  for (const node of Object.values(nodes)) placed[node.id] = { ...node, pos: places.get(node.id) ?? node.pos };
  return {
    document: { ...empty, root: { ...root, nodes: placed } },
    notices: [...(unknown.size > 0 ? [message('file.unknown-types', { types: [...unknown].join(', ') })] : []), ...(lost > 0 ? [message('file.repaired-links', { count: lost })] : [])],
  };
}

function nodeOf(id: string, { title, device, inputs, class_type }: ApiNode, type: NodeType | undefined, order: number, prompt: ApiPrompt): DocNode {
  const values = emptyRecord<Json>();
  const controls = emptyRecord<Control>();
  const base: DocNode = type === undefined
    ? { id, type: class_type, pos: [0, 0], size: [220, 80], mode: 0, order, flags: {}, properties: new Map(), inputs: [], outputs: usedOutputs(prompt, id), values, controls, isUntyped: true }
    : newNode(type, id, [0, 0], order);
  Object.assign(values, base.values);
  for (const name of Object.keys(base.controls)) controls[name] = { mode: 'fixed' };
  for (const [name, written] of inputs) {
    if (!isSafeKey(name) || linkOf(written) !== undefined) continue;
    values[name] = isJsonObject(written) && isJsonArray(written.get('__value__')) ? written.get('__value__')! : written;
  }
  return {
    ...base, values, controls,
    ...(title === undefined || title === type?.title ? {} : { title }),
    ...(device === undefined ? {} : { properties: new Map(base.properties).set('device', device) }),
  };
}

/** An unknown type has the outputs that others use. */
function usedOutputs(prompt: ApiPrompt, id: string): readonly DocOutput[] {
  let count = 0;
  for (const { inputs } of prompt.nodes.values()) {
    for (const written of inputs.values()) {
      const link = linkOf(written);
      if (link?.node === id && link.output < 4096) count = Math.max(count, link.output + 1);
    }
  }
  return Array.from({ length: count }, (_, i) => ({ name: `output ${i}`, type: '*' }));
}

/** The index of an input, which is added where the node does not list it yet. */
function slotFor(inputs: DocInput[], name: string, type: NodeType | undefined, made: string, link: string): number {
  const at = inputs.findIndex((input) => input.name === name);
  if (at >= 0) {
    inputs[at] = { ...inputs[at]!, link };
    return at;
  }
  const declared = type?.inputs.find((input) => input.name === name);
  inputs.push({ name, type: declared?.type ?? made, link, ...(declared?.widget === undefined ? {} : { widget: name }) });
  return inputs.length - 1;
}
