// A run that is ended from outside, at any moment: by Ctrl-C, by the loss of its worker or of itself, by readers that go away and by disks that are full.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { encodeWebp } from '../../engine/image/encode.ts';
import { pixels } from '../../engine/image/pixels.ts';
import { bagelgraph, folderWith, node, program, start, type Started } from './bagelgraph.ts';
import { files, workflows } from './places.ts';

const isLinux = process.platform === 'linux';
const longDraw = ['draw', 'a red circle', '--steps', '1000', '--seed', '1'];
const shortDraw = ['draw', 'a red circle', '--steps', '2', '--size', '32x32', '--seed', '1'];

/** Process ids of the workers of a host, also after its end. */
async function workersOf(host: number): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    const words = /^\d+$/.test(name) ? (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0') : [];
    if (words.some((word) => word.endsWith(path.join('device', 'worker.js'))) && words.some((word) => word.includes(`"hostPid":${host},`))) found.push(Number(name));
  }
  return found;
}

async function until(condition: () => Promise<boolean>, limitMs = 10_000): Promise<void> {
  for (const end = Date.now() + limitMs; !(await condition()); await wait(20)) if (Date.now() > end) throw new Error('this took too long');
}

const hasWorker = (pid: number) => async (): Promise<boolean> => (await workersOf(pid)).length > 0;
const isAlone = (pid: number) => async (): Promise<boolean> => (await workersOf(pid)).length === 0;

describe.skipIf(!isLinux)('Ctrl-C', () => {
  const moments: [string, readonly string[], (running: Started) => Promise<unknown>][] = [
    ['while the worker starts', longDraw, ({ child }) => until(hasWorker(child.pid!))],
    ['while parts load', longDraw, async ({ child }) => { await until(hasWorker(child.pid!)); await wait(150); }],
    ['while it draws', longDraw, ({ said }) => said('/999')],
    ['while it thinks', ['draw', 'draw the sun', '--think', '--steps', '1000'], ({ child }) => once(child.stdout!, 'data')],
  ];
  test.each(moments)('%s ends the run in order: 130, no file, no worker', async (_when, words, moment) => {
    const folder = await folderWith();
    const running = start(folder, words);
    await moment(running);
    running.child.kill('SIGINT');
    const { code, stderr } = await running.ended;
    expect({ code, stderr }).toMatchObject({ code: 130 });
    expect(stderr).toMatch(/stopping; Ctrl-C again ends at once/);
    expect(stderr).not.toMatch(/\n\s+at |error/);
    expect(await files(folder)).toEqual([]);
    expect(await workersOf(running.child.pid!)).toEqual([]);
  });

  test('twice, a closed terminal, a polite kill: the same', async () => {
    for (const signals of [['SIGINT', 'SIGINT'], ['SIGHUP'], ['SIGTERM']] as const) {
      const folder = await folderWith();
      const { child, ended, said } = start(folder, longDraw);
      await said('/999');
      for (const signal of signals) child.kill(signal);
      expect(await ended).toMatchObject({ code: 130 });
      expect(await files(folder)).toEqual([]);
      await until(isAlone(child.pid!));
    }
  });
});

describe.skipIf(!isLinux)('a worker that is killed', () => {
  test.each(['SIGKILL', 'SIGSEGV'] as const)('by %s in the middle of a run is told with the node; the next run works', async (signal) => {
    const folder = await folderWith();
    const { child, ended, said } = start(folder, [...longDraw, '--json']);
    await said('/999');
    for (const pid of await workersOf(child.pid!)) process.kill(pid, signal);
    const { code, stdout, stderr } = await ended;
    const why = new RegExp(`Bagel\\.Denoise.*inside node 2: device cpu:0, run of .*: worker \\d+ ended by ${signal}`);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(why) as string });
    expect(JSON.parse(stdout)).toMatchObject({ status: 'error', outputs: [], error: { message: expect.stringMatching(why) as string } });
    expect(await files(folder)).toEqual([]);
    expect(await bagelgraph(folder, ...shortDraw)).toMatchObject({ code: 0 });
  });

  test('while it starts is told too', async () => {
    const folder = await folderWith();
    const { child, ended } = start(folder, shortDraw);
    await until(hasWorker(child.pid!));
    for (const pid of await workersOf(child.pid!)) process.kill(pid, 'SIGKILL');
    const { code, stderr } = await ended;
    // lost before its first call it is replaced without a word
    if (code !== 0) expect(stderr).toMatch(/worker \d+ ended by SIGKILL/);
    expect([0, 1]).toContain(code);
  });

  test('with its host leaves nothing', async () => {
    const folder = await folderWith();
    const { child, ended, said } = start(folder, longDraw);
    await said('/999');
    child.kill('SIGKILL');
    await ended;
    await until(isAlone(child.pid!));
    expect((await readdir('/dev/shm').catch(() => [])).filter((name) => name.startsWith(`bagelgraph-${child.pid}-`))).toEqual([]);
    expect(await files(folder)).toEqual([]);
  });
});

