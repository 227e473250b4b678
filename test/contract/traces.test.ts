// What a real ComfyUI answered (test/golden/comfyui-traces.json), replayed against our server as a process: the same answers, frames and history.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client, serve, type Answer, type Frame, type Serving } from './client.ts';
import { comparable, comparableFrames, withNodesSwapped } from './comparable.ts';

interface Trace {
  readonly case: string;
  readonly prompt?: Readonly<Record<string, unknown>>;
  readonly extra?: Readonly<Record<string, unknown>> | null;
  readonly http?: Answer;
  readonly frames?: readonly Frame[];
  readonly history?: Readonly<Record<string, unknown>>;
}

const traces = JSON.parse(readFileSync(new URL('../golden/comfyui-traces.json', import.meta.url), 'utf8')) as readonly Trace[];
const clientId = 'c0ffee00c0ffee00c0ffee00c0ffee00';

let server: Serving;
let client: Client;
let posted = 0;

beforeAll(async () => {
  server = await serve('--cache-classic');
  client = await Client.connect(server.url, clientId);
});

afterAll(async () => {
  client.close();
  await server.stop();
});

test('connecting', async () => {
  const frames = await client.until(({ type }) => type === 'feature_flags');
  expect(frames).toEqual(traces.find(({ frames: some, prompt }) => some !== undefined && prompt === undefined)!.frames);
});

describe('prompts, one after another', () => {
  test.each(traces.filter(({ prompt }) => prompt !== undefined))('$case', async (trace) => {
    await reachNumber(trace);
    const from = client.frames.length;
    const answer = await client.post('/prompt', { prompt: trace.prompt, client_id: clientId, ...trace.extra });
    posted++;
    expect(comparable(answer)).toEqual(comparable(trace.http));
    if (trace.frames === undefined) return;

    const { prompt_id: id } = answer[1] as { prompt_id: string };
    if (trace.case === 'interrupted') {
      await client.until(({ type, data }) => type === 'progress' && data['prompt_id'] === id, from);
      await client.post('/interrupt', {});
    }
    const frames = await client.until(({ type, data }) => type === 'executing' && data['node'] === null && data['prompt_id'] === id, from);
    const history = (await client.get(`/history/${id}`))[1] as Readonly<Record<string, unknown>>;
    const given = run(frames, history[id]);
    const entry = Object.values(trace.history!)[0] as { readonly status: unknown };
    const recorded = [run(trace.frames, entry)];
    if (trace.case === 'node throws') {
      // two lazy inputs asked for at once: which of the sources runs first is chance in the original
      const swapped = <T>(value: T) => withNodesSwapped(value, '1', '2');
      recorded.push(run(trace.frames.map(swapped), { ...entry, status: swapped(entry.status) }));
    }
    expect(given).toEqual(recorded.find((one) => JSON.stringify(one.frames) === JSON.stringify(given.frames)) ?? recorded[0]);
  });
});

function run(frames: readonly Frame[], entry: unknown): { readonly frames: readonly unknown[]; readonly history: unknown } {
  return { frames: comparableFrames(frames), history: comparable(entry) };
}

/** The recorded server had answered more prompts than were kept: refused ones make up the number. */
async function reachNumber({ http }: Trace): Promise<void> {
  const number = (http?.[1] as { number?: number }).number;
  while (number !== undefined && posted < number) {
    expect((await client.post('/prompt', { prompt: {} }))[0]).toBe(400);
    posted++;
  }
}

describe('routes', () => {
  const same = ['/prompt', '/queue', '/features', '/object_info/StubImage', '/object_info/TestLazyMixImages', '/object_info/Nope', '/users', '/settings', '/history/none', '/embeddings'];
  const recorded = (route: string) => traces.find(({ case: name }) => name === `GET ${route}`)!.http!;

  test.each(same)('%s', async (route) => {
    expect(inPack(await client.get(route))).toEqual(recorded(route));
  });

  test.each(['SaveImage', 'LoadImage', 'PreviewAny', 'StringConcatenate', 'PrimitiveInt', 'EmptyImage'])('/object_info/%s but for words', async (type) => {
    const ours = await client.get(`/object_info/${type}`);
    expect(withoutWords(ours)).toEqual(withoutWords(recorded(`/object_info/${type}`)));
  });

  test('/system_stats and /models have the same shape', async () => {
    const [, ours] = await client.get('/system_stats') as [number, { system: object; devices: object[] }];
    const [, theirs] = recorded('/system_stats') as [number, { system: object; devices: object[] }];
    expect(Object.keys(ours.system)).toEqual(expect.arrayContaining(Object.keys(theirs.system)));
    for (const device of ours.devices) expect(Object.keys(device)).toEqual(expect.arrayContaining(Object.keys(theirs.devices[0]!)));
    expect((await client.get('/models'))[1]).toEqual(expect.arrayContaining(['checkpoints', 'vae', 'diffusion_models', 'embeddings']));
  });
});

/** The recorded pack has another folder name. */
function inPack(answer: Answer): unknown {
  return JSON.parse(JSON.stringify(answer).replaceAll('"custom_nodes.pack"', '"custom_nodes.testing-pack"'));
}

/** Without texts for people, where the code lies, flags that are off, and options that hold none. */
function withoutWords(value: unknown): unknown {
  const left = new Set(['tooltip', 'description', 'python_module', 'output_tooltips', 'display_name', 'category']);
  if (Array.isArray(value)) return value.map(withoutWords).filter((one, i) => i === 0 || !isEmpty(one));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([name, one]) => !left.has(name) && !(one === false && name !== 'output_node')).map(([name, one]) => [name, withoutWords(one)]));
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}
