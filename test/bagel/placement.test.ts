// Every workflow on the demo model under every placement over two devices, which are two workers: the same pictures bit for bit and the same words.
import { readdir } from 'node:fs/promises';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Devices } from '../../engine/device/device.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { createEngine, type Engine } from '../../engine/exec/engine.ts';
import { openFiles } from '../../engine/exec/files.ts';
import { promptOf, readWorkflowFile } from '../../engine/cli/workflow.ts';
import { toGraph, withInput } from '../../engine/formats/api.ts';
import { applyForm, readForm } from '../../engine/formats/forms.ts';
import type { Json } from '../../engine/formats/json.ts';
import type { Graph } from '../../engine/graph/graph.ts';
import { createRegistry } from '../../engine/graph/registry.ts';
import { decode } from '../../engine/image/decode.ts';
import { nodes as bagelNodes } from '../../nodes/bagel/index.ts';
import { nodes as coreNodes } from '../../nodes/core/index.ts';

const registry = createRegistry([{ name: 'core', nodes: coreNodes }, { name: 'bagel', nodes: bagelNodes }]);
const output = mkdtempSync(path.join(tmpdir(), 'bagelgraph-placement-'));
const names = (await readdir('workflows')).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
const placements: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  auto: { placement: 'auto' },
  'split layers': { placement: 'split layers' },
  'split layers the other way round': { placement: 'split layers', devices: 'cpu:1,cpu:0' },
  'parallel branches': { placement: 'parallel branches' },
  'vision and autoencoder elsewhere': { placement: 'one device', vision_device: 'cpu:1', autoencoder_device: 'cpu:1' },
};

let devices: Devices;

beforeAll(async () => {
  const open = (name: string) => openProcessDevice({ name, provider: 'cpu', threads: 1 });
  devices = new Map([['cpu:0', await open('cpu:0')], ['cpu:1', await open('cpu:1')]]);
});
afterAll(async () => {
  await Promise.all([...devices.values()].map((device) => device.close()));
  rmSync(output, { recursive: true });
});

interface Made {
  readonly texts: readonly Json[];
  readonly pictures: readonly Uint8Array[];
  /** Parts that ran on the second device. */
  readonly runsThere: number;
  readonly failure: string | undefined;
}

/** Runs a workflow with few steps and the loader's placement set; `place` puts nodes on devices by type. */
async function make(name: string, placement: Readonly<Record<string, string>>, place: Readonly<Record<string, string>> = {}): Promise<Made> {
  const files = openFiles({ input: 'workflows/pictures', output, temp: output, models: ['models'] });
  const engine = createEngine({ registry, devices, files });
  const file = await readWorkflowFile(`workflows/${name}.json`);
  const form = readForm(file.json)!;
  const few = (wanted: string, value: bigint) => (form.inputs.some((input) => input.name === wanted) ? { [wanted]: value } : {});
  let { prompt } = await promptOf(file, registry, { files, devices }, undefined);
  prompt = applyForm(prompt, form, { ...few('steps', 7n), ...few('max_tokens', 12n), ...few('seed', 3n) });
  for (const [id, { class_type: type }] of prompt.nodes) {
    if (type === 'Bagel.Load') for (const [input, value] of Object.entries(placement)) prompt = withInput(prompt, id, input, value);
  }
  const { graph } = toGraph(prompt);
  const placed = { nodes: new Map([...graph.nodes].map(([id, node]) => [id, place[node.type] === undefined ? node : { ...node, device: place[node.type] }])) } as Graph;
  const runsThere = async () => (await devices.get('cpu:1')!.stats()).runs;
  const before = await runsThere();
  const result = await engine.run(placed);
  const shown = [...result.outputs.values()].map(({ ui }) => ui as ReadonlyMap<string, Json>);
  const lists = (key: string) => shown.flatMap((ui) => (ui.get(key) ?? []) as readonly Json[]);
  const pictures = await Promise.all(lists('images').map((image) => decode(path.join(output, (image as ReadonlyMap<string, Json>).get('filename') as string))));
  await engine.clear();
  return { texts: lists('text'), pictures: pictures.map(({ data }) => data), runsThere: (await runsThere()) - before, failure: result.failure?.message };
}

/** Draws with a seed. */
async function draw(engine: Engine, placement: Readonly<Record<string, string>>, seed: bigint): Promise<readonly Uint8Array[]> {
  const file = await readWorkflowFile('workflows/text-to-image.json');
  const files = openFiles({ input: 'workflows/pictures', output, temp: output, models: ['models'] });
  let { prompt } = await promptOf(file, registry, { files, devices }, undefined);
  prompt = applyForm(prompt, readForm(file.json)!, { steps: 6n, seed });
  for (const [id, { class_type: type }] of prompt.nodes) {
    if (type === 'Bagel.Load') for (const [input, value] of Object.entries(placement)) prompt = withInput(prompt, id, input, value);
  }
  const result = await engine.run(toGraph(prompt).graph);
  const shown = [...result.outputs.values()].flatMap(({ ui }) => ((ui as ReadonlyMap<string, Json>).get('images') ?? []) as readonly Json[]);
  const pictures = await Promise.all(shown.map((image) => decode(path.join(output, (image as ReadonlyMap<string, Json>).get('filename') as string))));
  return pictures.map(({ data }) => data);
}

describe.each(names)('%s', (name) => {
  let alone: Made;
  beforeAll(async () => {
    alone = await make(name, { placement: 'one device' });
    expect(alone).toMatchObject({ failure: undefined, runsThere: 0 });
  });

  test.each(Object.entries(placements))('%s', async (title, placement) => {
    const made = await make(name, placement);
    expect(made.failure).toBeUndefined();
    expect(made.texts).toEqual(alone.texts);
    expect(made.pictures).toEqual(alone.pictures);
    // understanding has no branches of guidance to share
    if (!((title === 'parallel branches' || title === 'auto') && (name === 'chat' || name.startsWith('understand')))) expect(made.runsThere).toBeGreaterThan(0);
  });
});

test('nodes on different devices hand their values over', async () => {
  const alone = await make('edit', { placement: 'one device' });
  const made = await make('edit', { placement: 'one device' }, { 'Bagel.EditImage': 'cpu:1' });
  expect(made.pictures).toEqual(alone.pictures);
  expect(made.runsThere).toBeGreaterThan(0);
});

test.each(['one device', 'parallel branches', 'split layers'])('two prompts at once, %s: each its own picture, and both devices work', async (placement) => {
  const files = openFiles({ input: 'workflows/pictures', output, temp: output, models: ['models'] });
  const engine = createEngine({ registry, devices, files, concurrency: 2 });
  const alone = [await draw(engine, { placement }, 5n), await draw(engine, { placement }, 6n)];
  await engine.clear();
  const runs = () => Promise.all([...devices.values()].map(async (device) => (await device.stats()).runs));
  const before = await runs();
  const together = await Promise.all([draw(engine, { placement }, 5n), draw(engine, { placement }, 6n)]);
  await engine.clear();
  expect(together).toEqual(alone);
  for (const [i, count] of (await runs()).entries()) expect(count - before[i]!).toBeGreaterThan(5);
});

test('all memory is given back', async () => {
  for (const device of devices.values()) expect((await device.stats()).handles).toEqual({ count: 0, bytes: 0 });
});

test('a device that is not open is named', async () => {
  expect((await make('text-to-image', { devices: 'cpu:0,cpu:7' })).failure).toMatch(/placed on cpu:7, but open are cpu:0, cpu:1: start with --devices cpu:0,cpu:1,cpu:7/);
});
