// The official client of OpenAI against a real server with the demo model: pictures, edits, conversations, streams, errors.
import { readFileSync } from 'node:fs';
import OpenAI, { APIError, APIUserAbortError, toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decode } from '../../../engine/image/decode.ts';
import { readMetadata } from '../../../engine/image/metadata.ts';
import type { Pixels } from '../../../engine/image/pixels.ts';
import { serve, type Serving } from '../../contract/client.ts';

const pictureOf = (name: string) => readFileSync(new URL(`../../../workflows/pictures/${name}`, import.meta.url));
const dataUrl = (name: string) => `data:image/png;base64,${pictureOf(name).toString('base64')}`;
const prompt = 'a large red circle on a blue background';
/** So long that it still runs when it is ended. */
const manySteps = 900;

let server: Serving;
let client: OpenAI;
/** Members that only this server has. */
const ours = (members: object) => members as Record<string, never>;

beforeAll(async () => {
  server = await serve();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' });
});
afterAll(() => server.stop());

interface Job { readonly id: string; readonly status: string }
const jobs = async (query = ''): Promise<{ jobs: readonly Job[]; pagination: { total: number } }> => (await fetch(`${server.url}/api/jobs${query}`)).json() as never;

function colour({ width, channels, data }: Pixels, x: number, y: number): string {
  const [red = 0, green = 0, blue = 0] = data.slice((y * width + x) * channels);
  return [[red, 'r'], [green, 'g'], [blue, 'b']].filter(([amount]) => (amount as number) > 128).map(([, letter]) => letter).join('');
}

