// Checked by the compiler alone (npm run types): what defineNode infers, and what it refuses.
import { blocked, defineNode } from '../../engine/graph/node.ts';
import { FLOAT, IMAGE, INT, STRING } from '../../engine/graph/types.ts';
import type { Link } from '../../engine/graph/graph.ts';

defineNode({
  type: 'Test.Inference', category: 'test',
  inputs: { count: { type: INT }, name: { type: STRING, optional: true }, source: { type: IMAGE, raw: true } },
  outputs: [{ name: 'sum', type: FLOAT }, { name: 'words', type: STRING, list: true }],
  run({ count, name, source }) {
    const whole: number = count;
    const link: Link = source;
    // @ts-expect-error an optional input may be undefined
    const text: string = name;
    return [whole + link.output, [text]];
  },
});

defineNode({
  type: 'Test.Blocked', category: 'test', inputs: {}, outputs: [{ name: 'image', type: IMAGE }],
  run: () => [blocked('nothing to show')],
});

defineNode({
  type: 'Test.WrongOutput', category: 'test', inputs: {}, outputs: [{ name: 'count', type: INT }],
  // @ts-expect-error a text is no INT
  run: () => ['one'],
});

defineNode({
  type: 'Test.MissingOutput', category: 'test', inputs: {}, outputs: [{ name: 'a', type: INT }, { name: 'b', type: INT }],
  // @ts-expect-error two outputs need two values
  run: () => [1],
});

defineNode({
  type: 'Test.UndeclaredInput', category: 'test', inputs: { count: { type: INT } }, outputs: [],
  run(inputs) {
    // @ts-expect-error only declared inputs are there
    void inputs.other;
    return [];
  },
});
