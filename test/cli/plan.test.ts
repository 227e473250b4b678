// bagelgraph plan against what really happens: the same passes and runs, and a refusal where a device is too small.
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { bagelgraph, folderWith } from './bagelgraph.ts';
import { workflows } from './places.ts';

interface Plan {
  readonly devices: readonly { readonly device: string; readonly parts: readonly { readonly part: string; readonly runs: number; readonly weightBytes: number }[]; readonly weightBytes: number; readonly neededBytes: number; readonly movedBytes: number; readonly flops: number; readonly mappedBytes: number; readonly disk: { readonly loadBytes: number; readonly againBytes: number; readonly passes: number; readonly againSeconds: number } }[];
  readonly diskBytesPerSecond: number;
  readonly passes: Readonly<Record<string, number>>;
  readonly fits: boolean;
  readonly notices: readonly string[];
  readonly seconds?: number;
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

  test('auto: a model on each of two devices, and it says so', async () => {
    const folder = await folderWith({});
    const wide = await plan(folder, 'text-to-image', '--devices', 'cpu:0,cpu:1');
    const llm = (made: Plan) => made.devices.map(({ parts }) => parts.filter(({ part }) => part.startsWith('llm:')).map(({ part }) => part));
    expect(llm(wide.plan)).toEqual([['llm:0', 'llm:1'], ['llm:0', 'llm:1']]);
    expect(wide.plan.notices).toEqual([expect.stringContaining('a whole model on each device')]);
  });

  test('--as: times on cards that are not here, from the same plan; two of a kind share the branches', async () => {
    const folder = await folderWith({});
    const one = (await plan(folder, 'edit', '--as', 'RTX 4090')).plan;
    const two = (await plan(folder, 'edit', '--as', '2x rtx4090')).plan;
    expect([one, two].map(({ devices, fits }) => [devices.map(({ device }) => device), fits])).toEqual([[['cuda:0'], true], [['cuda:0', 'cuda:1'], true]]);
    expect(two.passes).toEqual(one.passes);
    expect(two.seconds).toBeLessThan(one.seconds!);
    const { code, stdout } = await bagelgraph(folder, 'plan', workflow('text-to-image'), '--as', 'all');
    expect(code).toBe(0);
    expect(stdout).toMatch(/\| RTX 4090 \| [\d.]+ MB \| about [\d.]+ s \|/);
    expect(stdout).toContain('Projected from data sheets: 45 % of the dense bfloat16 operations');
    const wrong = await bagelgraph(folder, 'plan', workflow('edit'), '--as', 'Voodoo 2');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('--as is "Voodoo 2": give all, or one of RTX 3090');
  });

  test('understanding alone takes half the layers: the generation expert is not loaded', async () => {
    const folder = await folderWith({});
    const half = (await plan(folder, 'understand')).plan.devices[0]!;
    const whole = (await plan(folder, 'edit')).plan.devices[0]!;
    const layers = ({ parts }: typeof half) => parts.filter(({ part }) => part.startsWith('llm:'));
    expect(layers(half).map(({ part }) => part)).toEqual(['llm:0:und']);
    expect(layers(half)[0]!.weightBytes / layers(whole)[0]!.weightBytes).toBeCloseTo(0.5, 2);
  });

  test('weights that stay in their file and have no room: what reading them again costs a pass and in all, and what helps', async () => {
    const folder = await folderWith({});
    const flags = ['--memory', 'cpu:0=0.03', '--disk', '0.5'];
    const { code, stdout } = await bagelgraph(folder, 'plan', workflow('text-to-image'), '--no-measure', ...flags);
    expect(code).toBe(0);
    expect(stdout).toMatch(/in files +[\d.]+ MB of these stay pages of their files; [\d.]+ MB have no room: an import/);
    expect(stdout).toMatch(/reading again +about [\d.]+ s: [\d.]+ MB, [\d.]+ s, in every pass \(\d+ in all\)/);
    expect(stdout).toMatch(/disk: about [\d.]+ s to load and [\d.]+ s to read again, at 500\.0 MB a second \(assumed; --disk GB says otherwise\)/);
    const { devices: [one], diskBytesPerSecond } = (await plan(folder, 'text-to-image', ...flags)).plan;
    const { loadBytes, againBytes, passes, againSeconds } = one!.disk;
    expect(diskBytesPerSecond).toBe(5e8);
    expect(againSeconds).toBeCloseTo((againBytes * (passes - 1)) / 5e8, 9);
    expect(againBytes).toBeLessThanOrEqual(one!.mappedBytes);
    // 16-bit weights are read as they lie in the file
    expect(loadBytes).toBe((await plan(folder, 'text-to-image')).plan.devices[0]!.disk.loadBytes);
    const wrong = await bagelgraph(folder, 'plan', workflow('text-to-image'), '--disk', 'fast');
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--disk is "fast": give GB a second')]);
  });

  test('a wrong --memory names the devices', async () => {
    const folder = await folderWith({});
    const { code, stderr } = await bagelgraph(folder, 'plan', workflow('text-to-image'), '--memory', 'gpu=4');
    expect(code).toBe(2);
    expect(stderr).toContain('--memory is "gpu=4": give NAME=GB for one of cpu:0');
  });
});
