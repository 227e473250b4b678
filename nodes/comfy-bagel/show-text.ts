// ShowText|pysssss, which ComfyUI-BAGEL's workflows use to show thoughts and answers. Class and input names, and results, are its own.
import { defineNode } from '../../engine/graph/node.ts';
import { STRING } from '../../engine/graph/types.ts';

export const ShowText = defineNode({
  type: 'ShowText|pysssss',
  title: 'Show Text 🐍',
  description: 'Shows texts and hands them on.',
  category: 'utils',
  inputs: { text: { type: STRING, ui: { forceInput: true } } },
  outputs: [{ name: 'STRING', type: STRING, list: true }],
  output: true,
  wholeLists: true,
  run({ text }, context) {
    const texts = text as unknown as readonly string[]; // wholeLists
    context.show(new Map([['text', texts]]));
    return [texts];
  },
});
