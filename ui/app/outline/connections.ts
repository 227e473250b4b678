// What an input or an output of a node can be connected with, for choosing by keyboard.
import type { Command } from '../../state/commands/commands.ts';
import { canConnect, type Connection } from '../../state/connections.ts';
import type { Document, LayerId } from '../../state/document.ts';
import { layerOf } from '../../state/document.ts';
import type { NodeTypes } from '../../state/node-types.ts';
import type { Row } from '../../state/outline.ts';
import { inputSlots, outputSlots, titleOf } from '../../state/slots.ts';
import { orderOf } from '../../state/walk.ts';

export interface Choice {
  readonly key: string;
  readonly title: string;
  readonly label: string;
  readonly node: string;
  readonly command: Command;
}

export type SlotRow = Extract<Row, { kind: 'input' | 'output' }>;

/** In running order. Inputs that show a field come last, for they need no link. */
export function choicesFor(document: Document, types: NodeTypes, layer: LayerId, row: SlotRow): readonly Choice[] {
  const shown = layerOf(document, layer);
  const choice = (node: string, label: string, connection: Connection): readonly Choice[] => {
    if (!canConnect(document, types, connection).ok) return [];
    return [{ key: `${node} ${label}`, node, title: titleOf(document, types, shown.nodes[node]!), label, command: { kind: 'connect', ...connection } }];
  };
  return orderOf(shown).nodes.flatMap((id): readonly Choice[] => {
    const node = shown.nodes[id]!;
    if (row.kind === 'input') return outputSlots(document, types, node).flatMap(({ label }, slot) => choice(id, label, { layer, from: { node: id, slot }, to: { node: row.node, input: row.input } }));
    const inputs = inputSlots(document, types, node);
    return [...inputs].sort((a, b) => Number(a.widget !== undefined) - Number(b.widget !== undefined)).flatMap((input) => choice(id, input.label, { layer, from: { node: row.node, slot: row.slot }, to: { node: id, input: input.name } }));
  });
}
