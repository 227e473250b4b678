// Checks of a node's own: of values, of link types, of all inputs, and ones that take time.
import { setTimeout as wait } from 'node:timers/promises';
import { defineNode, type Check, type Image, type Type } from 'bagelgraph/graph/node';
import { FLOAT, IMAGE } from 'bagelgraph/graph/types';
import { imageOf, isImage, product } from './pixels.ts';
import { variants } from './variants.ts';

const category = 'Testing/Nodes';
const IMAGE_OR_FLOAT: Type<Image | number> = { name: 'IMAGE,FLOAT', oneOf: ['IMAGE', 'FLOAT'] };
const outputs = [{ name: 'IMAGE', type: IMAGE }] as const;

const either = { input1: { type: IMAGE_OR_FLOAT }, input2: { type: IMAGE_OR_FLOAT } } as const;
const floats = { input1: { type: FLOAT }, input2: { type: FLOAT } } as const;
const both = ['input1', 'input2'];

/** Each value that is known fits; 5 is no float, 5.0 is. */
function valuesFit(known: Readonly<Record<string, unknown>>, fits: (value: unknown) => boolean): Check {
  const bad = Object.entries(known).find(([, value]) => value !== undefined && !fits(value));
  return bad === undefined || `Invalid type of ${bad[0]}: ${typeof bad[1]}`;
}

const isFloat = (value: unknown) => typeof value === 'number';

const TestCustomValidation1 = defineNode({
  type: 'TestCustomValidation1', title: 'Custom Validation 1', category, inputs: either, outputs,
  validate: { inputs: both, check: (known) => valuesFit(known, (value) => isFloat(value) || isImage(value)) },
  run: ({ input1, input2 }) => [product(input1, input2)],
});

const TestCustomValidation2 = defineNode({
  type: 'TestCustomValidation2', title: 'Custom Validation 2', category, inputs: either, outputs,
  validate: {
    inputs: both,
    types: true,
    check(known, types) {
      const bad = Object.entries(types).find(([, type]) => type !== 'IMAGE' && type !== 'FLOAT');
      return bad === undefined ? valuesFit(known, (value) => isFloat(value) || isImage(value)) : `Invalid type of ${bad[0]}: ${bad[1]}`;
    },
  },
  run: ({ input1, input2 }) => [product(input1, input2)],
});

const TestCustomValidation3 = defineNode({
  type: 'TestCustomValidation3', title: 'Custom Validation 3', category, inputs: either, outputs,
  validate: variants(either),
  run: ({ input1, input2 }) => [product(input1, input2)],
});

const TestCustomValidation4 = defineNode({
  type: 'TestCustomValidation4', title: 'Custom Validation 4', category, inputs: floats, outputs,
  validate: { inputs: both, check: (known) => valuesFit(known, isFloat) },
  run: ({ input1, input2 }) => [imageOf(input1 * input2)],
});

const TestCustomValidation5 = defineNode({
  type: 'TestCustomValidation5', title: 'Custom Validation 5', category,
  inputs: { input1: { type: FLOAT, min: 0, max: 1 }, input2: { type: FLOAT, min: 0, max: 1 } },
  outputs,
  validate: { inputs: 'all', check: ({ input2 }) => input2 !== 7 || "7s are not allowed. I've never liked 7s." },
  run: ({ input1, input2 }) => [imageOf(input1 * input2)],
});

const checkMs = 50;

async function isAtMost(value: unknown, limit: unknown): Promise<Check> {
  await wait(checkMs);
  return typeof value !== 'number' || typeof limit !== 'number' || value <= limit || `Value ${value} exceeds ${limit}`;
}

const TestAsyncValidation = defineNode({
  type: 'TestAsyncValidation', title: 'Async Validation', category: 'Testing/Async',
  inputs: { value: { type: FLOAT, default: 5 }, threshold: { type: FLOAT, default: 10 } },
  outputs,
  validate: { inputs: ['value', 'threshold'], check: ({ value, threshold }) => isAtMost(value, threshold) },
  run: ({ value }) => [imageOf(value / 10)],
});

const TestAsyncValidationError = defineNode({
  type: 'TestAsyncValidationError', title: 'Async Validation Error', category: 'Testing/Async',
  inputs: { value: { type: FLOAT, default: 5 }, max_value: { type: FLOAT, default: 10 } },
  outputs,
  validate: { inputs: ['value', 'max_value'], check: ({ value, max_value: max }) => isAtMost(value, max) },
  run: ({ value, max_value: max }) => [imageOf(value / max)],
});

export const validation = [
  TestCustomValidation1, TestCustomValidation2, TestCustomValidation3, TestCustomValidation4, TestCustomValidation5,
  TestAsyncValidation, TestAsyncValidationError,
];
