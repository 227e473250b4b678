// Number fields: arithmetic, bounds, steps, exact integers; and values that change after a run.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { convertWorkflow } from '../../../engine/formats/workflow.ts';
import { calculate, readInteger } from '../../../ui/state/arithmetic.ts';
import { runCommand } from '../../../ui/state/commands/commands.ts';
import { emptyDocument, rootLayer } from '../../../ui/state/document.ts';
import { History } from '../../../ui/state/history.ts';
import type { Widget } from '../../../ui/state/node-types.ts';
import { formatNumber, numberFor, parseNumber, stepNumber, type FloatWidget, type IntegerWidget } from '../../../ui/state/numbers.ts';
import { readDocument } from '../../../ui/state/read-file.ts';
import { applyValues, nextValue, nextValues, withPicks } from '../../../ui/state/seeds.ts';
import { inputSlots } from '../../../ui/state/slots.ts';
import { writeDocument } from '../../../ui/state/write-file.ts';
import { comfyTypes, pairs } from './files.ts';

const value = (text: string, current?: number) => {
  const result = calculate(text, current);
  return result.ok ? result.value : result.problem;
};

test.each([
  ['1+2*3', 7], ['(1+2)*3', 9], ['512*2', 1024], ['2^10', 1024], ['2^3^2', 512], ['-2^2', -4], ['10/4', 2.5], ['7%4', 3], ['1,5', 1.5], ['16:9', 16 / 9], ['3 × 4', 12], ['8÷2−1', 3], ['.5', 0.5], ['1e3', 1000], ['--3', 3], [' 4 ', 4],
  ['', 'syntax'], ['1+', 'syntax'], ['(1', 'syntax'], ['1 2', 'syntax'], ['alert(1)', 'syntax'], ['constructor', 'syntax'], ['1/0', 'range'], ['9^999', 'range'], ['*=2', 'syntax'], [`${'('.repeat(150)}1`, 'syntax'], [`1${'+1'.repeat(200)}`, 'syntax'],
] as const)('%s is %s', (text, wanted) => expect(value(text)).toBe(wanted));

test.each([['*=2', 5, 10], ['+=1', 5, 6], ['-=2', 5, 3], ['/=2', 5, 2.5], ['+=2*3', 4, 10], ['*=2', -3, -6]] as const)('%s on %d is %d', (text, current, wanted) => expect(value(text, current)).toBe(wanted));

test('agrees with JavaScript on sums and products', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom('+', '-', '*'), fc.integer({ min: 0, max: 1000 })), { maxLength: 12 }), fc.nat(1000), (parts, first) => {
    const text = parts.reduce((sum, [sign, number]) => `${sum}${sign}${number}`, String(first));
    // the oracle is JavaScript itself, in the test alone
    expect(value(text)).toBe((new Function(`return ${text} + 0`) as () => number)());
  }));
});

const integer: IntegerWidget = { kind: 'integer', min: 0n, max: 18_446_744_073_709_551_615n, step: 1n, display: 'number', initial: 0n, controls: 1, initialMode: 'randomize' };
const size: IntegerWidget = { ...integer, min: 64n, max: 2048n, step: 16n };
const float: FloatWidget = { kind: 'float', min: 0, max: 10, step: 0.1, round: undefined, digits: 1, display: 'number', initial: 1, controls: 0, initialMode: 'fixed' };

