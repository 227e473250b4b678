// What bypassing would connect is what a run then gets: told beforehand and compared with the conversion.
import { expect, test } from 'vitest';
import { linkOf } from '../../../engine/formats/api.ts';
import { convertWorkflow } from '../../../engine/formats/workflow.ts';
import { bypassPreview } from '../../../ui/state/bypass.ts';
import { runCommand, type Command } from '../../../ui/state/commands/commands.ts';
import { emptyDocument, rootLayer } from '../../../ui/state/document.ts';
import { History } from '../../../ui/state/history.ts';
import { writeDocument } from '../../../ui/state/write-file.ts';
import { comfyTypes } from './files.ts';

function lab(...types: readonly string[]) {
  const history = new History(emptyDocument());
  const run = (command: Command) => expect(runCommand(history, command, comfyTypes)).toMatchObject({ ok: true });
  types.forEach((type, i) => run({ kind: 'addNode', layer: rootLayer, type, at: [i * 300, 0] }));
  return {
    link: (from: string, slot: number, to: string, input: string) => run({ kind: 'connect', layer: rootLayer, from: { node: from, slot }, to: { node: to, input } }),
    preview: (...nodes: string[]) => bypassPreview(history.document, comfyTypes, history.document.root, nodes).map(({ link, from }) => {
      const { to, toSlot } = history.document.root.links[link]!;
      return [to, history.document.root.nodes[to]!.inputs[toSlot]!.name, from === undefined ? undefined : `${from.node}.${from.slot}`];
    }),
    bypass: (...nodes: string[]) => run({ kind: 'setMode', layer: rootLayer, nodes, mode: 4 }),
    runs: (node: string, input: string) => {
      const given = convertWorkflow(writeDocument(history.document, comfyTypes), comfyTypes.definitions).prompt.nodes.get(node)?.inputs.get(input);
      const link = given === undefined ? undefined : linkOf(given);
      return link === undefined ? undefined : `${link.node}.${link.output}`;
    },
  };
}

test('the value that went in goes on, also past a node that is bypassed already', () => {
  const { link, preview, bypass, runs } = lab('EmptyLatentImage', 'VAEDecode', 'ImageInvert', 'ImageSharpen', 'SaveImage');
  link('1', 0, '2', 'samples');
  link('2', 0, '3', 'image');
  link('3', 0, '4', 'image');
  link('4', 0, '5', 'images');
  expect(preview('4')).toEqual([['5', 'images', '3.0']]);
  expect(preview('3', '4')).toEqual([['5', 'images', '2.0']]);
  bypass('3');
  expect(preview('4')).toEqual([['5', 'images', '2.0']]);
  bypass('4');
  expect(runs('5', 'images')).toBe('2.0');
});

test('where nothing of the type comes in, nothing goes on', () => {
  const { link, preview, bypass, runs } = lab('EmptyLatentImage', 'VAEDecode', 'SaveImage');
  link('1', 0, '2', 'samples');
  link('2', 0, '3', 'images');
  expect(preview('2')).toEqual([['3', 'images', undefined]]);
  expect(preview('1', '2')).toEqual([['3', 'images', undefined]]);
  expect(preview('3')).toEqual([]);
  bypass('2');
  expect(runs('3', 'images')).toBeUndefined();
});
