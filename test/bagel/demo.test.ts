// The demo model through the whole engine: the reference's pictures and answers seed by seed, every workflow, and how many passes are made.
import { readFile, readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openProcessDevice } from '../../engine/device/process.ts';
import type { Device } from '../../engine/device/device.ts';
import { createEngine, type Engine, type RunResult } from '../../engine/exec/engine.ts';
import { openFiles } from '../../engine/exec/files.ts';
import { promptOf, readWorkflowFile } from '../../engine/cli/workflow.ts';
import { setSeeds } from '../../engine/cli/values.ts';
import { toGraph, withInput, type ApiPrompt } from '../../engine/formats/api.ts';
import { applyForm, readForm } from '../../engine/formats/forms.ts';
import type { Json } from '../../engine/formats/json.ts';
import type { Graph } from '../../engine/graph/graph.ts';
import { createRegistry } from '../../engine/graph/registry.ts';
import { decode } from '../../engine/image/decode.ts';
import { nodes as bagelNodes } from '../../nodes/bagel/index.ts';
import { nodes as coreNodes } from '../../nodes/core/index.ts';
import { goldenPath } from '../support/golden.ts';

interface Case {
  readonly name: string;
  readonly task: string;
  readonly prompt: string;
  readonly seed?: number;
  readonly width?: number;
  readonly height?: number;
  readonly image?: string;
  readonly picture?: string;
  readonly answer?: string;
  readonly thinking?: string;
  readonly max_tokens?: number;
  readonly max_think_tokens?: number;
  readonly options?: { num_timesteps: number; timestep_shift: number; cfg_text_scale: number; cfg_img_scale: number; cfg_interval: [number, number]; cfg_renorm_min: number; cfg_renorm_type: string };
}

const registry = createRegistry([{ name: 'core', nodes: coreNodes }, { name: 'bagel', nodes: bagelNodes }]);
const cases = JSON.parse(await readFile(goldenPath('demo/cases.json'), 'utf8')) as Case[];
const output = mkdtempSync(path.join(tmpdir(), 'bagelgraph-demo-'));
let device: Device;

beforeAll(async () => { device = await openProcessDevice({ name: 'cpu:0', provider: 'cpu', threads: 2 }); });
afterAll(async () => {
  await device.close();
  rmSync(output, { recursive: true });
});

/** An engine whose input folder is `input`. */
function engineOver(input: string): Engine & { readonly files: ReturnType<typeof openFiles> } {
  const files = openFiles({ input, output, temp: output, models: ['models'] });
  return Object.assign(createEngine({ registry, devices: new Map([['cpu:0', device]]), files }), { files });
}

async function loadWorkflow(name: string, engine: ReturnType<typeof engineOver>): Promise<{ prompt: ApiPrompt; json: Json }> {
  const file = await readWorkflowFile(`workflows/${name}.json`);
  const { prompt } = await promptOf(file, registry, { files: engine.files, devices: new Map() }, undefined);
  return { prompt, json: file.json };
}

function runPrompt(engine: Engine, prompt: ApiPrompt): Promise<RunResult> {
  return engine.run(toGraph(prompt).graph as Graph);
}

/** Text and picture files that a run showed. */
function madeBy(result: RunResult): { texts: string[]; files: string[] } {
  const shown = [...result.outputs.values()].map(({ ui }) => ui as ReadonlyMap<string, Json>);
  const lists = (key: string) => shown.flatMap((ui) => (ui.get(key) ?? []) as readonly Json[]);
  return { texts: lists('text') as string[], files: lists('images').map((image) => path.join(output, (image as ReadonlyMap<string, Json>).get('filename') as string)) };
}

describe('the reference\'s pictures and answers', () => {
  const workflowOf = (task: string) => `${task.startsWith('edit') ? 'edit' : task.startsWith('understanding') ? 'understand' : 'text-to-image'}${task.includes('thinking') ? '-think' : ''}`;

  function formValues({ options, ...one }: Case): Record<string, Json> {
    return {
      prompt: one.prompt,
      ...(one.seed === undefined ? {} : { seed: BigInt(one.seed) }),
      ...(one.width === undefined ? {} : { width: BigInt(one.width), height: BigInt(one.height!) }),
      ...(one.image === undefined ? {} : { image: one.image }),
      ...(one.max_tokens === undefined && one.max_think_tokens === undefined ? {} : { max_tokens: BigInt(one.max_tokens ?? one.max_think_tokens!) }),
      ...(options === undefined ? {} : {
        steps: BigInt(options.num_timesteps), shift: options.timestep_shift, cfg_text: options.cfg_text_scale, cfg_image: options.cfg_img_scale,
        cfg_start: options.cfg_interval[0], cfg_end: options.cfg_interval[1], renorm: options.cfg_renorm_type, renorm_min: options.cfg_renorm_min,
      }),
    };
  }

  test.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const engine = engineOver(goldenPath('demo'));
    const { prompt, json } = await loadWorkflow(workflowOf(one.task), engine);
    const result = await runPrompt(engine, applyForm(prompt, readForm(json)!, formValues(one)));
    expect(result.failure?.message).toBeUndefined();
    const { texts, files } = madeBy(result);
    const text = one.answer ?? one.thinking;
    if (text !== undefined) expect(texts).toEqual([text]);
    if (one.picture !== undefined) {
      const [made, expected] = await Promise.all([decode(files[0]!), decode(goldenPath(`demo/${one.picture}`))]);
      expect([made.width, made.height]).toEqual([expected.width, expected.height]);
      const off = made.data.filter((value, i) => Math.abs(value - expected.data[i]!) > 2).length;
      expect(off / expected.data.length).toBeLessThanOrEqual(1e-3);
    }
    await engine.clear();
  });
});

