// A workflow file is hostile input: keys that reach prototypes, numbers beyond all bounds, lists without end, links to nowhere.
// Each is read soundly or refused with a reason; nothing outside the document changes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FormatError } from '../../../engine/formats/errors.ts';
import { encodeJson, parseJson, type Json, type JsonObject } from '../../../engine/formats/json.ts';
import { readClipboard } from '../../../ui/state/clipboard.ts';
import { runCommand } from '../../../ui/state/commands/commands.ts';
import { rootLayer } from '../../../ui/state/document.ts';
import { History } from '../../../ui/state/history.ts';
import { readNodeTypes } from '../../../ui/state/node-types.ts';
import { readWorkflowJson, readWorkflowText } from '../../../ui/state/read-any.ts';
import { readDocument } from '../../../ui/state/read-file.ts';
import { writeDocument, writeText } from '../../../ui/state/write-file.ts';
import { comfyTypes, pairs } from './files.ts';
import { brokenRules } from './invariants.ts';

const read = (text: string) => readWorkflowText(text, comfyTypes).document;
const node = (more: string, id: string | number = 1) => `{"nodes":[{"id":${JSON.stringify(id)},"type":"KSampler",${more}}],"links":[]}`;

test.each([
  ['', 'empty'], ['{', 'line 1, column 2'], ['[]', 'no workflow'], ['5', 'no workflow'], ['{"nodes":5}', 'no workflow'], ['{"nodes":[5]}', 'must be an object'], ['{"nodes":[{}]}', 'needs a text "type"'], ['{"nodes":[{"type":"A"}]}', 'has no id'],
  ['{"nodes":[{"id":1,"type":"A"},{"id":1,"type":"B"}]}', 'two nodes have the id 1'], [node('"x":1', '__proto__'), 'cannot be an id'], [node('"x":1', 'constructor'), 'cannot be an id'], [node('"x":1', 'x'.repeat(300)), 'cannot be an id'],
  [`{"nodes":${'['.repeat(600)}${']'.repeat(600)}}`, '512 levels'], ['{"nodes":[],"links":5}', '"links" must be a list'], [`{"nodes":[],"groups":[${Array(10_001).fill('{}').join()}]}`, 'at most 10000'], [node(`"inputs":[${Array(5000).fill('{}').join()}]`), 'at most 4096'],
  ['{"nodes":[],"definitions":{"subgraphs":[{"id":"__proto__","nodes":[]}]}}', 'cannot be an id'],
])('%s is refused: %s', (text, reason) => {
  expect(() => read(text)).toThrow(FormatError);
  expect(() => read(text)).toThrow(reason);
});

test('a list without end is refused by its length, before its entries are read', () => {
  const nodes: Json[] = Array.from({ length: 50_001 }, () => new Map());
  expect(() => readDocument(new Map<string, Json>([['nodes', nodes]]), comfyTypes)).toThrow('50001 nodes; at most 50000');
});

describe('what is strange is read soundly', () => {
  test('keys that reach prototypes', () => {
    const document = read('{"nodes":[{"id":1,"type":"Unknown","widgets_values":{"__proto__":{"polluted":true},"constructor":1,"fine":2},"properties":{"__proto__":{"polluted":true}},"flags":{"__proto__":1}}],"links":[],"extra":{"__proto__":{"polluted":true}},"__proto__":{"polluted":true}}');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.keys(document.root.nodes['1']!.values)).toEqual(['fine']);
    expect(document.root.nodes['toString']).toBeUndefined();
    // kept all the same
    expect(encodeJson(writeDocument(document, comfyTypes))).toContain('"__proto__":{"polluted":true},"constructor":1,"fine":2');
  });
  test('a node that is called as members of objects are', () => {
    const history = new History(read(node('"x":1', 'hasOwnProperty')));
    runCommand(history, { kind: 'move', layer: rootLayer, moves: { nodes: Object.fromEntries([['hasOwnProperty', [9, 9]]]) } }, comfyTypes);
    expect(history.document.root.nodes['hasOwnProperty']!.pos).toEqual([9, 9]);
    history.undo();
    expect(history.document.root.nodes['hasOwnProperty']!.pos).toEqual([0, 0]);
  });
  test.each([['"pos":[1e300,-1e300]'], ['"pos":[NaN,Infinity]'], ['"pos":{"0":5,"1":"x"}'], ['"pos":"here"'], ['"size":[-5,1e99]'], ['"size":null'], ['"mode":7'], ['"mode":"never"'], ['"order":-1e99'], ['"flags":[1]'], ['"title":{"a":1}'], ['"widgets_values":"x"'], ['"inputs":[5,null,{"name":{}}]'], ['"outputs":[{"links":7}]']])('%s', (member) => {
    const text = node(member);
    const document = read(text);
    const { pos, size } = document.root.nodes['1']!;
    expect([...pos, ...size].every((value) => Math.abs(value) <= 1e7)).toBe(true);
    expect(writeText(document, comfyTypes, 0)).toBe(encodeJson(parseJson(text)));
  });
  test.each([
    ['[1,1,0,9,0,"*"]'], ['[1,9,0,1,0,"*"]'], ['[1,1,999999999,1,0,"*"]'], ['[1,1,-1,1,0,"*"]'], ['[1]'], ['null'], ['"x"'], ['{"id":1}'], ['[1,-10,0,1,0,"*"]'], ['[1,1,0,-20,0,"*"]'], ['[1,1,0.5,1,0,"*"]'],
  ])('the link %s', (link) => {
    const text = `{"nodes":[{"id":1,"type":"X","inputs":[{"name":"a","type":"*","link":1}],"outputs":[]}],"links":[${link}]}`;
    const { document } = readWorkflowText(text, comfyTypes);
    expect([brokenRules(document), Object.keys(document.root.links), document.root.nodes['1']!.inputs[0]!.link]).toEqual([[], [], null]);
    expect(writeText(document, comfyTypes, 0)).toBe(encodeJson(parseJson(text)));
  });
  test('two inputs that name one link', () => {
    const document = read('{"nodes":[{"id":1,"type":"X","outputs":[{"name":"o","type":"*","links":[1]}]},{"id":2,"type":"Y","inputs":[{"name":"a","type":"*","link":1},{"name":"b","type":"*","link":1}]}],"links":[[1,1,0,2,0,"*"]]}');
    expect(brokenRules(document)).toEqual([]);
    expect(Object.keys(document.root.links).length).toBe(2);
  });
  test('points that follow each other in a ring, and a chain of 20,000', () => {
    const ring = read('{"nodes":[],"links":[],"reroutes":[{"id":1,"pos":[0,0],"parentId":2},{"id":2,"pos":[0,0],"parentId":1},{"id":3,"pos":[0,0],"parentId":99}],"version":1}');
    expect(brokenRules(ring)).toEqual([]);
    const chain = read(`{"nodes":[],"links":[],"version":1,"reroutes":[${Array.from({ length: 20_000 }, (_, i) => `{"id":${i + 1},"pos":[0,0],"parentId":${i}}`).join()}]}`);
    expect(Object.keys(chain.root.reroutes).length).toBe(20_000);
  });
  test('subgraphs that hold each other can be opened, and not be run', () => {
    const inner = (id: string, holds: string) => `{"id":"${id}","name":"${id}","nodes":[{"id":1,"type":"${holds}","inputs":[],"outputs":[]}],"links":[],"inputs":[],"outputs":[]}`;
    const document = read(`{"nodes":[{"id":1,"type":"a"}],"links":[],"definitions":{"subgraphs":[${inner('a', 'b')},${inner('b', 'a')}]}}`);
    expect(Object.keys(document.subgraphs)).toEqual(['a', 'b']);
  });
  test('a form that is none is told and kept', () => {
    const text = '{"nodes":[],"links":[],"extra":{"bagelgraph":{"form":{"inputs":[{"name":5}]}}}}';
    const { document, notices } = readWorkflowText(text, comfyTypes);
    expect(notices.map(({ code }) => code)).toEqual(['file.bad-form']);
    expect(writeText(document, comfyTypes, 0)).toBe(encodeJson(parseJson(text)));
  });
});