describe('output that nobody reads', () => {
  test('a reader that goes away ends no run and crashes nothing', async () => {
    const folder = await folderWith();
    for (const words of [shortDraw, [...shortDraw, '--json'], ['ask', path.join(workflows, 'pictures', 'ring.png'), 'what color is the ring?', '--think'], ['nodes'], ['--help']]) {
      const { child, ended } = start(folder, words);
      child.stdout!.destroy();
      const { code, stderr } = await ended;
      expect({ words, code, stderr }).toMatchObject({ code: 0, stderr: expect.not.stringMatching(/EPIPE|\n\s+at /) as string });
    }
    const silent = start(folder, shortDraw);
    silent.child.stderr!.destroy();
    expect(await silent.ended).toMatchObject({ code: 0 });
    expect(await readdir(path.join(folder, 'output'))).toHaveLength(3);
  });

  test.skipIf(!isLinux)('a full disk behind stdout is told and costs the exit code; the picture is kept', async () => {
    const folder = await folderWith();
    const { status, stderr } = spawnSync('/bin/sh', ['-c', `exec "$0" "$@" > /dev/full`, process.execPath, program, ...shortDraw], { cwd: folder, encoding: 'utf8' });
    expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringMatching(/bagelgraph: the results could not be written to stdout: ENOSPC/) as string });
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(await readdir(path.join(folder, 'output'))).toEqual(['bagel_00001_.png']);
  });
});

