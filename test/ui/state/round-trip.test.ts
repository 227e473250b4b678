// Reading a workflow file and writing it back changes nothing, byte for byte; and what is changed converts as it should.
import { describe, expect, test } from 'vitest';
import { promptJson } from '../../../engine/formats/api.ts';
import { encodeJson, parseJson, type Json } from '../../../engine/formats/json.ts';
import { convertWorkflow } from '../../../engine/formats/workflow.ts';
import { noNodeTypes } from '../../../ui/state/node-types.ts';
import { indentOf, readWorkflowText } from '../../../ui/state/read-any.ts';
import { readDocument } from '../../../ui/state/read-file.ts';
import { writeDocument, writeText } from '../../../ui/state/write-file.ts';
import { comfyTypes, ourTypes, pairs, workflowTexts } from './files.ts';

const types = await ourTypes();

test('there are files to try', () => expect(workflowTexts.length).toBeGreaterThanOrEqual(11));

describe.each([['installed', types], ['unknown', noNodeTypes]])('with all types %s', (_name, known) => {
  test.each(workflowTexts)('%s', (_path, text) => {
    const { document } = readWorkflowText(text, known);
    // the files end as their writers end them: compare what JSON is
    expect(writeText(document, known, indentOf(text))).toBe(encodeJson(parseJson(text), { indent: indentOf(text) }));
  });
});

test.each(pairs.map((pair, i) => [i, pair.get('workflow') as Json, pair.get('api') as Json] as const))('golden pair %i', (_i, workflow) => {
  const { document } = readDocument(workflow, comfyTypes);
  const written = writeDocument(document, comfyTypes);
  expect(encodeJson(written, { indent: 1 })).toBe(encodeJson(workflow, { indent: 1 }));
});

test('what ComfyUI saves for its page is not read as trouble', () => {
  const notices = pairs.flatMap((pair) => readDocument(pair.get('workflow')!, comfyTypes).notices.map(({ code }) => code));
  expect(notices.filter((code) => code !== 'file.unknown-types' && code !== 'file.repaired-links')).toEqual([]);
});

/** All nodes written anew: what the document holds, without the file's own JSON to fall back on. */
test.each(pairs.map((pair, i) => [i, pair.get('workflow') as Json] as const))('golden pair %i converts the same when everything is written anew', (_i, workflow) => {
  const { document } = readDocument(workflow, comfyTypes);
  const anew = writeDocument(forgetRaw(document) as typeof document, comfyTypes);
  const converted = (json: Json) => encodeJson(promptJson(convertWorkflow(json, comfyTypes.definitions).prompt), { indent: 1 });
  expect(converted(anew)).toBe(converted(workflow));
});

function forgetRaw(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(forgetRaw);
  if (typeof value !== 'object' || value === null || value instanceof Map) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, item]) => (key === 'raw' ? ('root' in value || 'nodes' in value ? [['raw', new Map()]] : []) : [[key, forgetRaw(item)]])));
}
