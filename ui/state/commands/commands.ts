// Every command by name, as plain data: what the canvas, the panels and the keyboard ask for. Runs them on the history, with a label.
import { findLayer, rootLayer, type EditableDocument, type NodeId } from '../document.ts';
import type { History, Outcome } from '../history.ts';
import { message, type Message, type MessageCode } from '../messages.ts';
import type { NodeTypes } from '../node-types.ts';
import { titleOf } from '../slots.ts';
import { addGroup, align, distribute, move, resizeNode, setGroup, tidy } from './arrange.ts';
import type { Context, Made } from './context.ts';
import { markInput, markOutput, setForm, unmark } from './form.ts';
import { connect, disconnect, insertNode, insertReroute } from './links.ts';
import { addNode, removeItems, rename, setCollapsed, setColor, setControl, setDevice, setMode, setPinned, setShape, setValue, setValues, toggleMode } from './nodes.ts';
import { duplicate, paste } from './paste.ts';
import { createSubgraph, renameSubgraph, unpackSubgraph } from './subgraphs.ts';

const commands = {
  addNode, removeItems, setValue, setValues, setControl, setMode, toggleMode, setCollapsed, setPinned, setColor, setShape, rename, setDevice,
  connect, disconnect, insertReroute, insertNode,
  move, resizeNode, align, distribute, tidy, addGroup, setGroup,
  paste, duplicate,
  createSubgraph, unpackSubgraph, renameSubgraph,
  markInput, markOutput, unmark, setForm,
};

type Commands = typeof commands;
/** `{ kind: 'setValue', layer, node, input, value }` and so on, for every command. */
export type Command = { [K in keyof Commands]: { readonly kind: K } & Parameters<Commands[K]>[1] }[keyof Commands];

/** Applies a command to a draft. Throws a Refusal for what cannot be done. */
export function applyCommand(draft: EditableDocument, command: Command, context: Context): Made {
  const apply = commands[command.kind] as (draft: EditableDocument, args: Command, context: Context) => Made | void;
  return apply(draft, command, context) ?? {};
}

/** Runs a command as one step (or as part of the open gesture). Typing into one field merges. */
export function runCommand(history: History, command: Command, types: NodeTypes): Outcome<Made> {
  return history.edit(labelOf(command, history, types), (draft, before) => applyCommand(draft, command, { types, before }), mergeKeyOf(command));
}

/** Several commands as one step, labelled as the first. The first refusal takes all of them back. */
export function runCommands(history: History, list: readonly Command[], types: NodeTypes): Outcome<readonly Made[]> {
  const made: Made[] = [];
  history.begin();
  for (const command of list) {
    const outcome = runCommand(history, command, types);
    if (!outcome.ok) {
      history.cancel();
      return outcome;
    }
    made.push(outcome.made);
  }
  history.commit();
  return { ok: true, made };
}

function mergeKeyOf(command: Command): string | undefined {
  if (command.kind === 'setValue') return `value ${command.layer} ${command.node} ${command.input}`;
  if (command.kind === 'setColor') return `color ${command.layer} ${command.nodes.join()}`;
  return undefined;
}

/** What the history list says. */
export function labelOf(command: Command, { document }: Pick<History, 'document'>, types: NodeTypes): Message {
  const layer = findLayer(document, 'layer' in command ? command.layer : rootLayer);
  const title = (id: NodeId) => (layer?.nodes[id] === undefined ? id : titleOf(document, types, layer.nodes[id]));
  const params: Record<string, string | number> = {};
  if ('nodes' in command && command.nodes !== undefined) params['count'] = command.nodes.length;
  if ('node' in command) params['title'] = title(command.node);
  if ('input' in command && command.input !== undefined) params['input'] = command.input;
  switch (command.kind) {
    case 'addNode': params['title'] = titleOf(document, types, { type: command.type }); break;
    case 'removeItems': params['count'] = [command.nodes, command.groups, command.reroutes, command.links].reduce((sum, ids) => sum + (ids?.length ?? 0), 0); break;
    case 'move': params['count'] = Object.keys({ ...command.moves.nodes, ...command.moves.groups, ...command.moves.reroutes }).length; break;
    case 'connect': params['title'] = title(command.to.node); break;
    case 'disconnect': params['title'] = title(layer?.links[command.link]?.to ?? command.link); break;
    case 'paste': params['count'] = Object.keys(command.clip.document.root.nodes).length; break;
    case 'duplicate': params['count'] = command.selection.nodes.length; break;
    case 'unmark': params['name'] = command.input ?? title(command.node); break;
  }
  return message(`edit.${command.kind}` satisfies MessageCode, params);
}

