// The same products and attention with nothing else: no norms, activations, rotary, residuals, positions and no joining of rows.
// What these and our host cost is what the model's own graphs take beyond this.
import type { Attribute, Body, Expr, OpNode, Part } from '../../engine/onnx/expr.ts';
import type { Ops } from '../../engine/onnx/ops.ts';
import { Linear, bind } from '../../engine/onnx/module.ts';
import { input, trace, type WeightSource } from '../../engine/onnx/trace.ts';
import type { MotConfig } from '../../nodes/bagel/model/mot.ts';

/**
 * Products of both experts and attention of the layers from `first` up to `end`, made by hand:
 * und [und, hidden] and gen [gen, hidden] go through their weights, attention is over keys and values [total, heads · headDim] that are given,
 * already joined with cached rows and repeated for each head. Gives the number of rows alone, so that nothing is copied out.
 */
export function bareLayers(config: MotConfig, weights: WeightSource, first: number, end: number): Part {
  const { hidden, ffn, heads, kvHeads, headDim } = config;
  const inputs = [input('und', 'float32', ['und', hidden]), input('gen', 'float32', ['gen', hidden]), input('keys', 'float32', [1, 'total', heads * headDim]), input('values', 'float32', [1, 'total', heads * headDim])];
  const [und, gen, keys, values] = inputs as [Expr, Expr, Expr, Expr];
  return trace(`bare.${first}-${end - 1}`, inputs, weights, (op) => {
    const linear = (name: string, from: number, to: number, bias: boolean, x: Expr) => op.call(bind(new Linear(from, to, { bias }), name), x);
    const ends: Expr[] = [];
    const layer = (name: string, expert: string, rows: Expr, attend: (q: Expr) => Expr): Expr => {
      const q = linear(`${name}.self_attn.q_proj${expert}`, hidden, heads * headDim, true, rows);
      for (const one of ['k', 'v']) ends.push(linear(`${name}.self_attn.${one}_proj${expert}`, hidden, kvHeads * headDim, true, rows));
      const attended = linear(`${name}.self_attn.o_proj${expert}`, heads * headDim, hidden, false, attend(q));
      ends.push(linear(`${name}.mlp${expert}.gate_proj`, hidden, ffn, false, attended));
      return linear(`${name}.mlp${expert}.down_proj`, ffn, hidden, false, linear(`${name}.mlp${expert}.up_proj`, hidden, ffn, false, attended));
    };
    let [few, many] = [und, gen];
    for (let i = first; i < end; i++) {
      const name = `language_model.model.layers.${i}`;
      few = layer(name, '', few, (q) => q);
      many = layer(name, '_moe_gen', many, (q) => attendBare(op, q, keys, values, heads));
    }
    // asking for lengths makes every product wanted
    return { rows: op.concat([...ends, few, many].map((x) => op.lengthOf(x, 0)), 0) };
  });
}

function attendBare(op: Ops, q: Expr, keys: Expr, values: Expr, heads: number): Expr {
  const attended = op.emit('MultiHeadAttention', [op.unsqueeze(q, 0), keys, values], 'float32', [1, q.dims[0]!, q.dims[1]!], { num_heads: { int: heads } }, 'com.microsoft');
  return op.squeeze(attended, 0);
}

/** Which input takes a node's place; undefined keeps the node. */
function standIn({ op, name, inputs }: OpNode): string | undefined {
  if (['QuickGelu', 'InstanceNormalization'].includes(op)) return inputs[0];
  if (/\.norm\w*\/(Mul|Add)/.test(name)) return inputs[0]; // scale and shift of a group norm
  if (op === 'Add' && /\/Conv$/.test(inputs[1]!)) return inputs[1]; // a residual: what was added stays
  return undefined;
}

/** A piece of the autoencoder of which convolutions, attention and changes of size are left. */
export function bareConvolutions(part: Part): Part {
  const names = new Map<string, string>();
  const body = stripBody(part, names);
  const used = new Set(collectInputs(body));
  return { ...body, weights: part.weights.filter(({ key }) => used.has(key)), constants: new Map([...part.constants].filter(([name]) => used.has(name))) };
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
