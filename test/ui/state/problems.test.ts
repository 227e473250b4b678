// What would go wrong is said before a run, with a way out that works: applying a fix makes the problem go.
import { describe, expect, test } from 'vitest';
import { parseJson } from '../../../engine/formats/json.ts';
import { runCommand, runCommands, type Command } from '../../../ui/state/commands/commands.ts';
import { emptyDocument, rootLayer, type Document } from '../../../ui/state/document.ts';
import { History } from '../../../ui/state/history.ts';
import { say } from '../../../ui/state/messages.ts';
import { findProblems, readServerProblems } from '../../../ui/state/problems.ts';
import { readWorkflowText } from '../../../ui/state/read-any.ts';
import { comfyTypes, ourTypes, readText, workflowTexts } from './files.ts';

const types = await ourTypes();
const open = (path: string) => new History(readWorkflowText(readText(path), types).document);
const run = (history: History, command: Command) => runCommand(history, command, types);
const said = (document: Document) => findProblems(document, types).problems.filter(({ input }) => input !== 'model').map((problem) => say(problem.message));

test.each(workflowTexts.filter(([path]) => path.startsWith('workflows/')))('%s has none but files that are not there', (_path, text) => {
  const { problems } = findProblems(readWorkflowText(text, types).document, types);
  expect(problems.filter(({ message: { code } }) => code !== 'problem.value-not-a-choice').map(({ message }) => say(message))).toEqual([]);
});

test('a missing input names node, input and type; the fix connects what is there', () => {
  const history = open('workflows/text-to-image.json');
  run(history, { kind: 'disconnect', layer: rootLayer, link: '1' });
  const [problem] = findProblems(history.document, types).problems.filter(({ message: { code } }) => code === 'problem.missing-input');
  expect([say(problem!.message), problem!.node, problem!.input]).toEqual(['BAGEL Text to Image needs model (BAGEL_MODEL).', '2', 'model']);
  expect(problem!.fixes.map(({ label }) => say(label))).toEqual([expect.stringMatching(/^Connect .*Load/)]);
  runCommands(history, problem!.fixes[0]!.commands, types);
  expect(said(history.document)).toEqual([]);
});

test('where nothing makes it, the fix adds what does', () => {
  const history = open('workflows/text-to-image.json');
  run(history, { kind: 'removeItems', layer: rootLayer, nodes: ['1'] });
  const [problem] = findProblems(history.document, types).problems;
  expect(problem!.fixes.map(({ label }) => say(label))).toEqual([expect.stringMatching(/^Add .*/)]);
  expect(runCommands(history, problem!.fixes[0]!.commands, types).ok).toBe(true);
  expect(said(history.document)).toEqual([]);
  const added = Object.values(history.document.root.nodes).at(-1)!;
  expect(added.pos[0]).toBeLessThan(history.document.root.nodes['2']!.pos[0]);
});

describe('values', () => {
  const problemOf = (input: string, value: Parameters<typeof parseJson>[0]) => {
    const history = open('workflows/text-to-image.json');
    run(history, { kind: 'setValue', layer: rootLayer, node: '2', input, value: parseJson(value) });
    const [problem] = findProblems(history.document, types).problems.filter((found) => found.input === input);
    if (problem?.fixes[0] !== undefined) runCommands(history, problem.fixes[0].commands, types);
    return [problem && say(problem.message).replace(/^[^:]+: /, ''), findProblems(history.document, types).problems.some((found) => found.input === input)];
  };
  test.each([
    ['steps', '100000', /^steps is 100000, the largest is \d+\.$/], ['steps', '-3', /^steps is -3, the smallest is \d+\.$/], ['steps', '"many"', /^steps must be a number\.$/], ['renorm', '"globl"', /^globl is none of the choices for renorm\.$/],
  ] as const)('%s = %s', (input, value, sentence) => expect(problemOf(input, value)).toEqual([expect.stringMatching(sentence), false]));
  test.each([['steps', '30'], ['steps', '"30"'], ['renorm', '"channel"']])('%s = %s is none', (input, value) => expect(problemOf(input, value)).toEqual([undefined, false]));
});

test('what is muted is named, and can be unmuted; a bypassed node passes on', () => {
  const history = open('workflows/text-to-image.json');
  run(history, { kind: 'setMode', layer: rootLayer, nodes: ['1'], mode: 2 });
  const [problem] = findProblems(history.document, types).problems;
  expect(problem!.message.code).toBe('problem.missing-source');
  runCommands(history, problem!.fixes[0]!.commands, types);
  expect(said(history.document)).toEqual([]);
});

