// Workflows as ComfyUI's own page converts them: every pair of UI form and API form must come out equal.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { promptJson } from '../../engine/formats/api.ts';
import { encodeJson, isJsonObject, parseJson, type Json, type JsonObject } from '../../engine/formats/json.ts';
import { readDefinitions } from '../../engine/formats/object-info.ts';
import { convertWorkflow } from '../../engine/formats/workflow.ts';

const golden = (name: string): Json => parseJson(readFileSync(new URL(`../golden/converter/${name}`, import.meta.url), 'utf8'));
const definitions = readDefinitions(golden('object_info.json'));
const pairs = (golden('pairs.json') as readonly JsonObject[]).map((pair, i) => [i, pair.get('workflow')!, pair.get('api')!] as const);

test('there are 60 pairs', () => expect(pairs.length).toBe(60));

test.each(pairs)('pair %i', (_i, workflow, api) => {
  const { prompt } = convertWorkflow(workflow, definitions);
  // as text: order of nodes and inputs, and the kind of every number, count too
  expect(encodeJson(promptJson(prompt), { indent: 1 })).toBe(encodeJson(withoutPreview(api), { indent: 1 }));
});

const subgraphs = (golden('subgraphs.json') as readonly JsonObject[]).map((pair) => [String(pair.get('name')), pair.get('workflow')!, pair.get('api')!] as const);

test.each(subgraphs)('%s', (_name, workflow, api) => {
  // the page orders nodes inside anew when it sends; its files keep the order from before, so order does not count here
  const byId = (json: Json) => encodeJson(new Map([...(json as JsonObject)].sort(([a], [b]) => (a < b ? -1 : 1))), { indent: 1 });
  expect(byId(promptJson(convertWorkflow(workflow, definitions).prompt))).toBe(byId(api));
});

/** The page adds a text box `preview` to PreviewAny whose value is in no file: it cannot be read from a workflow, and no definition declares it. */
function withoutPreview(api: Json): Json {
  return new Map([...(api as JsonObject)].map(([id, node]) => {
    const inputs = (node as JsonObject).get('inputs');
    if ((node as JsonObject).get('class_type') !== 'PreviewAny' || !isJsonObject(inputs)) return [id, node];
    return [id, new Map(node as JsonObject).set('inputs', new Map([...inputs].filter(([name]) => name !== 'preview')))];
  }));
}
