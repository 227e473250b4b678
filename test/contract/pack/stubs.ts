// Nodes without inputs to link: constant pictures, masks and numbers.
import { defineNode } from 'bagelgraph/graph/node';
import { COMBO, FLOAT, IMAGE, INT, MASK } from 'bagelgraph/graph/types';
import { imageOf, maskOf } from './pixels.ts';

const category = 'Testing/Stub Nodes';
const size = {
  height: { type: INT, default: 512n, min: 1, max: 1024 ** 3, step: 1 },
  width: { type: INT, default: 512n, min: 1, max: 4096 ** 3, step: 1 },
  batch_size: { type: INT, default: 1n, min: 1, max: 1024 ** 3, step: 1 },
} as const;
const unit = { type: FLOAT, default: 0.5, min: 0, max: 1, step: 0.01 } as const;

const StubImage = defineNode({
  type: 'StubImage',
  title: 'Stub Image',
  category,
  inputs: { content: { type: COMBO, choices: ['WHITE', 'BLACK', 'NOISE'] }, ...size },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run({ content, height, width, batch_size: batch }) {
    if (content !== 'NOISE') return [imageOf(content === 'WHITE' ? 1 : 0, width, height, batch)];
    const noise = imageOf(0, width, height, batch);
    return [{ ...noise, data: noise.data.map(() => Math.random()) }];
  },
});

const StubConstantImage = defineNode({
  type: 'StubConstantImage',
  title: 'Stub Constant Image',
  category,
  inputs: { value: unit, ...size },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run: ({ value, height, width, batch_size: batch }) => [imageOf(value, width, height, batch)],
});

const StubMask = defineNode({
  type: 'StubMask',
  title: 'Stub Mask',
  category,
  inputs: { value: unit, ...size },
  outputs: [{ name: 'MASK', type: MASK }],
  run: ({ value, height, width, batch_size: batch }) => [maskOf(value, width, height, batch)],
});

const StubInt = defineNode({
  type: 'StubInt',
  title: 'Stub Int',
  category,
  inputs: { value: { type: INT, default: 0n, min: -0xffffffff, max: 0xffffffff, step: 1 } },
  outputs: [{ name: 'INT', type: INT }],
  run: ({ value }) => [value],
});

const StubFloat = defineNode({
  type: 'StubFloat',
  title: 'Stub Float',
  category,
  inputs: { value: { type: FLOAT, default: 0, min: -1e38, max: 1e38, step: 0.01 } },
  outputs: [{ name: 'FLOAT', type: FLOAT }],
  run: ({ value }) => [value],
});

export const stubs = [StubImage, StubConstantImage, StubMask, StubInt, StubFloat];