describe('workflows', async () => {
  const names = (await readdir('workflows')).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));

  test('there is one for each capability', () => {
    expect(names.sort()).toEqual(['chat', 'edit', 'edit-think', 'multi-image-edit', 'shared-prompt', 'text-to-image', 'text-to-image-think', 'understand', 'understand-think']);
  });

  test.each(names)('%s runs as it is, and its form names what it makes', async (name) => {
    const engine = engineOver('workflows/pictures');
    const { prompt, json } = await loadWorkflow(name, engine);
    const form = readForm(json)!;
    for (const { node, input } of form.inputs) expect(registry.get(prompt.nodes.get(node)!.class_type)!.inputs).toHaveProperty(input);
    const result = await runPrompt(engine, prompt);
    expect(result.failure?.message).toBeUndefined();
    expect([result.status, result.problems]).toEqual(['success', []]);
    for (const { node } of form.outputs) expect([...result.outputs.keys()]).toContain(node);
    await engine.clear();
  });
});

describe('passes', () => {
  let engine: ReturnType<typeof engineOver>;
  beforeEach(() => { engine = engineOver('workflows/pictures'); });
  afterEach(() => engine.clear());

  /** The app's text to image on a picture small enough for a test. */
  async function appPrompt(): Promise<ApiPrompt> {
    const { prompt, json } = await loadWorkflow('text-to-image', engine);
    return applyForm(prompt, readForm(json)!, { width: 32n, height: 32n, steps: 50n, shift: 3, cfg_text: 4, cfg_image: 1.5, cfg_start: 0.4, cfg_end: 1, seed: 1n });
  }

  test('the app\'s text to image takes 90, where the reference makes 131', async () => {
    const { counts } = await runPrompt(engine, await appPrompt());
    expect(counts).toMatchObject({ denoise: 90, prefill: 1 });
  });

  test('with an image-unconditional context of other text it is 131', async () => {
    const { prompt } = await loadWorkflow('shared-prompt', engine);
    const [denoise] = [...prompt.nodes].find(([, node]) => node.class_type === 'Bagel.Denoise')!;
    const [text] = [...prompt.nodes].find(([, node]) => node.class_type === 'Bagel.EncodeText')!;
    const [save] = [...prompt.nodes].find(([, node]) => node.class_type === 'SaveImage')!;
    const other = { ...prompt.nodes.get(text)!, inputs: new Map(prompt.nodes.get(text)!.inputs).set('text', 'another text') };
    let changed: ApiPrompt = { nodes: new Map(prompt.nodes).set('other', other) };
    changed = { nodes: new Map(changed.nodes).set(denoise, { ...changed.nodes.get(denoise)!, inputs: new Map(changed.nodes.get(denoise)!.inputs).set('image_unconditional', ['other', 0n]) }) };
    for (const [name, value] of Object.entries({ steps: 50n, shift: 3, cfg_text: 4, cfg_image: 1.5, cfg_start: 0.4, cfg_end: 1 })) changed = withInput(changed, denoise, name, value);
    const { counts } = await engine.run(toGraph(changed).graph as Graph, { targets: [save] });
    expect(counts).toMatchObject({ denoise: 131, prefill: 2 });
  });

  test('a second run with only the seed changed reads nothing again', async () => {
    const first = await runPrompt(engine, await appPrompt());
    const second = await runPrompt(engine, setSeeds(await appPrompt(), 2n, registry));
    expect([first.counts['prefill'], second.counts['prefill'] ?? 0, second.counts['denoise']]).toEqual([1, 0, 90]);
  });

  test('another question about the same picture: the picture is not read again', async () => {
    const { prompt } = await loadWorkflow('understand', engine);
    const first = await runPrompt(engine, prompt);
    const second = await runPrompt(engine, withInput(prompt, '3', 'prompt', 'what is on the left?'));
    expect([first.counts['prefill'], second.counts['prefill']]).toEqual([2, 1]);
  });

  test('greedy thinking does not think again for a new seed', async () => {
    const { prompt } = await loadWorkflow('text-to-image-think', engine);
    const small = withInput(withInput(prompt, '2', 'width', 32n), '2', 'height', 32n);
    const first = await runPrompt(engine, setSeeds(small, 1n, registry));
    const second = await runPrompt(engine, setSeeds(small, 2n, registry));
    expect([first.counts['decode'], second.counts['decode'] ?? 0, second.counts['prefill'] ?? 0]).toEqual([54, 0, 0]);
  });

  test('a model that was dropped and opened again leaves nothing of the old one behind', async () => {
    const { prompt } = await loadWorkflow('shared-prompt', engine);
    await runPrompt(engine, prompt);
    await engine.clear({ models: true });
    const again = await runPrompt(engine, setSeeds(prompt, 3n, registry));
    expect(again.status).toBe('success');
    await engine.clear();
    const { handles, sessions } = await device.stats();
    expect([handles.count, sessions]).toEqual([0, 0]);
  });

  test('the same run again makes no pass at all', async () => {
    const { prompt } = await loadWorkflow('text-to-image', engine);
    const small = withInput(withInput(prompt, '2', 'width', 32n), '2', 'height', 32n);
    await runPrompt(engine, small);
    expect((await runPrompt(engine, small)).counts).toEqual({});
  });

  test('memory on the device is given back when the engine is cleared', async () => {
    await runPrompt(engine, await appPrompt());
    await engine.clear();
    const { handles, sessions } = await device.stats();
    expect([handles.count, sessions]).toEqual([0, 0]);
  });
});
