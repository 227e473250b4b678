// A part as text, one node a line: what tests compare and DEBUG=4 prints. Stable for equal graphs.
import type { Tensor } from '../tensor/tensor.ts';
import { dimsText, type Attribute, type Body, type Part } from './expr.ts';

function attributeText(value: Attribute): string {
  if ('tensor' in value) return `<${value.tensor.dtype} ${dimsText(value.tensor.shape)}>`;
  if ('graph' in value) return `{${value.graph.name}}`;
  return JSON.stringify(Object.values(value)[0]);
}

function bodyLines(body: Body, indent: string): string[] {
  const lines = body.inputs.map((input) => `${indent}in  ${input.name}: ${input.dtype} ${dimsText(input.dims)}`);
  for (const node of body.nodes) {
    const attributes = Object.entries(node.attributes).map(([name, value]) => `${name}=${attributeText(value)}`).join(' ');
    lines.push(`${indent}${node.outputs.join(', ')} = ${node.domain === '' ? '' : 'ms.'}${node.op}(${node.inputs.join(', ')})${attributes === '' ? '' : ` ${attributes}`}`);
    for (const [name, value] of Object.entries(node.attributes)) {
      if ('graph' in value) lines.push(`${indent}  ${name}:`, ...bodyLines(value.graph, `${indent}    `));
    }
  }
  return [...lines, ...body.outputs.map((output) => `${indent}out ${output.name}: ${output.dtype} ${dimsText(output.dims)}`)];
}

/** The first and last values, to five digits: libraries of mathematics differ in the eighth. */
function valuesText({ data }: Tensor): string {
  const texts = Array.from(data as ArrayLike<number | bigint>, (value) => Number(Number(value).toPrecision(5)));
  return texts.length <= 6 ? texts.join(' ') : `${texts.slice(0, 3).join(' ')} … ${texts.slice(-2).join(' ')}`;
}

/** The whole part as text. */
export function dumpPart(part: Part): string {
  const weights = part.weights.map((weight) => `weight ${weight.key}: ${weight.dtype} ${dimsText(weight.shape)}`);
  const constants = [...part.constants].map(([name, value]) => `constant ${name}: ${value.dtype} ${dimsText(value.shape)} ${valuesText(value)}`);
  return [`part ${part.name}`, ...weights, ...constants, ...bodyLines(part, '')].join('\n');
}
