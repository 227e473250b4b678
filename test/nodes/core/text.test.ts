import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AnyNode } from '../../../engine/graph/node.ts';
import { nodes } from '../../../nodes/core/index.ts';
import { PrimitiveInt } from '../../../nodes/core/primitives.ts';
import { PreviewAny, StringConcatenate } from '../../../nodes/core/text.ts';
import { testContext } from '../../support/context.ts';
import { goldenPath } from '../../support/golden.ts';

describe('PreviewAny', () => {
  test.each<[unknown, string]>([
    ['text', 'text'], [5, '5'], [0.5, '0.5'], [2n ** 63n, '9223372036854775808'], [true, 'True'], [null, 'None'], [undefined, 'None'],
    [[1n, 'a', null], '[1,"a",null]'], [new Map([['a', [true]]]), '{"a":[true]}'],
    [{ width: 2, data: new Float32Array(3) }, '{ width: 2, data: Float32Array of 3 }'],
  ])('shows %s as %s', async (source, text) => {
    const { context, shown } = await testContext();
    await PreviewAny.run({ source }, context);
    expect(shown).toEqual([new Map([['text', [text]]])]);
  });
});

test('StringConcatenate joins', async () => {
  const { context } = await testContext();
  expect(StringConcatenate.run({ string_a: 'a', string_b: 'b', delimiter: ', ' }, context)).toEqual(['a, b']);
});

describe('PrimitiveInt', () => {
  const coerce = (literal: Parameters<NonNullable<typeof spec.coerce>>[0]): unknown => spec.coerce!(literal);
  const spec = PrimitiveInt.inputs['value']!;
  test('keeps 64-bit integers exact', () => {
    expect(coerce(5n)).toBe(5);
    expect(coerce(2n ** 60n + 1n)).toBe(2n ** 60n + 1n);
  });
  test("reads what Python's int() reads", () => {
    expect([coerce(3.9), coerce(-3.9), coerce(' 12 '), coerce('+7'), coerce(true)]).toEqual([3, -3, 12, 7, 1]);
    for (const wrong of ['3.5', null, [], NaN]) expect(() => coerce(wrong), String(wrong)).toThrow(/no whole number/);
    expect(() => coerce(2n ** 63n)).toThrow(/outside/);
  });
});

describe('the pack against ComfyUI', () => {
  type Spec = [string | string[], Record<string, unknown>?];
  interface Info { input: { required?: Record<string, Spec> }; output: string[]; output_name: string[]; output_is_list: boolean[]; display_name: string; category: string; output_node: boolean }
  const info = JSON.parse(readFileSync(goldenPath('converter/object_info.json'), 'utf8')) as Record<string, Info>;
  const known = nodes.filter(({ type }) => type in info);

  test('most of its classes are in the golden definitions', () => expect(known).toHaveLength(14)); // all but LoadImage

  test.each(known.map((node): [string, AnyNode] => [node.type, node]))('%s has the same inputs, outputs, title and category', (type, node) => {
    const expected = info[type]!;
    expect({ title: node.title, category: node.category, isOutput: node.output === true }).toEqual({ title: expected.display_name, category: expected.category, isOutput: expected.output_node });
    expect(node.outputs.map((output) => [output.name, output.type.name, output.list === true])).toEqual(expected.output.map((output, i) => [expected.output_name[i], output, expected.output_is_list[i]]));
    const inputs = Object.entries(node.inputs).filter(([, input]) => input.hidden === undefined);
    expect(inputs.map(([name]) => name)).toEqual(Object.keys(expected.input.required ?? {}));
    for (const [name, input] of inputs) {
      const [wanted, options = {}] = expected.input.required![name]!;
      expect(Array.isArray(wanted) ? input.choices : input.type.name, name).toEqual(wanted);
      const own: Record<string, unknown> = { default: input.default, min: input.min, max: input.max, step: input.step, ...input.ui };
      for (const [option, value] of Object.entries(options)) {
        if (option === 'tooltip') continue; // in our own words
        const given = own[option];
        expect(typeof given === 'bigint' ? Number(given) : given, `${name}.${option}`).toEqual(value);
      }
    }
  });
});
