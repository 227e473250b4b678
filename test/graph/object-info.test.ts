// Definitions as ComfyUI serves them: key by key, and equal to ComfyUI's own for the core nodes.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { encodeJson, parseJson, type Json, type JsonObject } from '../../engine/formats/json.ts';
import { readDefinitions } from '../../engine/formats/object-info.ts';
import { defineNode, type AnyNode, type Environment } from '../../engine/graph/node.ts';
import { nodeInfo, objectInfo } from '../../engine/graph/object-info.ts';
import { createRegistry } from '../../engine/graph/registry.ts';
import { BOOLEAN, COMBO, FLOAT, IMAGE, INT, SEED, STRING } from '../../engine/graph/types.ts';
import { nodes as coreNodes } from '../../nodes/core/index.ts';

const env = { files: { list: async () => ['a.png', 'b.png'] }, devices: new Map() } as unknown as Environment;

const sample = defineNode({
  type: 'Sample', title: 'A Sample', description: 'Samples.', category: 'test', deprecated: true,
  inputs: {
    image: { type: IMAGE, lazy: true }, seed: { type: SEED, default: 0n, min: 0, max: 2 ** 64 - 1 }, scale: { type: FLOAT, default: 8, min: 0, step: 0.5 },
    kind: { type: COMBO, choices: ['a', 'b'], ui: { tooltip: 'which' } }, file: { type: COMBO, choices: ({ files }) => files.list('input') },
    broken: { type: COMBO, choices: () => { throw new Error('no'); } },
    size: { type: INT, optional: true }, either: { type: { name: 'EITHER', oneOf: ['IMAGE', 'MASK'] }, optional: true, raw: true },
    prompt: { type: STRING, hidden: 'prompt', optional: true }, id: { type: STRING, hidden: 'id', optional: true },
  },
  outputs: [{ name: 'picture', type: IMAGE, tooltip: 'it' }, { name: 'all', type: BOOLEAN, list: true }],
  run: () => { throw new Error('never run'); },
});

describe('nodeInfo', () => {
  test('has the keys and the order of ComfyUI', async () => {
    expect(encodeJson(await nodeInfo(sample, env, 'samples'), { indent: 1 }).replace(/\n {4,}|\n {3}(?=[\]}])/g, ' ')).toMatchInlineSnapshot(`
      "{
       "input": {
        "required": {
         "image": [ "IMAGE", { "lazy": true } ],
         "seed": [ "INT", { "default": 0, "min": 0, "max": 18446744073709551615 } ],
         "scale": [ "FLOAT", { "default": 8.0, "min": 0.0, "step": 0.5 } ],
         "kind": [ [ "a", "b" ], { "tooltip": "which" } ],
         "file": [ [ "a.png", "b.png" ] ],
         "broken": [ [] ]
        },
        "optional": {
         "size": [ "INT" ],
         "either": [ "IMAGE,MASK", { "rawLink": true } ]
        },
        "hidden": {
         "prompt": "PROMPT",
         "id": "UNIQUE_ID"
        }
       },
       "input_order": {
        "required": [
         "image",
         "seed",
         "scale",
         "kind",
         "file",
         "broken"
        ],
        "optional": [
         "size",
         "either"
        ],
        "hidden": [
         "prompt",
         "id"
        ]
       },
       "output": [
        "IMAGE",
        "BOOLEAN"
       ],
       "output_is_list": [
        false,
        true
       ],
       "output_name": [
        "picture",
        "all"
       ],
       "name": "Sample",
       "display_name": "A Sample",
       "description": "Samples.",
       "python_module": "custom_nodes.samples",
       "category": "test",
       "output_node": false,
       "output_tooltips": [
        "it",
        null
       ],
       "deprecated": true
      }"
    `);
  });
});

describe('objectInfo', () => {
  const registry = createRegistry([{ name: 'core', nodes: coreNodes as readonly AnyNode[] }]);
  const golden = parseJson(readFileSync(new URL('../golden/converter/object_info.json', import.meta.url), 'utf8')) as ReadonlyMap<string, JsonObject>;
  const shared = [...golden.keys()].filter((type) => registry.get(type) !== undefined);

  test('knows what it is compared with', () => expect(shared.length).toBeGreaterThan(10));

  test.each(shared)('%s takes and gives what it does in ComfyUI', async (type) => {
    const ours = (await objectInfo(registry, env)).get(type) as JsonObject;
    const theirs = golden.get(type)!;
    for (const key of ['output', 'output_is_list', 'output_name', 'output_node', 'name', 'input_order']) expect([key, ours.get(key)]).toEqual([key, theirs.get(key)]);
    expect(withoutTooltips(ours.get('input')!)).toEqual(withoutTooltips(theirs.get('input')!));
  });

  test('what it writes is read back for conversion', async () => {
    const definitions = readDefinitions(await objectInfo(registry, env));
    expect(definitions('LoadImage')!.inputs[0]).toMatchObject({ name: 'image', type: 'COMBO', widget: { initial: 'a.png' } });
    expect(definitions('SaveImage')).toMatchObject({ isOutput: true, title: 'Save Image' });
    expect(definitions('Vanished')).toBeUndefined();
  });

  test('only the types asked for, as they are called, aliases too', async () => {
    const aliased = createRegistry([{ name: 'x', nodes: [{ ...sample, aliases: ['Old'] }] }]);
    expect([...(await objectInfo(aliased, env, ['Old', 'Vanished'])).keys()]).toEqual(['Old']);
    expect([...(await objectInfo(aliased, env)).keys()]).toEqual(['Sample']);
  });
});

/** What changes nothing: tooltips, and options that are empty or at their default. Combos are written in the older of ComfyUI's two ways. */
function withoutTooltips(input: Json): Json {
  return new Map([...(input as JsonObject)].map(([kind, inputs]) => [kind, new Map([...(inputs as JsonObject)].map(([name, spec]) => {
    if (!Array.isArray(spec)) return [name, spec] as const;
    const [type, given = new Map<string, Json>()] = spec as unknown as readonly [Json, JsonObject?];
    const options = new Map([...given].filter(([option, value]) => option !== 'tooltip' && !(option === 'multiline' && value === false) && !(option === 'step' && value === 1n)));
    return [name, [type, ...(options.size === 0 ? [] : [options])]] as const;
  }))]));
}
