// Small workflows in the editor's form, with forms of their own, and a picture.
import { encodePng } from '../../../engine/image/encode.ts';
import type { TestServer } from '../harness.ts';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

interface Written {
  readonly nodes: Readonly<Record<number, readonly [type: string, widgets: readonly unknown[], links?: Readonly<Record<string, readonly [from: number, slot: number, type: string]>>]>>;
  readonly inputs?: Readonly<Record<string, readonly [node: number, input: string]>>;
  readonly outputs?: Readonly<Record<string, number>>;
}

/** The editor's form of it. */
export function workflowOf({ nodes, inputs = {}, outputs = {} }: Written): object {
  const links: unknown[] = [];
  const written = Object.entries(nodes).map(([id, [type, widgets, linked = {}]]) => ({
    id: Number(id), type, pos: [0, 0], size: [200, 80], flags: {}, order: Number(id), mode: 0, properties: {}, outputs: [], widgets_values: widgets,
    inputs: Object.entries(linked).map(([name, [from, slot, linkType]], i) => {
      links.push([links.length + 1, from, slot, Number(id), i, linkType]);
      return { name, type: linkType, link: links.length };
    }),
  }));
  const form = {
    inputs: Object.entries(inputs).map(([name, [node, input]]) => ({ name, node: String(node), input })),
    outputs: Object.entries(outputs).map(([name, node]) => ({ name, node: String(node) })),
  };
  return { last_node_id: 99, last_link_id: links.length, nodes: written, links, groups: [], config: {}, extra: { bagelgraph: { form } }, version: 0.4 };
}

/** Inverts a picture and repeats a text. */
export const invert = workflowOf({
  nodes: {
    1: ['LoadImage', ['example.png', 'image']], 2: ['ImageInvert', [], { image: [1, 0, 'IMAGE'] }], 3: ['SaveImage', ['made'], { images: [2, 0, 'IMAGE'] }],
    4: ['PrimitiveString', ['hello']], 5: ['PreviewAny', [], { source: [4, 0, 'STRING'] }],
  },
  inputs: { image: [1, 'image'], words: [4, 'value'], prefix: [3, 'filename_prefix'] }, outputs: { image: 3, words: 5 },
});

/** Works for a while. */
export const work = workflowOf({ nodes: { 1: ['Work', [3, 1]], 2: ['PreviewAny', [], { source: [1, 0, 'INT'] }] }, inputs: { steps: [1, 'steps'], pace: [1, 'stepMs'] }, outputs: { steps: 2 } });

/** Fails. */
export const broken = workflowOf({ nodes: { 1: ['PrimitiveString', ['x']], 2: ['Break', [], { value: [1, 0, 'STRING'] }], 3: ['PreviewAny', [], { source: [2, 0, '*'] }] }, outputs: { text: 3 } });

/** A PNG of one colour. */
export async function png(red: number, green: number, blue: number, side = 4): Promise<Buffer> {
  const data = new Uint8Array(side * side * 3).map((_, i) => [red, green, blue][i % 3]!);
  return Buffer.from(await encodePng({ width: side, height: side, channels: 3, data }));
}

export function dataUrl(bytes: Buffer): string {
  return `data:image/png;base64,${bytes.toString('base64')}`;
}

/** As a user of the page saves it. */
export async function save({ folder }: TestServer, name: string, workflow: object): Promise<void> {
  const file = path.join(folder, 'user/default/workflows', `${name}.json`);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(workflow));
}
