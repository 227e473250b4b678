// Clients of ComfyUI that others wrote, unchanged, against our server and the demo model: connect, upload, queue, progress, result, interrupt.
import { readFileSync } from 'node:fs';
import { CallWrapper, ComfyApi, PromptBuilder } from '@saintno/comfyui-sdk';
import { Client as StableClient } from '@stable-canvas/comfyui-client';
import { ComfyUIClient } from 'comfy-ui-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { readMetadata } from '../../engine/image/metadata.ts';
import { decode } from '../../engine/image/decode.ts';
import { serve, type Serving } from './client.ts';

const picture = readFileSync(new URL('../../workflows/pictures/circle.png', import.meta.url));
/** So long that it is still running when it is interrupted. */
const manySteps = 900;

interface PromptNode { class_type: string; inputs: Record<string, unknown>; _meta: { title: string } }
interface Picture { filename: string; subfolder: string; type: string }

let server: Serving;
let host: string;
/** What the server says a drawing node starts with. */
let initial: Record<string, unknown>;

beforeAll(async () => {
  server = await serve();
  host = server.url.replace('http://', '');
  const { 'Bagel.TextToImage': node } = (await (await fetch(`${server.url}/object_info/Bagel.TextToImage`)).json()) as Record<string, { input: { required: Record<string, [unknown, { default?: unknown }?]> } }>;
  initial = Object.fromEntries(Object.entries(node!.input.required).flatMap(([name, [, options]]) => (options?.default === undefined ? [] : [[name, options.default]])));
});

afterAll(() => server.stop());

function node(class_type: string, inputs: Record<string, unknown>): PromptNode {
  return { class_type, inputs, _meta: { title: class_type } };
}

/** Another prompt for each seed: one of the clients takes the first `executed` frame for the end, and an encoded text from the cache sends one. */
function drawing(steps: number, seed: number): Record<string, PromptNode> {
  return {
    1: node('Bagel.Load', { model: 'bagel-demo', strict: false }),
    2: node('Bagel.TextToImage', { ...initial, model: ['1', 0], prompt: `a large red circle on a blue background ${seed}`, width: 128, height: 128, seed, steps }),
    3: node('SaveImage', { images: ['2', 0], filename_prefix: 'clients' }),
  };
}

function inverting(name: string): ReturnType<typeof drawing> {
  return {
    1: node('LoadImage', { image: name }),
    2: node('ImageInvert', { image: ['1', 0] }),
    3: node('SaveImage', { images: ['2', 0], filename_prefix: 'inverted' }),
  };
}

async function expectInverted(bytes: Uint8Array): Promise<void> {
  const [before, after] = [await decode(picture), await decode(bytes)];
  expect([after.width, after.height]).toEqual([before.width, before.height]);
  const farthest = after.data.reduce((most, value, i) => Math.max(most, Math.abs(value - (255 - before.data[i]!))), 0);
  expect(farthest).toBeLessThanOrEqual(1);
}

async function running(): Promise<boolean> {
  const answer = await fetch(`${server.url}/queue`);
  return ((await answer.json()) as { queue_running: unknown[] }).queue_running.length > 0;
}