describe('fields', () => {
  test('integers keep all their digits', () => {
    expect(parseNumber(integer, '18446744073709551615')).toBe(18_446_744_073_709_551_615n);
    expect(parseNumber(integer, '18446744073709551616')).toBe(18_446_744_073_709_551_615n);
    expect(readInteger('12 345')).toBe(12_345n);
    expect(readInteger('1.5')).toBeUndefined();
  });
  test('what is calculated lies on the step and within bounds', () => {
    expect(parseNumber(size, '100*2+1')).toBe(208n);
    expect(parseNumber(size, '1')).toBe(64n);
    expect(parseNumber(size, '500*500')).toBe(2048n);
    expect(parseNumber(size, '*=2', 128n)).toBe(256n);
    expect(parseNumber(float, '1/3')).toBe(0.3);
    expect(parseNumber(float, '99')).toBe(10);
    expect(parseNumber(float, 'abc')).toBeUndefined();
    expect(numberFor(size, 71)).toBe(64n);
    expect(numberFor(size, 72)).toBe(80n);
  });
  test('ten steps of a tenth are one', () => {
    let at = 0;
    for (let i = 0; i < 10; i++) at = stepNumber(float, at, 1) as number;
    expect(at).toBe(1);
    expect(stepNumber(float, 1, 0.1)).toBe(1.01);
    expect(stepNumber(size, 128n, -10)).toBe(64n);
  });
  test('floats are shown with the digits they have', () => expect([formatNumber(float, 2), formatNumber(float, 0.25), formatNumber(integer, 7n)]).toEqual(['2.0', '0.25', '7']));
});

describe('after a run', () => {
  const after = (widget: Widget, before: never | number | bigint | string, mode: 'fixed' | 'increment' | 'increment-wrap' | 'decrement' | 'randomize', random = 0, filter?: string) => nextValue(widget, before, { mode, ...(filter === undefined ? {} : { filter }) }, () => random);
  test('integers', () => {
    expect(after(integer, 5n, 'fixed')).toBeUndefined();
    expect(after(integer, 5n, 'increment')).toBe(6n);
    expect(after(integer, 0n, 'decrement')).toBe(0n);
    expect(after(size, 2048n, 'increment')).toBe(2048n);
    expect(after(size, 128n, 'decrement')).toBe(112n);
    // a random one stays within 2^50, whatever the maximum is
    expect(after(integer, 5n, 'randomize', 0.999999999)).toBeLessThan(1_125_899_906_842_624n);
    expect(after(integer, 5n, 'randomize', 0.5)).toBe(562_949_953_421_312n);
    expect(after(size, 5n, 'randomize', 0.5)).toBe(1056n);
  });
  test('floats', () => {
    expect(after(float, 0.2, 'increment')).toBe(0.3);
    expect(after(float, 0.5, 'randomize', 0.25)).toBe(2.5);
  });
  test('choices, filtered by a text or a pattern', () => {
    const choice: Widget = { kind: 'choice', choices: ['a1', 'b1', 'a2', 'b2'], isMultiple: false, upload: undefined, remote: undefined, initial: 'a1', controls: 2, initialMode: 'fixed' };
    expect(after(choice, 'a1', 'increment')).toBe('b1');
    expect(after(choice, 'b2', 'increment')).toBe('b2');
    expect(after(choice, 'b2', 'increment-wrap')).toBe('a1');
    expect(after(choice, 'a1', 'increment', 0, 'A')).toBe('a2');
    expect(after(choice, 'a1', 'randomize', 0.99, '/^b/')).toBe('b2');
    expect(after(choice, 'a1', 'increment', 0, '/(/')).toBe('b1');
    expect(after(choice, 'a1', 'increment', 0, 'nothing like it')).toBeUndefined();
  });
  test('a linked seed, a muted node and a fixed one stay; the change is no step and undo goes on', () => {
    const history = new History(emptyDocument());
    const run = (command: Parameters<typeof runCommand>[1]) => runCommand(history, command, comfyTypes);
    run({ kind: 'addNode', layer: rootLayer, type: 'KSampler', at: [0, 0] });
    run({ kind: 'addNode', layer: rootLayer, type: 'KSampler', at: [0, 0] });
    run({ kind: 'addNode', layer: rootLayer, type: 'KSampler', at: [0, 0] });
    run({ kind: 'setControl', layer: rootLayer, node: '2', input: 'seed', control: { mode: 'fixed' } });
    run({ kind: 'setMode', layer: rootLayer, nodes: ['3'], mode: 2 });
    const steps = history.undoSteps.length;
    const changed = nextValues(history.document, comfyTypes, () => 0.5);
    expect(changed.map(({ node, input }) => `${node} ${input}`)).toEqual(['1 seed']);
    history.amend((draft) => applyValues(draft, changed));
    expect(history.document.root.nodes['1']!.values['seed']).toBe(562_949_953_421_312n);
    expect(history.undoSteps.length).toBe(steps);
    while (history.undo());
    expect(Object.keys(history.document.root.nodes)).toEqual([]);
  });
  test("a primitive shows the widget of what it feeds, and its value changes as its file says", () => {
    const workflow = pairs.map((pair) => readDocument(pair.get('workflow')!, comfyTypes).document).find(({ root }) => Object.values(root.nodes).some(({ id, type, mode, controls }) => type === 'PrimitiveNode' && mode === 0 && controls['value'] !== undefined && inputSlots({ ...emptyDocument(), root }, comfyTypes, root.nodes[id]!)[0]?.widget?.kind === 'integer'))!;
    const primitive = Object.values(workflow.root.nodes).find(({ type, mode }) => type === 'PrimitiveNode' && mode === 0)!;
    const [slot] = inputSlots(workflow, comfyTypes, primitive);
    expect([slot!.name, slot!.widget!.kind, typeof primitive.values['value']]).toEqual(['value', 'integer', 'bigint']);
    const history = new History(workflow);
    runCommand(history, { kind: 'setControl', layer: rootLayer, node: primitive.id, input: 'value', control: { mode: 'increment' } }, comfyTypes);
    runCommand(history, { kind: 'setValue', layer: rootLayer, node: primitive.id, input: 'value', value: 5n }, comfyTypes);
    expect(nextValues(history.document, comfyTypes).find(({ node }) => node === primitive.id)!.value).toBe(6n);
    runCommand(history, { kind: 'setMode', layer: rootLayer, nodes: Object.keys(workflow.root.nodes), mode: 0 }, comfyTypes);
    const { nodes } = convertWorkflow(writeDocument(history.document, comfyTypes), comfyTypes.definitions).prompt;
    expect([...nodes.values()].some(({ inputs }) => [...inputs.values()].includes(5n))).toBe(true);
  });
});

