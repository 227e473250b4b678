// A new node of a type: its sockets, its widgets' initial values, its size.
import { emptyRecord, type Control, type DocNode, type NodeId, type Point } from './document.ts';
import type { Json } from '../../engine/formats/json.ts';
import type { NodeType } from './node-types.ts';
import { initialSize } from './sizes.ts';
import { isSafeKey } from './widget-values.ts';

export function newNode(type: NodeType, id: NodeId, pos: Point, order: number): DocNode {
  const values = emptyRecord<Json>();
  const controls = emptyRecord<Control>();
  for (const { name, widget } of type.inputs) {
    // an instance's values are those of its inside until it gets its own
    if (widget === undefined || type.isSubgraph || !isSafeKey(name)) continue;
    if (widget.initial !== null) values[name] = widget.initial;
    if (widget.controls > 0) controls[name] = { mode: widget.initialMode };
  }
  return {
    id, type: type.type, pos, size: initialSize(type), mode: 0, order, flags: {},
    properties: new Map(type.isVirtual || type.isSubgraph ? [] : [['Node name for S&R', type.type]]),
    inputs: type.inputs.filter(({ widget, isHidden }) => widget === undefined && !isHidden).map((input) => ({ name: input.name, type: input.type, link: null, ...(input.isOptional && !type.isVirtual ? { shape: 7 } : {}) })),
    outputs: type.outputs.map((output) => ({ name: output.name, type: output.type, ...(output.isList ? { shape: 6 } : {}) })),
    values, controls,
  };
}