async function untilIdle(): Promise<void> {
  while (await running()) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('@saintno/comfyui-sdk', () => {
  let api: ComfyApi;
  beforeAll(async () => {
    api = new ComfyApi(server.url, 'saintno', { forceWs: true });
    await api.init().waitForReady();
  });
  afterAll(() => api.destroy());

  test('asks what there is', async () => {
    expect((await api.getSystemStats()).devices.length).toBeGreaterThan(0);
    expect(Object.keys((await api.getNodeDefs())!)).toEqual(expect.arrayContaining(['Bagel.Load', 'SaveImage']));
    expect(await api.getExtensions()).toBeInstanceOf(Array);
    await api.storeSetting('saintno.seen', true);
    expect(await api.getSetting('saintno.seen')).toBe(true);
    await api.storeUserData('notes/one.json', { kept: 1 });
    expect(await (await api.getUserData('notes/one.json')).json()).toEqual({ kept: 1 });
  });

  test('draws with progress', async () => {
    const prompt = new PromptBuilder(drawing(9, 1), ['seed'], ['images']).setInputNode('seed', '2.inputs.seed').setOutputNode('images', '3').input('seed', 5);
    const seen = { progress: [] as number[], isPending: false, hasStarted: false };
    const outputs = await new Promise<{ images: { images: Picture[] } }>((resolve, reject) => {
      void new CallWrapper(api, prompt)
        .onPending(() => { seen.isPending = true; })
        .onStart(() => { seen.hasStarted = true; })
        .onProgress(({ value }) => seen.progress.push(value))
        .onFinished((found) => resolve(found as never))
        .onFailed(reject)
        .run();
    });
    expect(seen).toMatchObject({ isPending: true, hasStarted: true });
    expect(seen.progress).toEqual([...seen.progress].sort((a, b) => a - b));
    expect(seen.progress.length).toBeGreaterThan(3);
    const saved = new Uint8Array(await (await api.getImage(outputs.images.images[0]!)).arrayBuffer());
    expect(await decode(saved)).toMatchObject({ width: 128, height: 128 });
    expect(JSON.parse(readMetadata(saved).get('prompt')!)).toMatchObject({ 2: { inputs: { seed: 5 } } });
  });

  test('uploads, and gets it back inverted', async () => {
    const uploaded = await api.uploadImage(picture, 'of saintno.png', { override: true });
    if (uploaded === false) throw new Error('the upload was refused');
    const prompt = new PromptBuilder(inverting(uploaded.info.filename), [], ['images']).setOutputNode('images', '3');
    const found = (await new CallWrapper(api, prompt).run()) as { images: { images: Picture[] } };
    await expectInverted(new Uint8Array(await (await api.getImage(found.images.images[0]!)).arrayBuffer()));
  });

  test('interrupts', async () => {
    const prompt = new PromptBuilder(drawing(manySteps, 2), [], ['images']).setOutputNode('images', '3');
    const failure = await new Promise<Error>((resolve, reject) => {
      void new CallWrapper(api, prompt)
        .onProgress(({ value }) => { if (value === 2) void api.interrupt(); })
        .onFinished(() => reject(new Error('it went on to its end')))
        .onFailed((error) => resolve(error))
        .run();
    });
    expect(failure.message).toMatch(/interrupt/i);
    await untilIdle();
  });

  test('a refused prompt is an error with our sentence', async () => {
    const wrong = drawing(9, 1);
    wrong['2']!.inputs['steps'] = 'many';
    await expect(api.queuePrompt(null, wrong)).rejects.toThrow();
  });
});

describe('@stable-canvas/comfyui-client', () => {
  let client: StableClient;
  beforeAll(async () => {
    client = new StableClient({ api_host: host, clientId: 'stable', WebSocket: WebSocket as never, fetch });
    await client.connect();
  });
  afterAll(() => client.close());

  test('draws with progress', async () => {
    const progress: number[] = [];
    const { images } = await client.enqueue(drawing(9, 3), { progress: ({ value }) => progress.push(value) });
    expect(progress.length).toBeGreaterThan(3);
    // previews come as bytes, what was saved as an address
    const addresses = images.filter(({ type }) => type === 'url');
    expect(addresses).toHaveLength(1);
    expect(images.length).toBeGreaterThan(1);
    const saved = await (await fetch(addresses[0]!.data as string)).arrayBuffer();
    expect(await decode(new Uint8Array(saved))).toMatchObject({ width: 128, height: 128 });
  });

  test('draws by asking again and again', async () => {
    expect((await client.enqueue_polling(drawing(9, 4), { polling_ms: 100 } as never)).images).toHaveLength(1);
  });

  test('lists and interrupts', async () => {
    expect((await client.getSystemStats()).devices.length).toBeGreaterThan(0);
    expect(Object.keys(await client.getNodeDefs())).toContain('Bagel.TextToImage');
    // its promise never settles when a prompt is interrupted: the history tells
    await new Promise<void>((resolve) => void client.enqueue(drawing(manySteps, 5), { progress: ({ value }) => { if (value === 2) resolve(); } }));
    await client.interrupt();
    await untilIdle();
    const history = await client.getHistory(10);
    expect(JSON.stringify(history)).toContain('execution_interrupted');
  });
});

describe('comfy-ui-client', () => {
  let client: ComfyUIClient;
  beforeAll(async () => {
    client = new ComfyUIClient(host, 'comfy-ui-client');
    await client.connect();
  });
  afterAll(() => client.disconnect());

  test('uploads, runs, and fetches the pictures', async () => {
    const { name } = await client.uploadImage(picture, 'of comfy-ui-client.png', true);
    const found = await client.getImages(inverting(name));
    await expectInverted(new Uint8Array(await found['3']![0]!.blob.arrayBuffer()));
  });

  test('draws, lists and interrupts', async () => {
    const found = await client.getImages(drawing(9, 6));
    expect(await decode(new Uint8Array(await found['3']![0]!.blob.arrayBuffer()))).toMatchObject({ width: 128, height: 128 });
    expect((await client.getPrompt()).exec_info.queue_remaining).toBe(0);
    const { prompt_id: id } = await client.queuePrompt(drawing(manySteps, 7));
    while (!(await running())) await new Promise((resolve) => setTimeout(resolve, 20));
    // it reads the answer, which ComfyUI leaves empty, as JSON
    await expect(client.interrupt()).rejects.toThrow(SyntaxError);
    await untilIdle();
    expect(JSON.stringify((await client.getHistory(id))[id])).toContain('execution_interrupted');
  });
});