describe('folders for results', () => {
  const save = { 1: node('EmptyImage', { width: 8, height: 8, batch_size: 10, color: 0 }), 2: node('SaveImage', { images: ['1', 0], filename_prefix: 'deep/er/x' }) };

  test('several processes at once never take the same name', async () => {
    const folder = await folderWith({ 'w.json': save });
    const ended = await Promise.all(Array.from({ length: 4 }, () => bagelgraph(folder, 'run', 'w.json', '--json')));
    const named = ended.flatMap(({ stdout }) => (JSON.parse(stdout) as { outputs: { files: string[] }[] }).outputs[0]!.files);
    expect(new Set(named).size).toBe(40);
    expect((await readdir(path.join(folder, 'output', 'deep', 'er'))).sort()).toEqual(named.map((file) => path.basename(file)).sort());
  });

  test('that cannot be: told before the picture is made where that can be known, and never with a loop', async () => {
    const folder = await folderWith({ taken: 'a file' });
    for (const [output, message] of [['taken', /taken is no folder/], ['taken/inside', /taken\/inside is no folder/], ...(isLinux ? [['/proc/none/deep', /the folder \/proc\/none\/deep cannot be made/] as const] : [])] as const) {
      const { code, stdout, stderr } = await bagelgraph(folder, ...shortDraw, '--output', output, '--json');
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(message) as string });
      expect(JSON.parse(stdout)).toMatchObject({ status: 'error', outputs: [], error: { node: '3' } });
      if (output.startsWith('taken')) expect(stderr).not.toContain('denoise');
    }
    expect(await files(folder)).toEqual(['taken']);
  });

  // A limit on file sizes breaks off writing as a full disk does, and needs no privileges.
  test.skipIf(!isLinux)('that are full: one line, and no partial file', async () => {
    const folder = await folderWith({ 'w.json': { 1: node('LoadImage', { image: 'noise.webp' }), 2: node('SaveImage', { images: ['1', 0], filename_prefix: 'x' }) } });
    await writeFile(path.join(folder, 'noise.webp'), await encodeWebp(pixels(512, 512, 3, randomBytes(512 * 512 * 3)), { quality: 50 }));
    const limited = (limit: string) => spawnSync('/bin/bash', ['-c', `trap '' XFSZ; ulimit -f ${limit}; exec "$0" "$@"`, process.execPath, program, 'run', 'w.json', '--input-directory', '.', '--json'], { cwd: folder, encoding: 'utf8' });
    const full = limited('100');
    expect({ status: full.status, stderr: full.stderr }).toMatchObject({ status: 1, stderr: expect.stringMatching(/^bagelgraph: SaveImage.*the disk is full: \d+\.\d [kM]B could not be written to .*output; free some space[^\n]*\n$/) as string });
    expect(JSON.parse(full.stdout)).toMatchObject({ status: 'error', outputs: [] });
    expect(await readdir(path.join(folder, 'output'))).toEqual([]);
    expect(limited('unlimited').status).toBe(0);
  });

  // A read-only disk stops root too. Mounting needs rights or user namespaces, which not every machine grants.
  const inNamespace = ['unshare', '--mount', ...(process.getuid?.() === 0 ? [] : ['--map-root-user']), '/bin/sh', '-c'] as const;
  const canMount = isLinux && spawnSync(inNamespace[0], [...inNamespace.slice(1), 'mount -t tmpfs -o ro tmpfs /mnt'], { stdio: 'ignore' }).status === 0;
  test.skipIf(!canMount)('that are read-only: told before anything is computed', async () => {
    const folder = await folderWith();
    await mkdir(path.join(folder, 'disk'));
    for (const output of ['disk', 'disk/sub/folder']) {
      const { status, stderr } = spawnSync(inNamespace[0], [...inNamespace.slice(1), `mount -t tmpfs -o ro tmpfs disk && exec "$0" "$@"`, process.execPath, program, ...shortDraw, '--output', output], { cwd: folder, encoding: 'utf8' });
      expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringMatching(/^bagelgraph: SaveImage "Save Image" \(node 3\): the folder \S+disk cannot be written to; [^\n]*--output\n$/) as string });
    }
  });
});

// `script` lends a terminal.
const hasTerminal = isLinux && spawnSync('script', ['-qec', 'true', '/dev/null'], { stdio: 'ignore' }).status === 0;
describe.skipIf(!hasTerminal)('a terminal', () => {
  async function shown(env: Readonly<Record<string, string>>, columns: number): Promise<string> {
    const folder = await folderWith();
    const command = [process.execPath, program, 'draw', "'a red circle'", '--steps', '30', '--seed', '1'].join(' ');
    const child = spawn('script', ['-qec', `stty cols ${columns} 2>/dev/null; ${command}`, '/dev/null'], { cwd: folder, env: { ...process.env, TERM: 'xterm', ...env }, stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => { text += part; });
    expect(await once(child, 'close')).toEqual([0, null]);
    return text;
  }

  test('shows one line that is redrawn within its width and wiped at the end; a dumb one gets plain lines', async () => {
    const wide = await shown({}, 80);
    expect(wide).toMatch(/\r\u001b\[2KBAGEL Denoise {2}[█░]{24} {2}\d+\/29 {2}\d+ ms a step {2}[\d.]+ m?s left/);
    const afterLastBar = wide.slice(wide.lastIndexOf('/29'));
    expect(afterLastBar).toMatch(/\r\u001b\[2K[^█░]*output\/bagel_00001_\.png\r\n[^\u001b]*seed 1[^\u001b]*$/);
    const narrow = await shown({}, 50);
    const frames = narrow.split('\r\u001b[2K').map((frame) => frame.split('\r')[0]!).filter((frame) => frame.includes('/29'));
    expect(frames.length).toBeGreaterThan(0);
    for (const frame of frames) expect(frame.length).toBeLessThan(50);
    const dumb = await shown({ TERM: 'dumb' }, 80);
    expect(dumb).toContain('29/29');
    expect(dumb).not.toContain('\u001b');
  });
});
