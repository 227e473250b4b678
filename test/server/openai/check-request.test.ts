// What is said about requests that an OpenAI client should not have sent.
import { describe, expect, test } from 'vitest';
import { parseJson } from '../../../engine/formats/json.ts';
import { checkRequest, parseBody } from '../../../engine/server/openai/check-request.ts';
import type { OpenAiError } from '../../../engine/server/openai/errors.ts';
import { chatRequest, editRequest, generationRequest } from '../../../engine/server/openai/schemas.ts';

const schemas = { generation: generationRequest, edit: editRequest, chat: chatRequest };

async function refusal(kind: keyof typeof schemas, body: unknown): Promise<string> {
  const error = await checkRequest(parseJson(JSON.stringify(body)), schemas[kind]).then(() => undefined, (reason: OpenAiError) => reason);
  return error === undefined ? 'taken' : `${error.param} ${error.code}: ${error.message}`;
}

const hello = [{ role: 'user', content: 'hello' }];

test.each([
  ['generation', {}, 'prompt missing_required_parameter: prompt is missing'],
  ['generation', { prompt: null }, 'prompt missing_required_parameter: prompt is missing'],
  ['generation', { prompt: '' }, /^prompt invalid_value: prompt is "": must not have fewer than 1 characters/],
  ['generation', { prompt: 'a', n: 11 }, /^n invalid_value: n is 11: must be <= 10/],
  ['generation', { prompt: 'a', n: 1.5 }, /^n invalid_value: n is 1\.5: /],
  ['generation', { prompt: 'a', size: 'large' }, /^size invalid_value: size is "large": must match pattern/],
  ['generation', { prompt: 'a', quality: 'best' }, 'quality invalid_value: quality is "best": give "auto", "low", "medium", "high", "standard", "hd"'],
  ['generation', { prompt: 'a', stream: true }, 'stream unsupported_value: stream: only false is supported'],
  ['generation', { prompt: 'a', background: 'transparent' }, 'background unsupported_value: background: only auto and opaque is supported'],
  ['generation', { prompt: 'a', sed: 1 }, /^sed unsupported_parameter: "sed" is not supported here; did you mean seed\? There are prompt, /],
  ['edit', { prompt: 'a', mask: 'x' }, /^mask unsupported_parameter: "mask" is not supported here/],
  ['edit', { prompt: 'a', images: [1] }, /^images invalid_value: images\[0\] must be/],
  ['chat', { messages: [] }, /^messages invalid_value: messages is \[\]: must not have fewer than 1 items/],
  ['chat', { messages: 'hello' }, /^messages invalid_value: messages is "hello": must be array/],
  ['chat', { messages: [{ role: 'tool', content: 'x' }] }, /^messages invalid_value: messages\[0\]\.role must be one of "system", "developer", "user", "assistant"/],
  ['chat', { messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] }, /^messages invalid_value: messages\[0\]\.content\[0\]\.type must be one of "text", "image_url"/],
  ['chat', { messages: hello, tools: [{ type: 'function' }] }, 'tools unsupported_value: tools: only [] is supported'],
  ['chat', { messages: hello, response_format: { type: 'json_object' } }, 'response_format unsupported_value: response_format: only {"type": "text"} is supported'],
  ['chat', { messages: hello, stop: 'x' }, 'stop unsupported_value: stop: only [] is supported'],
  ['chat', { messages: hello, temperature: 'warm' }, /^temperature invalid_value: temperature is "warm": must be number/],
] as const)('%s %j', async (kind, body, said) => expect(await refusal(kind, body)).toEqual(typeof said === 'string' ? said : expect.stringMatching(said)));

describe('taken', () => {
  test.each([
    ['generation', { prompt: 'a', n: 2, size: '128x64', seed: 7, quality: 'hd', user: 'me', style: 'vivid', response_format: null, moderation: 'low' }],
    ['edit', { prompt: 'a', images: [{ image_url: 'data:,' }], image: 'data:,' }],
    ['chat', { messages: [{ role: 'developer', content: 'brief' }, { role: 'assistant', content: null }, ...hello], n: 1, tools: [], logit_bias: {}, stop: null, response_format: { type: 'text' }, metadata: { a: 'b' }, frequency_penalty: 0 }],
  ] as const)('%s %j', async (kind, body) => expect(await refusal(kind, body)).toBe('taken'));
});

test('no JSON, no object', async () => {
  expect(() => parseBody(Buffer.from('{"prompt": '))).toThrow(/the body is no JSON/);
  await expect(checkRequest(['a'], generationRequest)).rejects.toThrow('the body must be a JSON object');
});

test('numbers beyond doubles stay what they are', async () => {
  const asked = await checkRequest(parseBody(Buffer.from('{"prompt":"a","seed":18446744073709551615}')), generationRequest);
  expect(asked.get('seed')).toBe(18446744073709551615n);
});