async function failure(act: Promise<unknown>): Promise<APIError> {
  const error = await act.then(() => undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(APIError);
  return error as APIError;
}

describe('models', () => {
  test('are those that forms offer', async () => {
    expect((await client.models.list()).data).toEqual([{ id: 'bagel-demo', object: 'model', created: expect.any(Number), owned_by: 'bagelgraph' }]);
    expect((await client.models.retrieve('bagel-demo')).id).toBe('bagel-demo');
    expect(await failure(client.models.retrieve('bagel-dem'))).toMatchObject({ status: 404, code: 'model_not_found', param: 'model', message: expect.stringContaining('did you mean bagel-demo? There are bagel-demo') });
  });

  test('OpenAI\'s names stand for the server\'s own, which is told', async () => {
    const { data, response } = await client.chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hello' }], max_tokens: 1 }).withResponse();
    expect([data.model, response.headers.get('x-bagelgraph-notice')]).toEqual(['bagel-demo', 'the model "gpt-4o" is not installed: bagel-demo is used in its place']);
    expect(await failure(client.images.generate({ model: 'flux', prompt }))).toMatchObject({ status: 404, code: 'model_not_found', message: expect.stringContaining('There are bagel-demo') });
  });
});

describe('pictures', () => {
  test('as base64, the same for the same seed as by any other way', async () => {
    const { data } = await client.images.generate({ model: 'bagel-demo', prompt, ...ours({ seed: 1 }) });
    const bytes = Buffer.from(data![0]!.b64_json!, 'base64');
    const drawn = await decode(bytes);
    expect([drawn.width, drawn.height, colour(drawn, 64, 64), colour(drawn, 4, 4)]).toEqual([128, 128, 'r', 'b']);
    expect(data![0]).toMatchObject({ seed: 1 });
    expect([...readMetadata(bytes).keys()]).toEqual(['prompt', 'workflow']);
    const run = await (await fetch(`${server.url}/api/run`, { method: 'POST', body: JSON.stringify({ workflow: 'text-to-image', inputs: { prompt, seed: 1 } }) })).json() as { outputs: { files: { data_url: string }[] }[] };
    expect((await decode(Buffer.from(run.outputs[0]!.files[0]!.data_url.split(',')[1]!, 'base64'))).data).toEqual(drawn.data);
  });

  test('several by URL, in another format and size', async () => {
    const { data, output_format: format } = await client.images.generate({ model: 'bagel-demo', prompt, n: 2, size: '96x64' as '256x256', response_format: 'url', output_format: 'webp', quality: 'low', ...ours({ seed: 7 }) });
    expect([format, data!.map((one) => (one as unknown as { seed: number }).seed)]).toEqual(['webp', [7, 8]]);
    const files = await Promise.all(data!.map(({ url }) => fetch(url!)));
    expect(files.map((file) => file.headers.get('content-type'))).toEqual(['image/webp', 'image/webp']);
    const pictures = await Promise.all(files.map(async (file) => decode(new Uint8Array(await file.arrayBuffer()))));
    expect(pictures.map(({ width, height }) => [width, height])).toEqual([[96, 64], [96, 64]]);
    expect(pictures[0]!.data).not.toEqual(pictures[1]!.data);
  });

  test('jpeg, and a thought before', async () => {
    const { data } = await client.images.generate({ model: 'bagel-demo', prompt: 'draw the sun', output_format: 'jpeg', output_compression: 80, ...ours({ reasoning_effort: 'low', seed: 3 }) });
    expect(Buffer.from(data![0]!.b64_json!, 'base64').subarray(0, 3).toString('hex')).toBe('ffd8ff');
    expect(data![0]).toMatchObject({ reasoning_content: expect.stringMatching(/^The sun is/) });
  });

  test('edited: a file, several, a data URL, one of this server', async () => {
    const file = () => toFile(pictureOf('circle.png'), 'circle.png', { type: 'image/png' });
    const one = await client.images.edit({ model: 'bagel-demo', prompt: 'make the circle blue', image: await file(), response_format: 'url', n: 1, ...ours({ seed: 11 }) });
    const edited = await decode(new Uint8Array(await (await fetch(one.data![0]!.url!)).arrayBuffer()));
    expect([edited.width, edited.height]).toEqual([128, 128]);
    const asJson = async (images: readonly string[]) => {
      const response = await fetch(`${server.url}/v1/images/edits`, { method: 'POST', body: JSON.stringify({ prompt: 'make the circle blue', images: images.map((image_url) => ({ image_url })), seed: 11 }) });
      expect(response.status).toBe(200);
      return decode(Buffer.from((await response.json() as { data: { b64_json: string }[] }).data[0]!.b64_json, 'base64'));
    };
    expect((await asJson([dataUrl('circle.png')])).data).toEqual(edited.data);
    expect((await asJson([one.data![0]!.url!])).data).not.toEqual(edited.data);
    const several = await client.images.edit({ model: 'bagel-demo', prompt: 'a large circle and a ring', image: [await file(), await toFile(pictureOf('ring.png'), 'ring.png')] });
    expect((await decode(Buffer.from(several.data![0]!.b64_json!, 'base64'))).width).toBe(128);
    expect(await failure(client.images.edit({ model: 'bagel-demo', prompt, image: [await file(), await file(), await file()] }))).toMatchObject({ status: 400, code: 'too_many_images', message: expect.stringContaining('takes 2') });
    expect(await failure(client.images.edit({ model: 'bagel-demo', prompt, image: await file(), mask: await file() }))).toMatchObject({ status: 400, code: 'unsupported_parameter', param: 'mask' });
  });
});

describe('conversations', () => {
  const question = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'what color is the circle?' }, { type: 'image_url' as const, image_url: { url: dataUrl('square-and-circle.png') } }] }];

  test('a question about a picture, as the workflow answers it', async () => {
    const { choices, usage } = await client.chat.completions.create({ model: 'bagel-demo', messages: question });
    const run = await (await fetch(`${server.url}/api/run`, { method: 'POST', body: JSON.stringify({ workflow: 'understand', inputs: { image: dataUrl('square-and-circle.png') } }) })).json() as { outputs: { texts: string[] }[] };
    expect(choices).toEqual([{ index: 0, message: { role: 'assistant', content: run.outputs[0]!.texts[0], refusal: null }, logprobs: null, finish_reason: 'stop' }]);
    expect(usage).toEqual({ prompt_tokens: 91, completion_tokens: 2, total_tokens: 93 });
  });

  test('streamed, thinking and answer apart; an answer that is known comes at once', async () => {
    const said: { reasoning: string; content: string; pieces: number; finish: string[]; tokens: number }[] = [];
    for (let turn = 0; turn < 2; turn++) {
      const all = { reasoning: '', content: '', pieces: 0, finish: [] as string[], tokens: 0 };
      const stream = await client.chat.completions.create({ model: 'bagel-demo', messages: question, reasoning_effort: 'low', stream: true, stream_options: { include_usage: true } });
      for await (const { choices, usage } of stream) {
        const delta = choices[0]?.delta as { content?: string; reasoning_content?: string } | undefined;
        all.reasoning += delta?.reasoning_content ?? '';
        all.content += delta?.content ?? '';
        all.pieces += delta?.reasoning_content === undefined ? 0 : 1;
        if (typeof choices[0]?.finish_reason === 'string') all.finish.push(choices[0].finish_reason);
        all.tokens += usage?.completion_tokens ?? 0;
      }
      said.push(all);
    }
    expect(said[0]).toMatchObject({ reasoning: expect.stringMatching(/^I see a .*\.$/), content: expect.stringMatching(/^\w+$/), finish: ['stop'] });
    expect(said[0]!.pieces).toBeGreaterThan(10);
    expect(said[1]).toEqual({ ...said[0], pieces: 1 });
    const { choices } = await client.chat.completions.create({ model: 'bagel-demo', messages: question, reasoning_effort: 'low' });
    expect(choices[0]!.message).toMatchObject({ reasoning_content: said[0]!.reasoning, content: said[0]!.content });
  });

  test('turns: what was read before is not read again', async () => {
    const earlier = [{ role: 'system' as const, content: 'you look at pictures' }, ...question];
    const first = await client.chat.completions.create({ model: 'bagel-demo', messages: earlier });
    const second = await client.chat.completions.create({ model: 'bagel-demo', messages: [...earlier, { role: 'assistant', content: 'red' }, { role: 'user', content: 'what is on the left?' }] });
    expect(second.usage!.prompt_tokens).toBeGreaterThan(first.usage!.prompt_tokens);
    const passes = async ({ _request_id: id }: { _request_id?: string | null }) => (await (await fetch(`${server.url}/api/jobs/${id}/events`)).text()).split('\n').filter((line) => line.includes('"counted"') && line.includes('"prefill"')).length;
    expect([await passes(first), await passes(second)]).toEqual([3, 2]);
  });

  test('the longest answer that was asked for', async () => {
    const { choices, usage } = await client.chat.completions.create({ model: 'bagel-demo', messages: question, reasoning_effort: 'low', max_completion_tokens: 5 });
    expect([choices[0]!.finish_reason, usage!.completion_tokens, choices[0]!.message.content]).toEqual(['length', 5, '']);
  });

  test('words drawn by chance, the same for the same seed', async () => {
    const ask = async (seed: number) => (await client.chat.completions.create({ model: 'bagel-demo', messages: [{ role: 'user', content: 'hello' }], temperature: 2, top_p: 0.95, seed, max_tokens: 20 })).choices[0]!.message.content;
    const first = await ask(1);
    expect(await ask(1)).toBe(first);
    expect(await ask(2)).not.toBe(first);
  });
});

