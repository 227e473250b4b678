// The commands around running: help everywhere, nodes, devices, and commands that packs bring.
import { describe, expect, test } from 'vitest';
import { bagelgraph, folderWith, slowPack } from './bagelgraph.ts';

describe('help', () => {
  test('without a command, all commands are listed, on 2 words at most a line of help each', async () => {
    const folder = await folderWith();
    const { code, stdout } = await bagelgraph(folder, '--help');
    expect(code).toBe(0);
    for (const command of ['run', 'nodes', 'devices', 'draw', 'edit', 'ask', 'verify']) expect(stdout).toMatch(new RegExp(`^ +${command} +\\S`, 'm'));
    expect((await bagelgraph(folder)).code).toBe(2);
  });

  test.each(['run', 'nodes', 'devices', 'draw', 'edit', 'ask', 'verify'])('%s --help says how it is used and what every option does', async (command) => {
    const { code, stdout } = await bagelgraph(await folderWith(), command, '--help');
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: bagelgraph ${command}`);
    for (const line of stdout.split('\n').filter((option) => /^ +--/.test(option))) expect(line).toMatch(/^ +--[a-z-]+.*\S {2,}\S/);
  });

  test('--version', async () => {
    expect((await bagelgraph(await folderWith(), '--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('nodes', () => {
  test('lists every node, one, and as JSON; a mistyped name gets its neighbours', async () => {
    const folder = await folderWith();
    const [list, one, json, wrong] = await Promise.all([
      bagelgraph(folder, 'nodes'), bagelgraph(folder, 'nodes', 'EmptyImage'), bagelgraph(folder, 'nodes', 'SaveImage', '--json'), bagelgraph(folder, 'nodes', 'LoadImag'),
    ]);
    for (const type of ['EmptyImage', 'SaveImage', 'Bagel.TextToImage']) expect(list.stdout).toContain(type);
    expect(one.stdout).toMatch(/width[\s\S]*INT[\s\S]*512/);
    expect(JSON.stringify(JSON.parse(json.stdout))).toContain('filename_prefix');
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toContain('LoadImage');
  });

  test('a third-party pack brings nodes and commands', async () => {
    const folder = await folderWith();
    expect((await bagelgraph(folder, 'nodes', '--node-pack', slowPack)).stdout).toContain('SlowImage');
    expect(await bagelgraph(folder, 'echo', 'a', 'b', '--loud', '--node-pack', slowPack)).toMatchObject({ code: 0, stdout: 'A B\n' });
  });
});

describe('devices', () => {
  test('says name, provider, threads and memory', async () => {
    const { code, stdout } = await bagelgraph(await folderWith(), 'devices', '--json', '--threads', '1');
    expect(code).toBe(0);
    const [device] = JSON.parse(stdout) as { name: string; provider: string; threads: number; memory: { total: number } }[];
    expect(device).toMatchObject({ name: 'cpu:0', provider: 'cpu', threads: 1 });
    expect(device!.memory.total).toBeGreaterThan(1e8);
    expect((await bagelgraph(await folderWith(), 'devices')).stdout).toMatch(/cpu:0.*cpu/);
  });
});
