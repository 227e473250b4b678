// Devices on cards, as far as it can be seen without one: what the driver's tool says (recorded, played back by a process of that name) sets budgets,
// keeps 16-bit weights as they are, and is what clients are told. No kernel runs here.
import { spawn } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { folderWith, program, start } from './bagelgraph.ts';
import { workflows } from './places.ts';

const mebibyte = 2 ** 20;

/** A search path on which `nvidia-smi` gives these lines, or fails. */
async function driver(says: string | undefined): Promise<string> {
  const folder = await folderWith();
  const script = path.join(folder, 'nvidia-smi');
  await writeFile(script, `#!/bin/sh\n[ "$1" = --query-gpu=index,memory.total,memory.free ] || exit 6\n${says === undefined ? 'echo "NVIDIA-SMI has failed"; exit 9' : `cat <<'END'\n${says}END`}\n`);
  await chmod(script, 0o755);
  return `${folder}${path.delimiter}${process.env['PATH'] ?? ''}`;
}
const twoCards = '0, 24564, 24000\n1, 15360, 14000\n';

interface Plan { readonly devices: readonly { readonly device: string; readonly budgetBytes?: number; readonly mappedBytes: number; readonly weightBytes: number }[]; readonly notices: readonly string[] }

async function plan(says: string | undefined, ...words: string[]): Promise<{ readonly code: number | null; readonly plan?: Plan; readonly stderr: string }> {
  const { code, stdout, stderr } = await start(await folderWith(), ['plan', path.join(workflows, 'text-to-image.json'), '--no-measure', '--json', ...words], { PATH: await driver(says) }).ended;
  return { code, stderr, ...(stdout === '' ? {} : { plan: JSON.parse(stdout) as Plan }) };
}

describe.skipIf(process.platform === 'win32')('cards as the driver tells of them', () => {
  test('a device may use nearly all of its card; --memory says otherwise', async () => {
    const { plan: usual } = await plan(twoCards, '--devices', 'cuda:1,cuda:0', '--set', '1.placement=parallel branches');
    expect(usual!.devices.map(({ device, budgetBytes }) => [device, budgetBytes])).toEqual([['cuda:1', 15360 * mebibyte * 0.95], ['cuda:0', 24564 * mebibyte * 0.95]]);
    const { plan: given } = await plan(twoCards, '--devices', 'cuda:0', '--memory', 'cuda:0=3');
    expect(given!.devices[0]!.budgetBytes).toBe(3e9);
  });

  test('16-bit weights stay 16-bit there, in the card\'s own memory', async () => {
    const [onCard, onCpu] = [(await plan(twoCards, '--devices', 'cuda:0')).plan!, (await plan(twoCards, '--devices', 'cpu:0')).plan!];
    expect(onCard.devices[0]!.mappedBytes).toBe(0);
    const ratio = onCard.devices[0]!.weightBytes / onCpu.devices[0]!.weightBytes;
    expect(ratio).toBeGreaterThan(0.49);
    expect(ratio).toBeLessThan(0.56);
    expect(onCard.notices).toEqual([]);
  });

  test('a card that is too small is refused with its numbers before anything is loaded', async () => {
    const { code, stderr } = await plan('0, 16, 16\n', '--devices', 'cuda:0');
    expect(code).toBe(1);
    expect(stderr).toMatch(/bagel-demo does not fit: its weights need [\d.]+ MB, but cuda:0 may use 15\.9 MB/);
  });

  test('where the tool fails or says [N/A] there is no budget', async () => {
    for (const says of [undefined, '0, [N/A], [N/A]\n']) expect((await plan(says, '--devices', 'cuda:0')).plan!.devices[0]!.budgetBytes).toBeUndefined();
  });

  test('/system_stats tells of the card, not of the host, and starts no worker for it', async () => {
    const child = spawn(process.execPath, [program, 'serve', '--port', '0', '--devices', 'cpu:0,cuda:1,cuda:7'], { cwd: await folderWith(), env: { ...process.env, DEBUG: '', PATH: await driver(twoCards) } });
    onTestFinished(() => { child.kill('SIGKILL'); });
    const url = await new Promise<string>((resolve, reject) => {
      let said = '';
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => {
        const found = /serves (\S+)\n/.exec((said += text))?.[1];
        if (found !== undefined) resolve(found);
      });
      child.on('close', () => reject(new Error(`it ended: ${said}`)));
    });
    const { devices: [cpu, card, unknown] } = await (await fetch(`${url}/system_stats`)).json() as { devices: Record<string, unknown>[] };
    expect(card).toMatchObject({ name: 'cuda:1', type: 'cuda', index: 1, vram_total: 15360 * mebibyte, vram_free: 14000 * mebibyte, bagelgraph: { budget_bytes: 15360 * mebibyte * 0.95, backend: null } });
    expect(unknown).toMatchObject({ name: 'cuda:7', vram_total: 0, vram_free: 0, bagelgraph: { budget_bytes: null } });
    expect(cpu!['vram_total']).toBeGreaterThan(1e9);
  });
});