test('files with random damage are read soundly or refused with a reason', () => {
  const junk = fc.oneof(fc.constantFrom<Json>(null, true, -1n, 1e300, NaN, '', '__proto__', [], new Map(), [[]]), fc.string().map((text): Json => text), fc.integer().map((value): Json => BigInt(value)));
  fc.assert(fc.property(fc.nat(pairs.length - 1), fc.array(fc.tuple(fc.nat(1 << 30), junk), { minLength: 1, maxLength: 6 }), (at, damages) => {
    let workflow: Json = pairs[at]!.get('workflow')!;
    for (const [where, value] of damages) workflow = replaceAt(workflow, { left: where % countOf(workflow) }, value);
    try {
      const { document } = readWorkflowJson(workflow, comfyTypes);
      expect(brokenRules(document).filter((rule) => !rule.includes('circle') && !rule.includes('two inputs of one name') && !rule.startsWith('the form'))).toEqual([]);
      writeDocument(document, comfyTypes);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      expect(error.message.length).toBeGreaterThan(10);
    }
  }), { numRuns: 400 });
});

function countOf(json: Json): number {
  if (Array.isArray(json)) return 1 + (json as Json[]).reduce((sum: number, item) => sum + countOf(item), 0);
  return json instanceof Map ? 1 + [...(json as JsonObject).values()].reduce((sum: number, item) => sum + countOf(item), 0) : 1;
}

/** The JSON with the value at a count of its parts replaced. */
function replaceAt(json: Json, at: { left: number }, value: Json): Json {
  if (at.left-- === 0) return value;
  if (Array.isArray(json)) return (json as Json[]).map((item) => (at.left < 0 ? item : replaceAt(item, at, value)));
  return json instanceof Map ? new Map([...(json as JsonObject)].map(([key, item]) => [key, at.left < 0 ? item : replaceAt(item, at, value)])) : json;
}

test('a clipboard that holds anything else is not taken for nodes', () => {
  for (const text of ['hello', '{"a":1}', '[1,2]', '{broken', '', '{"nodes":5}']) expect(readClipboard(text, comfyTypes)).toBeUndefined();
  expect(() => readClipboard('{"nodes":[{"id":"__proto__","type":"A"}]}', comfyTypes)).toThrow('cannot be an id');
});

test('a broken definition harms only itself', () => {
  const types = readNodeTypes(parseJson('{"Bad":5,"Odd":{"input":{"required":{"a":[["x"],7],"b":["INT",{"min":"low","step":-5}],"c":["FLOAT",{"step":0}],"d":[],"e":null}},"output":"IMAGE","display_name":7},"__proto__":{"input":{}},"Good":{"input":{"required":{"n":["INT",{"default":5}]}},"output":["INT"],"output_name":["n"],"name":"Good","category":"t"}}'));
  expect(types.broken.map(({ type }) => type)).toEqual(['Bad']);
  expect(types.get('Odd')!.inputs.map(({ name, widget }) => [name, widget?.kind])).toEqual([['a', 'choice'], ['b', 'integer'], ['c', 'float'], ['d', 'choice'], ['e', 'choice']]);
  expect(types.get('Good')!.inputs[0]!.widget).toMatchObject({ kind: 'integer', initial: 5n, min: 0n, max: 2048n });
});
