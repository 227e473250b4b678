// What Bagel.Chat takes for a conversation. Its answers are tested through the server (test/server/openai).
import { expect, test } from 'vitest';
import { chat, readMessages } from '../../../../nodes/bagel/nodes/chat.ts';
import { testContext } from '../../../support/context.ts';

const messages = (...list: readonly unknown[]) => readMessages(JSON.stringify(list));

test('texts and pictures in their order, nothing for what is empty', () => {
  expect(messages(
    { role: 'system', content: 'be brief' },
    { role: 'user', content: [{ type: 'image', image: 'a.png' }, { type: 'text', text: 'what is it?' }, { type: 'text', text: '' }] },
    { role: 'assistant', content: '' }, { role: 'user', content: 'well?' },
  )).toEqual([{ text: 'be brief' }, { image: 'a.png' }, { text: 'what is it?' }, { text: 'well?' }]);
});

test.each([
  ['{', /no JSON .*write it as \[\{"role"/s],
  ['{}', /must be a list/],
  ['[]', /hold no text and no picture/],
  ['[null]', /messages\[0\]\.role is undefined: give system, user, assistant/],
  ['[{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]', /messages\[1\]\.role is "tool"/],
  ['[{"role": "user", "content": 1}]', /messages\[0\]\.content must be a text or a list/],
  ['[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "text": "b"}]}]', /messages\[0\]\.content\[1\] must be/],
])('refused: %s', (json, reason) => expect(() => readMessages(json)).toThrow(reason));

test('a picture that is not there is told before anything runs', async () => {
  const { environment } = await testContext();
  const check = (json: string) => chat.validate!.check({ messages: json }, {}, environment);
  expect(await check('[{"role": "user", "content": [{"type": "image", "image": "none.png"}]}]')).toMatch(/none\.png/);
  expect(await check('[{"role": "user", "content": "hi"}]')).toBe(true);
});
