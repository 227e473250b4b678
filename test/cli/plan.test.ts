// bagelgraph plan against what really happens: the same passes and runs, and a refusal where a device is too small.
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { bagelgraph, folderWith } from './bagelgraph.ts';
import { workflows } from './places.ts';

interface Plan {
  readonly devices: readonly { readonly device: string; readonly parts: readonly { part: string; runs: number }[]; readonly weightBytes: number; readonly neededBytes: number; readonly movedBytes: number; readonly flops: number }[];
  readonly passes: Readonly<Record<string, number>>;
  readonly fits: boolean;
}

const workflow = (name: string) => path.join(workflows, `${name}.json`);
const pictures = ['--input-directory', path.join(workflows, 'pictures')];

async function plan(folder: string, name: string, ...flags: readonly string[]): Promise<{ code: number | null; plan: Plan }> {
  const { code, stdout, stderr } = await bagelgraph(folder, 'plan', workflow(name), ...pictures, '--no-measure', '--json', ...flags);
  expect(stderr).toBe('');
  return { code, plan: JSON.parse(stdout) as Plan };
}

describe('plan', () => {
  test.each(['text-to-image', 'edit'])('%s: the passes that a run makes, and no file is written', async (name) => {
    const folder = await folderWith({});
    const { code, plan: { passes, fits, devices } } = await plan(folder, name, '--seed', '1');
    const { stdout } = await bagelgraph(folder, 'run', workflow(name), ...pictures, '--seed', '1', '--json', '--quiet', '--output', 'made');
    expect({ code, fits }).toEqual({ code: 0, fits: true });
    const made = (JSON.parse(stdout) as { passes: Record<string, number> }).passes;
    expect({ decode: 0, ...passes }).toEqual(made);
    expect(devices[0]!.parts.find(({ part }) => part.startsWith('llm:'))!.runs).toBe(made['denoise']! + made['prefill']!);
    expect(devices[0]!.weightBytes).toBeGreaterThan(1e7);
  });

  test('split layers: half the layers on each device, and what goes between them', async () => {
    const folder = await folderWith({});
    const one = (await plan(folder, 'text-to-image')).plan;
    const { devices } = (await plan(folder, 'text-to-image', '--devices', 'cpu:0,cpu:1', '--set', '1.placement=split layers')).plan;
    const layers = devices.map(({ parts }) => parts.filter(({ part }) => part.startsWith('llm:')).map(({ part }) => part));
    expect(layers).toEqual([['llm:0'], ['llm:1']]);
    expect(devices.reduce((sum, { flops }) => sum + flops, 0)).toBeCloseTo(one.devices[0]!.flops, -3);
    for (const { movedBytes, neededBytes } of devices) {
      expect(movedBytes).toBeGreaterThan(0);
      expect(neededBytes).toBeLessThan(one.devices[0]!.neededBytes);
    }
  });

  test('a device that is too small: exit code 1, numbers, and what would help', async () => {
    const folder = await folderWith({});
    const { code, stdout } = await bagelgraph(folder, 'plan', workflow('text-to-image'), '--no-measure', '--memory', 'cpu:0=0.01');
    expect(code).toBe(1);
    expect(stdout).toMatch(/cpu:0: needs [\d.]+ MB of 10\.0 MB {2}← does not fit/);
    expect(stdout).toMatch(/Share the layers over more devices/);
  });

  test('a run that would not fit is refused at its node with the numbers, and 16-bit weights that stay in their file need little', async () => {
    const folder = await folderWith({});
    const { code, stderr } = await bagelgraph(folder, 'run', workflow('text-to-image'), '--memory', 'cpu:0=0.004', '--output', 'made', '--quiet');
    expect(code).toBe(1);
    expect(stderr).toMatch(/BAGEL Decode Latent.*cpu:0 may use 4\.0 MB and holds 0 bytes of weights and [\d.]+ MB of values: the [\d.]+ MB at work in decoder:0 do not fit/);
    expect((await bagelgraph(folder, 'run', workflow('text-to-image'), '--memory', 'cpu:0=0.03', '--output', 'made', '--quiet', '--set', '2.steps=3')).code).toBe(0);
  });

  test('auto: a model on each of two devices; layers split where only both together have room', async () => {
    const folder = await folderWith({});
    const wide = await plan(folder, 'text-to-image', '--devices', 'cpu:0,cpu:1');
    const llm = (made: Plan) => made.devices.map(({ parts }) => parts.filter(({ part }) => part.startsWith('llm:')).map(({ part }) => part));
    expect(llm(wide.plan)).toEqual([['llm:0'], ['llm:0']]);
  });

  test('a wrong --memory names the devices', async () => {
    const folder = await folderWith({});
    const { code, stderr } = await bagelgraph(folder, 'plan', workflow('text-to-image'), '--memory', 'gpu=4');
    expect(code).toBe(2);
    expect(stderr).toContain('--memory is "gpu=4": give NAME=GB for one of cpu:0');
  });
});