describe('a client that goes', () => {
  test.each([
    ['while a picture is drawn', (signal: AbortSignal) => client.images.generate({ model: 'bagel-demo', prompt, n: 2, ...ours({ steps: manySteps }) }, { signal })],
    ['while a stream waits behind it', async (signal: AbortSignal) => {
      const drawn = client.images.generate({ model: 'bagel-demo', prompt, ...ours({ steps: manySteps }) }, { signal }).catch(() => undefined);
      for await (const _chunk of await client.chat.completions.create({ model: 'bagel-demo', messages: [{ role: 'user', content: 'hello' }], stream: true }, { signal })) { /* the first comes at once */ }
      await drawn;
      throw new APIUserAbortError();
    }],
  ])('%s ends its runs', async (_name, ask) => {
    const before = (await jobs()).pagination.total;
    const stop = new AbortController();
    const asked = ask(stop.signal).then(() => undefined, (error: unknown) => error);
    await expect.poll(async () => (await jobs()).pagination.total, { timeout: 20_000 }).toBe(before + 2);
    await expect.poll(async () => (await jobs('?status=in_progress')).jobs.length, { timeout: 20_000 }).toBe(1);
    stop.abort();
    expect(await asked).toBeInstanceOf(APIUserAbortError);
    await expect.poll(async () => (await jobs('?limit=2')).jobs.map(({ status }) => status), { timeout: 20_000 }).toEqual(['cancelled', 'cancelled']);
  });
});

describe('errors', () => {
  test('of nodes are told once, by their sentence', async () => {
    const before = (await jobs()).pagination.total;
    expect(await failure(client.images.generate({ model: 'bagel-demo', prompt, size: '1024x1024' }))).toMatchObject({ status: 400, code: 'run_failed', type: 'invalid_request_error', message: expect.stringContaining('1024×1024 is beyond what bagel-demo can draw: at most 256 pixels a side') });
    expect((await jobs()).pagination.total).toBe(before + 1);
  });

  test('of requests queue nothing', async () => {
    const before = (await jobs()).pagination.total;
    const ask = (url: string) => client.chat.completions.create({ model: 'bagel-demo', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] });
    expect(await failure(ask('https://example.org/cat.png'))).toMatchObject({ status: 400, param: 'messages', code: 'invalid_image_url', message: expect.stringContaining('messages[0].content[0].image_url: pictures are not fetched from the network') });
    expect(await failure(ask('data:image/png;base64,aGVsbG8='))).toMatchObject({ status: 400, param: 'messages', message: expect.stringContaining('5 bytes are no picture') });
    expect(await failure(client.chat.completions.create({ model: 'bagel-demo', messages: [{ role: 'user', content: '' }] }))).toMatchObject({ status: 400, param: 'messages', message: expect.stringContaining('hold no text and no picture') });
    expect(await failure(client.images.generate({ model: 'bagel-demo', prompt, ...ours({ steps: 1 }) }))).toMatchObject({ status: 400, param: 'steps' });
    expect(await failure(client.images.generate({ model: 'bagel-demo', prompt, ...ours({ seed: 1.5 }) }))).toMatchObject({ status: 400, param: 'seed', message: expect.stringContaining('give a whole number') });
    expect(await failure(client.images.edit({ model: 'bagel-demo', prompt, image: await toFile(Buffer.from('hello'), 'a.png') }))).toMatchObject({ status: 400, param: 'image', message: expect.stringContaining('no picture') });
    expect((await fetch(`${server.url}/v1/chat/completions`)).status).toBe(405);
    expect((await jobs()).pagination.total).toBe(before);
  });
});
