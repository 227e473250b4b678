// Old group nodes (`workflow>Name`, defined in extra.groupNodes) as subgraphs. Their inputs are not written down anywhere:
// names and order follow from the inner nodes, by the rules of the editor that made them.
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import type { Definitions } from './object-info.ts';
import { inputBoundary, outputBoundary, type Subgraph, type UiGroup, type UiInput, type UiLink, type UiNode } from './workflow-file.ts';

interface Port { readonly name: string; readonly type: string }

/** The same group as a subgraph: inner ids are the nodes' indices. */
export function groupSubgraph(group: UiGroup, definitions: Definitions): Subgraph {
  const links = new Map<string, UiLink>();
  const inputs: Port[] = [];
  const outputs: Port[] = [];
  const widgets: { name: string; controls: number }[] = [];
  const linkedTo = new Map<string, string>();
  const addLink = (from: string, fromSlot: number, to: string, toSlot: number) => {
    const id = `g${links.size}`;
    links.set(id, { id, from, fromSlot, to, toSlot });
    return id;
  };
  for (const [from, fromSlot, to, toSlot] of group.links) linkedTo.set(`${to} ${toSlot}`, addLink(String(from), fromSlot, String(to), toSlot));

  const seen = new Map<string, number>();
  const nodes = group.nodes.map((node, index): UiNode => {
    const found = definitions(node.type);
    const linked = node.inputs.map((input, slot): UiInput => ({ ...input, link: linkedTo.get(`${index} ${slot}`) }));
    const shown: UiInput[] = [];
    const widgetNames = found?.inputs.filter(({ widget }) => widget !== undefined) ?? [];
    // widgets first, then sockets, then widgets that were made sockets
    for (const { name, type, widget } of widgetNames) {
      if (linked.some((input) => input.name === name)) continue;
      const outer = outerName(group.config, node, index, name, seen);
      widgets.push({ name: outer, controls: widget!.controls });
      shown.push({ name, type, label: undefined, isWidget: true, link: addLink(inputBoundary, inputs.length, String(index), -1) });
      inputs.push({ name: outer, type });
    }
    if (node.type === 'PrimitiveNode' && node.outputs.length > 0) {
      const outer = outerName(group.config, node, index, 'value', seen);
      widgets.push({ name: outer, controls: 1 });
      shown.push({ name: 'value', type: node.outputs[0]!.type, label: undefined, isWidget: true, link: addLink(inputBoundary, inputs.length, String(index), -1) });
      inputs.push({ name: outer, type: node.outputs[0]!.type });
    }
    for (const input of [...linked.filter(({ isWidget }) => !isWidget), ...linked.filter(({ isWidget }) => isWidget)]) {
      if (input.link !== undefined) continue;
      const name = node.type === 'Reroute' ? node.outputs[0]?.type ?? '*' : input.name;
      const outer = outerName(group.config, node, index, name, seen);
      shown.push({ ...input, link: addLink(inputBoundary, inputs.length, String(index), -1) });
      inputs.push({ name: outer, type: input.type });
    }
    addOutputs(group, node, index, outputs, addLink);
    return { ...node, inputs: [...linked.filter(({ link }) => link !== undefined), ...shown] };
  });
  return { name: 'group', nodes, links, inputs, outputs, widgets };
}

/** An output is shown when it is used outside or not at all inside, unless the user chose otherwise. */
function addOutputs(group: UiGroup, node: UiNode, index: number, outputs: Port[], addLink: (from: string, fromSlot: number, to: string, toSlot: number) => string): void {
  node.outputs.forEach((output, slot) => {
    const isUsedInside = group.links.some(([from, fromSlot]) => from === index && fromSlot === slot);
    const isUsedOutside = group.external.some(([from, fromSlot]) => from === index && fromSlot === slot);
    const choice = member(member(member(group.config, String(index)), 'output'), String(slot)).get('visible');
    if (choice === false || (choice !== true && isUsedInside && !isUsedOutside)) return;
    addLink(String(index), slot, outputBoundary, outputs.length);
    outputs.push(output);
  });
}

/** The name an inner input has outside: the user's, else its own, with the node before it where the name is taken. */
function outerName(config: JsonObject, node: UiNode, index: number, input: string, seen: Map<string, number>): string {
  const chosen = member(member(member(config, String(index)), 'input'), input).get('name');
  const own = typeof chosen === 'string' ? chosen : node.inputs.find(({ name }) => name === input)?.label ?? input;
  let key = own;
  let name = own;
  if ((node.type === 'PrimitiveNode' && node.title !== undefined) || seen.has(own)) {
    const prefix = `${node.title ?? node.type} `;
    key = name = prefix + input;
    if (seen.has(key)) name = `${prefix}${seen.get(key)} ${input}`;
  }
  seen.set(key, (seen.get(key) ?? 1) + 1);
  return name;
}

function member(object: JsonObject, key: string): JsonObject {
  const value: Json | undefined = object.get(key);
  return isJsonObject(value) ? value : new Map();
}
