// bagelgraph convert as a user runs it: what ComfyUI's own page makes of a workflow, for our nodes, a file of definitions, or a server.
import { createServer, type Server } from 'node:http';
import { readFile, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeJson, isJsonObject, parseJson, type Json, type JsonObject } from '../../engine/formats/json.ts';
import { goldenPath } from '../support/golden.ts';
import { bagelgraph, folderWith, node } from './bagelgraph.ts';

const definitionsFile = goldenPath('converter/object_info.json');
const nativeFolder = fileURLToPath(new URL('../nodes/comfy-bagel/workflows', import.meta.url));

interface Printed { readonly [id: string]: { readonly inputs: Record<string, unknown>; readonly class_type: string; readonly _meta: { readonly title: string } } }

async function convert(folder: string, ...words: string[]): Promise<{ printed: Printed; stderr: string; text: string }> {
  const { code, stdout, stderr } = await bagelgraph(folder, 'convert', ...words);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return { printed: JSON.parse(stdout) as Printed, stderr, text: stdout };
}

test('each golden pair: the same nodes, inputs and numbers in the same order as ComfyUI\'s page', { timeout: 180_000 }, async () => {
  const pairs = parseJson(await readFile(goldenPath('converter/pairs.json'), 'utf8')) as readonly JsonObject[];
  const folder = await folderWith();
  await Promise.all(pairs.map((pair, i) => writeFile(path.join(folder, `${i}.json`), encodeJson(pair.get('workflow')!))));
  let next = 0;
  const different: number[] = [];
  const worker = async () => {
    for (let i = next++; i < pairs.length; i = next++) {
      const { text } = await convert(folder, `${i}.json`, '--object-info', definitionsFile);
      if (encodeJson(parseJson(text)) !== encodeJson(withoutPreview(pairs[i]!.get('api')!))) different.push(i);
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  expect([pairs.length, different]).toEqual([60, []]);
});

/** The page adds a text box to PreviewAny whose value is in no file. */
function withoutPreview(api: Json): Json {
  return new Map([...(api as JsonObject)].map(([id, entry]) => {
    const inputs = (entry as JsonObject).get('inputs');
    if ((entry as JsonObject).get('class_type') !== 'PreviewAny' || !isJsonObject(inputs)) return [id, entry];
    return [id, new Map(entry as JsonObject).set('inputs', new Map([...inputs].filter(([name]) => name !== 'preview')))];
  }));
}

test('ComfyUI-BAGEL\'s own workflows: leftover values are ignored, 64-bit seeds stay, our nodes need no definitions', async () => {
  const folder = await folderWith();
  const { printed, stderr } = await convert(folder, goldenPath('workflows/bagel_image_editing.json'));
  expect(printed['17']).toEqual({
    class_type: 'BagelImageEdit', _meta: { title: 'BAGEL Image Edit' },
    inputs: {
      prompt: 'She boards a modern subway, quietly reading a folded newspaper, wearing the same clothes.', seed: 697672, cfg_text_scale: 4, cfg_img_scale: 2, num_timesteps: 50,
      show_thinking: true, cfg_interval: 0, timestep_shift: 3, cfg_renorm_min: 0, cfg_renorm_type: 'text_channel', text_temperature: 0.3, model: ['16', 0], image: ['12', 0],
    },
  });
  expect(printed['16']!.inputs).toEqual({ model_path: 'DFloat11/BAGEL-7B-MoT-DF11', allow_auto_download: 'BF16', quantization_mode: 'BF16' });
  expect(stderr).toBe('');
  const { printed: native, text } = await convert(folder, path.join(nativeFolder, 'native_text_to_image.json'));
  expect(text).toContain('"seed": 493218878032302,');
  expect(native['8']!.inputs).toMatchObject({ width: 1024, cfg_text_scale: 5, cfg_interval: 0.4, timestep_shift: 4, num_timesteps: 50, text_temperature: 0.3, model: ['1', 0] });
});

describe('definitions of a server', () => {
  let server: Server;
  let address: string;
  const asked: string[] = [];
  beforeAll(async () => {
    const definitions = await readFile(definitionsFile, 'utf8');
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.url === '/comfy/object_info') response.end(definitions);
      else if (request.url === '/page/object_info') response.end('<!doctype html>');
      else response.writeHead(404, 'Not Found').end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const workflow = { nodes: [{ id: 4, type: 'EmptyImage', widgets_values: [64, 32, 1, 255] }], links: [], version: 0.4 };

  test.each(['/comfy', '/comfy/', '/comfy/object_info'])('are asked for at %s', async (place) => {
    asked.length = 0;
    const { printed } = await convert(await folderWith({ 'w.json': workflow }), 'w.json', '--object-info', `${address}${place}`);
    expect(printed['4']!.inputs).toEqual({ width: 64, height: 32, batch_size: 1, color: 255 });
    expect(asked).toEqual(['GET /comfy/object_info']);
  });

  test.each([
    ['', 'cannot get ADDRESS/object_info: it answered 404 Not Found'],
    ['/page', 'ADDRESS/page is no JSON'],
  ])('at %j are told not to be there', async (place, message) => {
    const { code, stdout, stderr } = await bagelgraph(await folderWith({ 'w.json': workflow }), 'convert', 'w.json', '--object-info', `${address}${place}`);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message.replace('ADDRESS', address));
  });
});

describe('dynamic prompts', () => {
  const text = 'a {red|blue|green|white} ball on a {red|blue|green|white} floor';
  const workflow = { nodes: [{ id: 1, type: 'Bagel.EncodeText', inputs: [], widgets_values: [text] }], links: [], version: 0.4 };

  test('are picked by the seed, or by the text itself, and the pick is told', async () => {
    const folder = await folderWith({ 'w.json': workflow });
    const picked = async (...words: string[]) => {
      const { printed, stderr } = await convert(folder, 'w.json', ...words);
      const pick = printed['1']!.inputs['text'] as string;
      expect(pick).toMatch(/^a (red|blue|green|white) ball on a (red|blue|green|white) floor$/);
      expect(stderr).toContain(`note: node 1: text ${JSON.stringify(text)} became ${JSON.stringify(pick)}`);
      return pick;
    };
    expect(await picked()).toBe(await picked());
    const seeded = await Promise.all(['1', '2', '3', '4', '18446744073709551615'].map((seed) => picked('--seed', seed)));
    expect(new Set(seeded).size).toBeGreaterThan(1);
    expect(await picked('--seed', '3')).toBe(seeded[2]);
  });
});

describe('odd files', () => {
  const input = (name: string, type: string, link: number | null, widget = false) => ({ name, type, link, ...(widget ? { widget: { name } } : {}) });
  const output = (name: string, type: string) => ({ name, type, links: [] });
  const inverter = {
    id: 'aaaa', name: 'Invert twice', inputNode: { id: -10 }, outputNode: { id: -20 },
    inputs: [{ id: 'i', name: 'picture', type: 'IMAGE', linkIds: [1] }], outputs: [{ id: 'o', name: 'IMAGE', type: 'IMAGE', linkIds: [3] }], widgets: [],
    nodes: [
      { id: 1, type: 'ImageInvert', inputs: [input('image', 'IMAGE', 1)], outputs: [output('IMAGE', 'IMAGE')] },
      { id: 2, type: 'ImageInvert', inputs: [input('image', 'IMAGE', 2)], outputs: [output('IMAGE', 'IMAGE')] },
    ],
    links: [
      { id: 1, origin_id: -10, origin_slot: 0, target_id: 1, target_slot: 0, type: 'IMAGE' }, { id: 2, origin_id: 1, origin_slot: 0, target_id: 2, target_slot: 0, type: 'IMAGE' },
      { id: 3, origin_id: 2, origin_slot: 0, target_id: -20, target_slot: 0, type: 'IMAGE' },
    ],
  };
  const outer = {
    id: 'bbbb', name: 'Outer', inputNode: { id: -10 }, outputNode: { id: -20 },
    inputs: [{ id: 'w', name: 'width', type: 'INT', linkIds: [1] }], outputs: [{ id: 'o', name: 'IMAGE', type: 'IMAGE', linkIds: [3] }], widgets: [],
    nodes: [
      { id: 5, type: 'EmptyImage', inputs: [input('width', 'INT', 1, true)], outputs: [output('IMAGE', 'IMAGE')], widgets_values: [512, 40, 1, 0] },
      { id: 6, type: 'aaaa', inputs: [input('picture', 'IMAGE', 2)], outputs: [output('IMAGE', 'IMAGE')] },
    ],
    links: [
      { id: 1, origin_id: -10, origin_slot: 0, target_id: 5, target_slot: 0, type: 'INT' }, { id: 2, origin_id: 5, origin_slot: 0, target_id: 6, target_slot: 0, type: 'IMAGE' },
      { id: 3, origin_id: 6, origin_slot: 0, target_id: -20, target_slot: 0, type: 'IMAGE' },
    ],
  };
  const nested = {
    nodes: [
      { id: 10, type: 'bbbb', inputs: [input('width', 'INT', null, true)], outputs: [output('IMAGE', 'IMAGE')], widgets_values: [96] },
      { id: 11, type: 'SaveImage', inputs: [input('images', 'IMAGE', 1)], outputs: [], widgets_values: ['nested'] },
    ],
    links: [[1, 10, 0, 11, 0, 'IMAGE']], definitions: { subgraphs: [inverter, outer] }, version: 0.4,
  };

  test('a subgraph inside a subgraph becomes plain nodes', async () => {
    const { printed } = await convert(await folderWith({ 'w.json': nested }), 'w.json');
    expect(Object.fromEntries(Object.entries(printed).map(([id, { class_type: type, inputs }]) => [id, [type, inputs]]))).toEqual({
      11: ['SaveImage', { filename_prefix: 'nested', images: ['10:6:2', 0] }],
      '10:5': ['EmptyImage', { width: 96, height: 40, batch_size: 1, color: 0 }],
      '10:6:1': ['ImageInvert', { image: ['10:5', 0] }],
      '10:6:2': ['ImageInvert', { image: ['10:6:1', 0] }],
    });
  });

  test.each(['workflow>Pair', 'workflow/Pair'])('a group node %s becomes its inner nodes', async (type) => {
    const inner = [
      { type: 'EmptyImage', index: 0, inputs: [], outputs: [output('IMAGE', 'IMAGE')], widgets_values: [8, 8, 1, 0] },
      { type: 'ImageInvert', index: 1, inputs: [input('image', 'IMAGE', null)], outputs: [output('IMAGE', 'IMAGE')] },
    ];
    const group = {
      nodes: [
        { id: 3, type, inputs: [], outputs: [output('EmptyImage IMAGE', 'IMAGE'), output('IMAGE', 'IMAGE')], widgets_values: [24, 16, 2, 7] },
        { id: 4, type: 'PreviewImage', inputs: [input('images', 'IMAGE', 1)], outputs: [] },
      ],
      links: [[1, 3, 0, 4, 0, 'IMAGE']], extra: { groupNodes: { Pair: { nodes: inner, links: [[0, 0, 1, 0, 1, 'IMAGE']], external: [[1, 0, 'IMAGE']] } } }, version: 0.4,
    };
    const { printed } = await convert(await folderWith({ 'w.json': group }), 'w.json');
    expect(printed['3:0']).toMatchObject({ class_type: 'EmptyImage', inputs: { width: 24, height: 16, batch_size: 2, color: 7 } });
    expect(printed['3:1']).toMatchObject({ class_type: 'ImageInvert', inputs: { image: ['3:0', 0] } });
    expect(Object.keys(printed)).toHaveLength(3);
  });

  test('old styles: values by name, a widget turned into an input, a primitive, null links, ids as text', async () => {
    const old = {
      nodes: [
        { id: '1', type: 'PrimitiveNode', inputs: [], outputs: [{ name: 'INT', type: 'INT', links: [1], widget: { name: 'width' } }], widgets_values: [48, 'fixed'] },
        { id: '2', type: 'EmptyImage', inputs: [{ name: 'width', type: 'INT', link: 1, widget: { name: 'width', config: ['INT', { default: 512 }] } }], outputs: [output('IMAGE', 'IMAGE')], widgets_values: { width: 1, height: 20, batch_size: 1, color: 3, videopreview: { hidden: false } } },
        { id: 3, type: 'Reroute', inputs: [{ name: '', type: '*', link: 2 }], outputs: [{ name: '', type: 'IMAGE', links: [3] }] },
        { id: 4, type: 'SaveImage', inputs: [input('images', 'IMAGE', 3)], outputs: null, widgets_values: null },
        { id: 5, type: 'Note', inputs: null, outputs: [], widgets_values: ['a note'] },
      ],
      links: [[1, '1', 0, '2', 0, 'INT'], [2, '2', 0, 3, 0, 'IMAGE'], null, [3, 3, 0, 4, 0, 'IMAGE']], version: 0.4,
    };
    const { printed } = await convert(await folderWith({ 'w.json': old }), 'w.json');
    expect(Object.fromEntries(Object.entries(printed).map(([id, { inputs }]) => [id, inputs]))).toEqual({
      2: { width: 48, height: 20, batch_size: 1, color: 3 }, 4: { filename_prefix: 'ComfyUI', images: ['2', 0] },
    });
  });

  test('missing definitions are an error that names every node and its type, also inside subgraphs; muted ones do not matter', async () => {
    const [first, ...others] = outer.nodes;
    const unknown = {
      ...nested,
      nodes: [...nested.nodes, { id: 12, type: 'Vanished', title: 'My old node', inputs: [], outputs: [] }, { id: 13, type: 'AlsoGone', mode: 2, inputs: [], outputs: [] }],
      definitions: { subgraphs: [inverter, { ...outer, nodes: [{ ...first, type: 'KSampler' }, ...others] }] },
    };
    const { code, stdout, stderr } = await bagelgraph(await folderWith({ 'w.json': unknown }), 'convert', 'w.json');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe('bagelgraph: no definition of Vanished "My old node" (node 12), KSampler (node 10:5) among our own nodes: give those of the server it is for with --object-info\n');
  });

  test('the API form is printed as it is, and a wrong file is told', async () => {
    const folder = await folderWith({ 'api.json': '{"7":{"class_type":"EmptyImage","inputs":{"width":64,"scale":5.0,"seed":18446744073709551615},"_meta":{"title":"Mine"}}}', 'no.json': [1], 'one.json': { 1: node('EmptyImage') } });
    const { text } = await convert(folder, 'api.json');
    expect(text.replace(/\s+/g, '')).toBe('{"7":{"inputs":{"width":64,"scale":5.0,"seed":18446744073709551615},"class_type":"EmptyImage","_meta":{"title":"Mine"}}}');
    for (const [words, message] of [
      [['no.json'], 'is JSON, but no workflow'], [['gone.json'], 'there is no workflow file gone.json'], [[], 'convert takes one workflow file, got 0'],
      [[goldenPath('workflows/bagel_text_to_image.json'), '--object-info', 'gone.json'], '--object-info: there is no file gone.json'],
      [['one.json', '--seed', 'x'], '--seed is "x"'],
    ] as const) {
      const { code, stdout, stderr } = await bagelgraph(folder, 'convert', ...words);
      expect([words, code, stdout]).toEqual([words, 2, '']);
      expect(stderr).toContain(message);
    }
  });
});
