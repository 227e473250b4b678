// What the editor tells its user, as codes with values, and the English sentences for them. Other languages give the same table.
// Knows no screen: whoever shows a message picks the words.

/** English sentences by code; `{name}` is replaced. */
export const english = {
  'connect.no-output': 'This output does not exist.',
  'connect.no-input': 'This input does not exist.',
  'connect.own-node': 'A node cannot feed itself.',
  'connect.wrong-type': '{from} does not fit {to}.',
  'connect.wrong-type-convert': '{from} does not fit {to}. Put {node} between them.',
  'connect.cycle': 'This would be a circle: {title} already depends on this node.',
  'node.missing': 'This node is not there any more.',
  'node.unknown-type': 'The node type {type} is not installed here.',
  'subgraph.nothing-selected': 'Select the nodes that the subgraph is to hold.',
  'subgraph.inside-itself': 'A subgraph cannot hold itself.',
  'subgraph.gap': '{title} lies between the selected nodes: select it too.',
  'subgraph.not-one': 'This node is no subgraph.',
  'form.name-taken': 'Another one is already called {name}.',
  'paste.not-nodes': 'The clipboard holds no nodes.',
  'problem.missing-input': '{title} needs {input} ({type}).',
  'problem.unknown-type': '{title}: the node type {type} is not installed here. Install the node pack that has it, or delete the node.',
  'problem.value-not-a-choice': '{title}: {value} is none of the choices for {input}.',
  'problem.below-minimum': '{title}: {input} is {value}, the smallest is {bound}.',
  'problem.above-maximum': '{title}: {input} is {value}, the largest is {bound}.',
  'problem.not-a-number': '{title}: {input} must be a number.',
  'problem.cycle': '{title} depends on itself. Remove a link of this circle.',
  'problem.nothing-to-run': 'Nothing here makes an output. Add a node such as {node}.',
  'problem.wrong-type': '{title}: {from} does not fit {input} ({to}). Remove this link, or connect an output of type {to}.',
  'problem.missing-source': '{title}: what feeds {input} is muted. Unmute it, or connect something else.',
  'problem.not-convertible': 'This graph cannot run: {reason}',
  'problem.from-server': '{title}: {text}',
  'fix.connect': 'Connect {title}',
  'fix.add': 'Add {title}',
  'fix.set': 'Use {value}',
  'fix.unmute': 'Unmute {title}',
  'edit.addNode': 'Add {title}',
  'edit.removeItems': 'Delete {count}',
  'edit.move': 'Move {count}',
  'edit.duplicate': 'Duplicate {count}',
  'edit.setValues': 'Set values of {title}',
  'edit.toggleMode': 'Mute or bypass {count}',
  'edit.resizeNode': 'Resize {title}',
  'edit.setValue': 'Set {input} of {title}',
  'edit.setControl': 'Set what {input} of {title} does after a run',
  'edit.connect': 'Connect {title}',
  'edit.disconnect': 'Disconnect {title}',
  'edit.insertReroute': 'Add a point to a link',
  'edit.insertNode': 'Put {title} on a link',
  'edit.setMode': 'Mute or bypass {count}',
  'edit.setCollapsed': 'Collapse {count}',
  'edit.setPinned': 'Pin {count}',
  'edit.setColor': 'Colour {count}',
  'edit.setShape': 'Shape {count}',
  'edit.rename': 'Rename {title}',
  'edit.setDevice': 'Place {title} on a device',
  'edit.addGroup': 'Add a group',
  'edit.setGroup': 'Change a group',
  'edit.paste': 'Paste {count}',
  'edit.align': 'Align {count}',
  'edit.distribute': 'Distribute {count}',
  'edit.tidy': 'Tidy',
  'edit.createSubgraph': 'Make a subgraph of {count}',
  'edit.unpackSubgraph': 'Unpack {title}',
  'edit.renameSubgraph': 'Rename a subgraph',
  'edit.markInput': 'Show {input} in the simple view',
  'edit.markOutput': 'Show {title} in the simple view',
  'edit.unmark': 'Hide {name} from the simple view',
  'edit.setForm': 'Change the simple view',
  'file.repaired-links': '{count} links in the file led nowhere and are not shown.',
  'file.bad-form': 'The simple view of this file cannot be read: {reason}',
  'file.values-disagree': '{title}: values by name and by position disagree; those by name are used.',
  'file.groups-imported': 'Old group nodes were opened as subgraphs: {names}. A seed in one keeps its value from run to run.',
  'file.groups-kept': 'Some old group nodes hold nodes that are not installed here, and stay as they are: {names}.',
  'file.unknown-types': 'Some nodes are not installed here and are kept as they are: {types}.',
} as const;

export type MessageCode = keyof typeof english;
export type Words = Readonly<Record<MessageCode, string>>;

export interface Message {
  readonly code: MessageCode;
  readonly params: Readonly<Record<string, string | number>>;
}

export function message(code: MessageCode, params: Message['params'] = {}): Message {
  return { code, params };
}

/** The sentence of a message. */
export function say({ code, params }: Message, words: Words = english): string {
  return words[code].replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(params, name) ? String(params[name]) : whole));
}

/** Thrown by commands that cannot be done; nothing has changed then. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly reason: Message;

  constructor(reason: Message) {
    super(say(reason));
    this.reason = reason;
  }
}
