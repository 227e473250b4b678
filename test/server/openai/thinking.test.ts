// Thinking and answer, told apart however the text is cut.
import { expect, test } from 'vitest';
import { splitThinking, ThinkingSplitter } from '../../../engine/server/openai/thinking.ts';

const cases = [
  ['<think> a b.\nc </think> the answer </think> is <think>', 'a b.\nc', 'the answer </think> is <think>'],
  ['  \n<think>a < b</thin</think>x', 'a < b</thin', 'x'],
  ['<think></think>x', '', 'x'],
  ['<think>cut short', 'cut short', ''],
  ['<think>cut short </thi', 'cut short </thi', ''],
  ['<think>a</think>', 'a', ''],
  ['plain', '', 'plain'],
  ['<thinking', '', '<thinking'],
  ['<thi', '', '<thi'],
  ['', '', ''],
] as const;

test.each(cases)('%j', (text, reasoning, content) => expect(splitThinking(text)).toEqual({ reasoning, content }));

test.each(cases)('in pieces: %j', (text, reasoning, content) => {
  for (let size = 1; size < text.length; size++) {
    const splitter = new ThinkingSplitter();
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size)).flatMap((piece) => splitter.push(piece));
    const all = [...pieces, ...splitter.end()];
    expect(all.every(({ text: one }) => one !== '')).toBe(true);
    const of = (kind: string) => all.filter((piece) => piece.kind === kind).map((piece) => piece.text).join('');
    expect([size, of('reasoning'), of('content')]).toEqual([size, reasoning, content]);
  }
});

test('what is certain is given at once', () => {
  const splitter = new ThinkingSplitter();
  expect(splitter.push('<think> I see')).toEqual([{ kind: 'reasoning', text: 'I see' }]);
  expect(splitter.push(' it. </')).toEqual([{ kind: 'reasoning', text: ' it.' }]);
  expect(splitter.push('think> gr')).toEqual([{ kind: 'content', text: 'gr' }]);
  expect(splitter.push('een')).toEqual([{ kind: 'content', text: 'een' }]);
});
