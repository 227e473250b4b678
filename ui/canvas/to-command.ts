// The commands of the document that finished gestures mean.
import type { Command } from '../state/commands/commands.ts';
import type { LayerId } from '../state/document.ts';
import type { Selection } from '../state/selection.ts';
import type { CanvasCommand } from './events.ts';

/** `selection`: what the canvas shows as selected, for those gestures that are about it. */
export function toCommand(command: CanvasCommand, layer: LayerId, selection: Selection): Command {
  switch (command.kind) {
    case 'setCollapsed': return { kind: 'setCollapsed', layer, nodes: [command.node], isCollapsed: command.isCollapsed };
    case 'resizeGroup': return { kind: 'setGroup', layer, group: command.group, box: command.box };
    case 'duplicate': return { kind: 'duplicate', layer, selection, moves: command.moves };
    default: return { ...command, layer };
  }
}
