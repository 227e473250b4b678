// Writes a Part as an ONNX ModelProto: the few messages of onnx.proto that we use, field numbers from the ONNX specification (IR 10, opset 23).
// Weights become external data whose location is the absolute path without its leading slash, so one graph may read several folders.
import type { DType } from '../tensor/dtype.ts';
import { bytesView, type Tensor } from '../tensor/tensor.ts';
import type { Attribute, Body, Expr, OpNode, Part, WeightRef } from './expr.ts';

const opset = 23;
const irVersion = 10;

/** ONNX TensorProto.DataType. */
const elementType: Record<DType, number> = {
  float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11,
  uint32: 12, uint64: 13, bfloat16: 16, float8e4m3fn: 17, uint4: 21,
};

class Writer {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  bytes(): Uint8Array {
    const out = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) { out.set(chunk, at); at += chunk.length; }
    return out;
  }
  int(field: number, value: number | bigint): this {
    return this.#varint(field << 3).#varint(value);
  }
  float(field: number, value: number): this {
    const raw = new Uint8Array(4);
    new DataView(raw.buffer).setFloat32(0, value, true);
    return this.#varint((field << 3) | 5).#push(raw);
  }
  data(field: number, value: Uint8Array): this {
    return this.#varint((field << 3) | 2).#varint(value.length).#push(value);
  }
  text(field: number, value: string): this {
    return this.data(field, new TextEncoder().encode(value));
  }
  message(field: number, value: Writer): this {
    return this.data(field, value.bytes());
  }
  #push(chunk: Uint8Array): this {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    return this;
  }
  #varint(value: number | bigint): this {
    let rest = BigInt.asUintN(64, BigInt(value));
    const out: number[] = [];
    do {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      out.push(rest > 0n ? low | 0x80 : low);
    } while (rest > 0n);
    return this.#push(Uint8Array.from(out));
  }
}

function tensorProto(name: string, value: Tensor): Writer {
  const proto = new Writer();
  for (const side of value.shape) proto.int(1, side);
  return proto.int(2, elementType[value.dtype]).text(8, name).data(9, bytesView(value).slice());
}

function weightProto(weight: WeightRef): Writer {
  const proto = new Writer();
  for (const side of weight.shape) proto.int(1, side);
  proto.int(2, elementType[weight.dtype]).text(8, weight.key);
  const entry = (key: string, value: string | number) => proto.message(13, new Writer().text(1, key).text(2, String(value)));
  entry('location', weight.file.replace(/^\//, ''));
  entry('offset', weight.offset);
  entry('length', weight.bytes);
  return proto.int(14, 1); // data_location = EXTERNAL
}

function valueProto(value: Expr): Writer {
  const shape = new Writer();
  for (const side of value.dims) {
    shape.message(1, typeof side === 'number' ? new Writer().int(1, side) : new Writer().text(2, side));
  }
  const tensorType = new Writer().int(1, elementType[value.dtype]).message(2, shape);
  return new Writer().text(1, value.name).message(2, new Writer().message(1, tensorType));
}

function attributeProto(name: string, value: Attribute): Writer {
  const proto = new Writer().text(1, name);
  if ('int' in value) return proto.int(3, value.int).int(20, 2);
  if ('float' in value) return proto.float(2, value.float).int(20, 1);
  if ('string' in value) return proto.text(4, value.string).int(20, 3);
  if ('tensor' in value) return proto.message(5, tensorProto('', value.tensor)).int(20, 4);
  if ('graph' in value) return proto.message(6, graphProto(value.graph, [], new Map())).int(20, 5);
  if ('ints' in value) { for (const int of value.ints) proto.int(8, int); return proto.int(20, 7); }
  for (const float of value.floats) proto.float(7, float);
  return proto.int(20, 6);
}

function nodeProto(node: OpNode): Writer {
  const proto = new Writer();
  for (const input of node.inputs) proto.text(1, input);
  for (const output of node.outputs) proto.text(2, output);
  proto.text(3, node.name).text(4, node.op);
  for (const [name, value] of Object.entries(node.attributes)) proto.message(5, attributeProto(name, value));
  return proto.text(7, node.domain);
}

function graphProto(body: Body, weights: readonly WeightRef[], constants: ReadonlyMap<string, Tensor>): Writer {
  const proto = new Writer();
  for (const node of body.nodes) proto.message(1, nodeProto(node));
  proto.text(2, body.name);
  for (const weight of weights) proto.message(5, weightProto(weight));
  for (const [name, value] of constants) proto.message(5, tensorProto(name, value));
  for (const input of body.inputs) proto.message(11, valueProto(input));
  for (const output of body.outputs) proto.message(12, valueProto(output));
  return proto;
}

/** The part as the bytes of an ONNX model. */
export function encodeModel(part: Part): Uint8Array {
  const model = new Writer().int(1, irVersion).text(2, 'bagelgraph');
  model.message(7, graphProto(part, part.weights, part.constants));
  for (const [domain, version] of [['', opset], ['com.microsoft', 1]] as const) {
    model.message(8, new Writer().text(1, domain).int(2, version));
  }
  return model.bytes();
}
