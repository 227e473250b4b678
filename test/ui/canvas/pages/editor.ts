// A page with the canvas on real documents: commands go through the real history, as in the editor, but there is no shell around.
import { parseJson } from '../../../../engine/formats/json.ts';
import { createCanvas } from '../../../../ui/canvas/canvas.ts';
import type { CanvasCommand, Place, Target } from '../../../../ui/canvas/events.ts';
import type { GraphCanvas } from '../../../../ui/canvas/graph-canvas.ts';
import { toCommand } from '../../../../ui/canvas/to-command.ts';
import { runCommand, type Command } from '../../../../ui/state/commands/commands.ts';
import { emptyDocument, rootLayer } from '../../../../ui/state/document.ts';
import { History } from '../../../../ui/state/history.ts';
import { say } from '../../../../ui/state/messages.ts';
import { noNodeTypes, readNodeTypes, type NodeTypes } from '../../../../ui/state/node-types.ts';
import { readWorkflowText } from '../../../../ui/state/read-any.ts';
import { emptySelection, type Selection } from '../../../../ui/state/selection.ts';

const element = document.querySelector<HTMLElement>('#stage')!;
let types: NodeTypes = noNodeTypes;
let selection: Selection = emptySelection;
let layer = rootLayer;
const told: unknown[] = [];
const tell = (event: string) => (...given: readonly unknown[]) => { told.push([event, ...given.map((one) => (isPlace(one) ? 'place' : one))]); };
const isPlace = (one: unknown): one is Place => typeof one === 'object' && one !== null && 'client' in one;
const history = new History(emptyDocument(), { selection: () => selection });

function make(): GraphCanvas {
  return createCanvas(element, {
    onCommand(command: CanvasCommand) {
      told.push(['command', command]);
      const outcome = runCommand(history, toCommand(command, layer, selection), types);
      if (!outcome.ok) told.push(['refused', say(outcome.reason)]);
    },
    onSelection(next) { selection = next; },
    onContextMenu: tell('menu'), onDoubleClick: tell('double'), onLinkDropped: tell('dropped'),
    onRefused: (reason, end, target: Target, _place, fix) => told.push(['refusedLink', say(reason), end.node, target.kind, fix]),
    onRefusal: (reason) => { if (reason !== undefined) told.push(['refusal', say(reason)]); },
    onWidgets: (places) => { widgets = places.length; },
  });
}

let widgets = 0;
let canvas = make();
history.subscribe(({ document, patches, cause }) => {
  if (cause === 'replace') canvas.show(document, layer, types);
  else canvas.apply(document, patches);
});

const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? Number(one) : one instanceof Map ? Object.fromEntries(one) : one)));
Object.assign(window, {
  isReady: true,
  editor: {
    get canvas() { return canvas; },
    history,
    load(objectInfo: string, workflow: string) {
      types = readNodeTypes(parseJson(objectInfo));
      history.replace(readWorkflowText(workflow, types).document);
      canvas.fit();
    },
    run: (command: Command) => runCommand(history, command, types).ok,
    enter(id: string) { layer = id; canvas.show(history.document, layer, types); canvas.fit(); },
    /** A graph of so many nodes, each linked to the one before. */
    grow(count: number, columns: number) {
      history.edit({ code: 'edit.addNode', params: { title: '' } }, () => undefined);
      const nodes = Array.from({ length: count }, (_, i) => ({
        id: i + 1, type: 'Work', pos: [(i % columns) * 320, Math.floor(i / columns) * 300], size: [260, 220], flags: {}, order: i, mode: 0,
        inputs: [{ name: 'image', type: 'IMAGE', link: i === 0 ? null : i }, { name: 'mask', type: 'MASK', link: null }], outputs: [{ name: 'IMAGE', type: 'IMAGE', links: null }],
        properties: {}, widgets_values: [i, 'randomize', 20, 4.5, 'euler', true, 'some words'],
      }));
      const links = Array.from({ length: count - 1 }, (_, i) => [i + 1, i + 1, 0, i + 2, 0, 'IMAGE']);
      history.replace(readWorkflowText(JSON.stringify({ nodes, links, last_node_id: count, last_link_id: count, version: 0.4 }), types).document);
    },
    told: () => json(told.splice(0)),
    document: () => json(history.document.root),
    selection: () => selection,
    widgets: () => widgets,
    remake() { canvas.destroy(); canvas = make(); canvas.show(history.document, layer, types); },
  },
});