test('what a run picked out of {a|b} is in the workflow that goes along; the document keeps what was written', () => {
  const history = new History(emptyDocument());
  const run = (command: Parameters<typeof runCommand>[1]) => runCommand(history, command, comfyTypes);
  const written = 'a {red|green|blue} ring';
  for (const text of [written, 'plain']) {
    run({ kind: 'addNode', layer: rootLayer, type: 'CLIPTextEncode', at: [0, 0] });
    run({ kind: 'setValue', layer: rootLayer, node: String(Object.keys(history.document.root.nodes).length), input: 'text', value: text });
  }
  const { prompt, picks } = convertWorkflow(writeDocument(history.document, comfyTypes), comfyTypes.definitions);
  const sent = prompt.nodes.get('1')!.inputs.get('text');
  expect(sent).toMatch(/^a (red|green|blue) ring$/);
  const along = withPicks(history.document, picks);
  expect([along.root.nodes['1']!.values['text'], along.root.nodes['2']!.values['text'], history.document.root.nodes['1']!.values['text']]).toEqual([sent, 'plain', written]);
  expect(convertWorkflow(writeDocument(along, comfyTypes), comfyTypes.definitions).prompt.nodes.get('1')!.inputs.get('text')).toBe(sent);
  // a text that came from elsewhere, and two instances that picked differently
  expect(withPicks(history.document, [{ node: '1', input: 'text', written: 'another', picked: 'x' }])).toBe(history.document);
  expect(withPicks(history.document, ['x', 'y'].map((picked) => ({ node: '1', input: 'text', written, picked })))).toBe(history.document);
});