test('an unknown type, nothing to run, and what no output needs', () => {
  expect(findProblems(emptyDocument(), types).problems.map(({ message: { code } }) => code)).toEqual(['problem.nothing-to-run']);
  const history = open('workflows/text-to-image.json');
  run(history, { kind: 'addNode', layer: rootLayer, type: 'ImageInvert', at: [0, 0] });
  expect(said(history.document)).toEqual([]);
  const foreign = readWorkflowText(readText('test/golden/workflows/bagel_text_to_image.json'), comfyTypes).document;
  expect(findProblems(foreign, comfyTypes, ['3']).problems.map(({ message }) => say(message))).toContainEqual(expect.stringMatching(/is not installed here\. Install the node pack that has it, or delete the node\.$/));
});

test('only what the chosen outputs need is checked', () => {
  const history = open('workflows/text-to-image.json');
  const made = run(history, { kind: 'addNode', layer: rootLayer, type: 'SaveImage', at: [0, 0] });
  const id = made.ok ? made.made.nodes![0]! : '';
  expect(findProblems(history.document, types).problems.some(({ node }) => node === id)).toBe(true);
  expect(findProblems(history.document, types, ['3']).problems.some(({ node }) => node === id)).toBe(false);
});

test('problems inside a subgraph name the inner node and its layer', () => {
  const history = open('workflows/text-to-image.json');
  run(history, { kind: 'createSubgraph', layer: rootLayer, nodes: ['2'], name: 'Draw', id: 'draw' });
  run(history, { kind: 'setValue', layer: 'draw', node: '2', input: 'steps', value: 100_000n });
  const problem = findProblems(history.document, types).problems.find(({ input }) => input === 'steps');
  expect(problem).toMatchObject({ layer: 'draw', node: '2', id: '4:2' });
  runCommands(history, problem!.fixes[0]!.commands, types);
  expect(said(history.document)).toEqual([]);
});

test('a circle in a file is said, not followed', () => {
  const text = `{"nodes":[{"id":1,"type":"ImageInvert","inputs":[{"name":"image","type":"IMAGE","link":2}],"outputs":[{"name":"IMAGE","type":"IMAGE","links":[1]}]},
    {"id":2,"type":"ImageInvert","inputs":[{"name":"image","type":"IMAGE","link":1}],"outputs":[{"name":"IMAGE","type":"IMAGE","links":[2,3]}]},
    {"id":3,"type":"SaveImage","inputs":[{"name":"images","type":"IMAGE","link":3}],"outputs":[]}],
    "links":[[1,1,0,2,0,"IMAGE"],[2,2,0,1,0,"IMAGE"],[3,2,0,3,0,"IMAGE"]]}`;
  expect(findProblems(readWorkflowText(text, types).document, types).problems.map(({ message: { code } }) => code)).toEqual(['problem.cycle']);
});

test('a chain of 3,000 nodes is checked without trouble', () => {
  const nodes = Array.from({ length: 3000 }, (_, i) => `{"id":${i + 1},"type":"ImageInvert","inputs":[{"name":"image","type":"IMAGE","link":${i === 0 ? 'null' : i}}],"outputs":[{"name":"IMAGE","type":"IMAGE","links":[${i + 1}]}]}`);
  const links = Array.from({ length: 3000 }, (_, i) => `[${i + 1},${i + 1},0,${i + 2},0,"IMAGE"]`);
  const text = `{"nodes":[${nodes.join()},{"id":3001,"type":"SaveImage","inputs":[{"name":"images","type":"IMAGE","link":3000}],"outputs":[]}],"links":[${links.join()}]}`;
  expect(findProblems(readWorkflowText(text, types).document, types).problems.map(({ node, input }) => [node, input])).toEqual([['1', 'image']]);
});

test("the server's refusal is shown at its nodes", () => {
  const { document } = open('workflows/text-to-image.json');
  const errors = parseJson('{"2":{"errors":[{"type":"custom_validation_failed","message":"Custom validation failed for node","details":"prompt - is empty","extra_info":{"input_name":"prompt"}}],"class_type":"Bagel.TextToImage","dependent_outputs":["3"]}}');
  expect(readServerProblems(document, types, errors)).toMatchObject([{ node: '2', input: 'prompt', layer: rootLayer }]);
  expect(readServerProblems(document, types, parseJson('[1]'))).toEqual([]);
});
