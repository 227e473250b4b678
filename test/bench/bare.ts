// The bare products of a part: the same graph without norms, activations, rotary and residuals, so that what these and our host cost can be told.
import type { Attribute, Body, OpNode, Part } from '../../engine/onnx/expr.ts';

/** Which input takes a node's place; undefined keeps the node. */
function standIn({ op, name, inputs }: OpNode): string | undefined {
  if (['SimplifiedLayerNormalization', 'LayerNormalization', 'QuickGelu', 'Gelu', 'RotaryEmbedding', 'InstanceNormalization'].includes(op)) return inputs[0];
  if (/\/norm\w*\/(Mul|Add)|\.norm\w*\/(Mul|Add)/.test(name)) return inputs[0]; // scale and shift of a group norm
  if (op === 'Add' && !inputs[1]!.startsWith('scalar') && !inputs[0]!.includes('/Shape') && !name.includes('/then/') && !name.includes('/loop/') && !name.includes('/else/')) return inputs[1]; // a residual: what was added stays
  return undefined;
}

/** The part with only products, attention and what brings values into shape. */
export function bareProducts(part: Part): Part {
  const names = new Map<string, string>();
  const body = stripBody(part, names);
  const constants = part.constants;
  const used = new Set(collectInputs(body));
  return { ...body, weights: part.weights.filter(({ key }) => used.has(key)), constants: new Map([...constants].filter(([name]) => used.has(name))) };
}

function stripBody(body: Body, names: Map<string, string>): Body {
  const final = (name: string): string => (names.has(name) ? final(names.get(name)!) : name);
  const nodes: OpNode[] = [];
  for (const node of body.nodes) {
    const replacement = standIn(node);
    if (replacement !== undefined) {
      names.set(node.outputs[0]!, replacement);
      continue;
    }
    const attributes = Object.fromEntries(Object.entries(node.attributes).map(([name, value]): [string, Attribute] => [name, 'graph' in value ? { graph: stripBody(value.graph, names) } : value]));
    nodes.push({ ...node, inputs: node.inputs.map(final), attributes });
  }
  return { name: body.name, inputs: body.inputs, outputs: body.outputs.map((output) => ({ ...output, name: final(output.name) })), nodes };
}

function collectInputs(body: Body): string[] {
  return body.nodes.flatMap((node) => [...node.inputs, ...Object.values(node.attributes).flatMap((value) => ('graph' in value ? collectInputs(value.graph) : []))]);
}
