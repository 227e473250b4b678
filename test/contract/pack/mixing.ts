// Pictures mixed and averaged: lazy inputs, undeclared inputs, fingerprints, and an output node that also hands on what it gets.
import { defineNode, volatile, type Image, type Type } from 'bagelgraph/graph/node';
import { ANY, FLOAT, IMAGE, MASK } from 'bagelgraph/graph/types';
import { average, isImage, meanOfPixels, mixed, scaled } from './pixels.ts';

const category = 'Testing/Nodes';
/** Not BOOLEAN: what is written is not converted. */
const BOOL: Type<unknown> = { name: 'BOOL' };

const TestLazyMixImages = defineNode({
  type: 'TestLazyMixImages',
  title: 'Lazy Mix Images',
  category,
  inputs: { image1: { type: IMAGE, lazy: true }, image2: { type: IMAGE, lazy: true }, mask: { type: MASK } },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  needs({ mask }) {
    return [...(mask!.data.every((v) => v === 1) ? [] : ['image1']), ...(mask!.data.every((v) => v === 0) ? [] : ['image2'])];
  },
  run({ image1, image2, mask }) {
    if (mask.data.every((v) => v === 0)) return [image1];
    if (mask.data.every((v) => v === 1)) return [image2];
    return [mixed(image1, image2, mask)];
  },
});

const TestVariadicAverage = defineNode({
  type: 'TestVariadicAverage',
  title: 'Variadic Average',
  category,
  inputs: { input1: { type: IMAGE } },
  rest: { type: ANY },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run(inputs) {
    const given = inputs as Readonly<Record<string, unknown>>;
    const images: Image[] = [];
    for (let i = 1; `input${i}` in given; i++) images.push(given[`input${i}`] as Image);
    return [average(images)];
  },
});

const TestCustomIsChanged = defineNode({
  type: 'TestCustomIsChanged',
  title: 'Custom IsChanged',
  category,
  inputs: { image: { type: IMAGE }, should_change: { type: BOOL, optional: true, default: false } },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  fingerprint: ({ should_change: shouldChange }) => (shouldChange === true ? volatile : false),
  run: ({ image }) => [image],
});

const value = { type: FLOAT, default: 1, min: 0, max: 10 } as const;

const TestIsChangedWithConstants = defineNode({
  type: 'TestIsChangedWithConstants',
  title: 'IsChanged with Constants',
  category,
  inputs: { image: { type: IMAGE }, value },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  fingerprint: ({ image, value: factor }) => (isImage(image) ? meanOfPixels(image) * (factor as number) : (factor as number)),
  run: ({ image, value: factor }) => [scaled(image, factor)],
});

const TestOutputNodeWithSocketOutput = defineNode({
  type: 'TestOutputNodeWithSocketOutput',
  title: 'Output Node With Socket Output',
  category,
  output: true,
  inputs: { image: { type: IMAGE }, value },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run: ({ image, value: factor }) => [scaled(image, factor)],
});

export const mixing = [TestLazyMixImages, TestVariadicAverage, TestCustomIsChanged, TestIsChangedWithConstants, TestOutputNodeWithSocketOutput];
