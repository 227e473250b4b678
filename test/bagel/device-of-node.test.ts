// A node runs where its file says, in both forms: `properties.device` of a workflow and `_meta.device` of a prompt. A device that is not open is refused by name.
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promptOf, readWorkflowFile } from '../../engine/cli/workflow.ts';
import type { Devices } from '../../engine/device/device.ts';
import { openProcessDevice } from '../../engine/device/process.ts';
import { createEngine } from '../../engine/exec/engine.ts';
import { openFiles } from '../../engine/exec/files.ts';
import { toGraph } from '../../engine/formats/api.ts';
import { createRegistry } from '../../engine/graph/registry.ts';
import { nodes as bagelNodes } from '../../nodes/bagel/index.ts';
import { nodes as coreNodes } from '../../nodes/core/index.ts';

const registry = createRegistry([{ name: 'core', nodes: coreNodes }, { name: 'bagel', nodes: bagelNodes }]);
const folder = mkdtempSync(path.join(tmpdir(), 'bagelgraph-device-'));
let devices: Devices;

beforeAll(async () => {
  const open = async (name: string) => [name, await openProcessDevice({ name, provider: 'cpu', threads: 1 })] as const;
  devices = new Map([await open('cpu:0'), await open('cpu:1')]);
});
afterAll(async () => {
  await Promise.all([...devices.values()].map((device) => device.close()));
  rmSync(folder, { recursive: true });
});

/** Where the nodes of a file ran, by type, and why it failed if it did. */
async function placesOf(text: string): Promise<{ readonly places: Readonly<Record<string, string>>; readonly failure: string | undefined }> {
  const file = path.join(folder, 'workflow.json');
  await writeFile(file, text);
  const files = openFiles({ input: 'workflows/pictures', output: folder, temp: folder, models: ['models'] });
  const { prompt } = await promptOf(await readWorkflowFile(file), registry, { files, devices }, undefined);
  const engine = createEngine({ registry, devices, files });
  const checked = await engine.validate(toGraph(prompt).graph);
  if (checked.refusal !== undefined) return { places: {}, failure: checked.problems.map(({ message }) => message).join(' ') };
  const places: Record<string, string> = {};
  const result = await engine.run(checked, { emit: (event) => { if (event.kind === 'begun') places[event.type] = event.device; } });
  await engine.clear();
  return { places, failure: result.failure?.message };
}

async function workflow(device: string): Promise<string> {
  const json = JSON.parse(await readFile('workflows/text-to-image.json', 'utf8')) as { nodes: { type: string; properties?: Record<string, string>; widgets_values?: unknown[] }[] };
  for (const node of json.nodes) {
    if (node.type === 'Bagel.TextToImage') node.properties = { ...node.properties, device };
    if (node.type === 'Bagel.Load') node.widgets_values = ['bagel-demo', false, false, 'one device'];
  }
  return JSON.stringify(json);
}

function prompt(device: string): string {
  const draw = { prompt: 'a', seed: 1, width: 64, height: 64, steps: 3, shift: 2, cfg_text: 4, cfg_image: 1, cfg_start: 0.4, cfg_end: 1, renorm: 'global', renorm_min: 0, taylorseer: false, think: false, max_tokens: 16, sample: false, temperature: 0 };
  return JSON.stringify({
    1: { class_type: 'Bagel.Load', inputs: { model: 'bagel-demo', placement: 'one device' } },
    2: { class_type: 'Bagel.TextToImage', inputs: { model: ['1', 0], ...draw }, _meta: { device } },
    3: { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'b' } },
  });
}

test.each([['properties.device of a workflow', workflow], ['_meta.device of a prompt', prompt]] as const)('%s', async (_title, form) => {
  const { places, failure } = await placesOf(await form('cpu:1'));
  expect(failure).toBeUndefined();
  expect(places).toMatchObject({ 'Bagel.Load': 'cpu:0', 'Bagel.Noise': 'cpu:1', 'Bagel.Denoise': 'cpu:1', 'Bagel.DecodeLatent': 'cpu:1' });
  expect((await placesOf(await form('cpu:5'))).failure).toMatch(/there is no device cpu:5/);
});
