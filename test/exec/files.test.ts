// Files: confinement after symlinks, annotated names, numbering, and what is left when writing fails.
import { access, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { explained, openFiles } from '../../engine/exec/files.ts';
import { fillPrefix } from '../../engine/exec/prefix.ts';
import { folder } from './harness.ts';

async function setUp() {
  const root = folder();
  const folders = { input: join(root, 'input'), output: join(root, 'output'), temp: join(root, 'temp') };
  for (const path of Object.values(folders)) await mkdir(path);
  await mkdir(join(folders.input, 'sub'));
  await writeFile(join(folders.input, 'cat.png'), 'cat');
  await writeFile(join(folders.input, 'sub', 'dog.PNG'), 'dog');
  await writeFile(join(folders.input, 'notes.txt'), 'notes');
  await writeFile(join(folders.output, 'made.png'), 'made');
  await writeFile(join(root, 'secret.png'), 'secret');
  return { root, folders, files: openFiles({ ...folders, models: [join(root, 'models')] }) };
}

describe('resolve', () => {
  it('finds files of a folder, its subfolders, and of another folder by annotation', async () => {
    const { files, folders } = await setUp();
    expect(await files.resolve('cat.png')).toBe(join(folders.input, 'cat.png'));
    expect(await files.resolve('sub/dog.PNG')).toBe(join(folders.input, 'sub', 'dog.PNG'));
    expect(await files.resolve('made.png [output]')).toBe(join(folders.output, 'made.png'));
    expect(await files.resolve('made.png', 'output')).toBe(join(folders.output, 'made.png'));
  });

  it('refuses what lies outside, by dots, by absolute path and by symlink', async () => {
    const { files, folders, root } = await setUp();
    await symlink(join(root, 'secret.png'), join(folders.input, 'link.png'));
    await symlink(root, join(folders.input, 'up'));
    for (const name of ['../secret.png', join(root, 'secret.png'), 'link.png', 'up/secret.png']) {
      await expect(files.resolve(name), name).rejects.toThrow(`is no file in the input folder ${folders.input}: names may not lead out of it`);
    }
    const given = openFiles({ ...folders, given: [join(root, 'secret.png')] });
    expect(await given.resolve(join(root, 'secret.png'))).toBe(join(root, 'secret.png'));
  });

  it('names the folder when a file is not there', async () => {
    const { files, folders } = await setUp();
    await expect(files.resolve('dog.png')).rejects.toThrow(`there is no file "dog.png" in ${folders.input}`);
    await expect(files.resolve('sub')).rejects.toThrow(`there is no file "sub" in ${folders.input}: that is a folder`);
    await expect(files.resolve('')).rejects.toThrow('there is no file ""');
    await expect(files.resolve('cat.png/x')).rejects.toThrow('there is no file "cat.png/x"');
  });
});

describe('list', () => {
  it('gives sorted names with the extensions asked for', async () => {
    const { files, folders } = await setUp();
    await writeFile(join(folders.input, 'ant.PNG'), '');
    expect(await files.list('input')).toEqual(['ant.PNG', 'cat.png', 'notes.txt']);
    expect(await files.list('input', ['.png'])).toEqual(['ant.PNG', 'cat.png']);
    await rm(folders.temp, { recursive: true });
    expect(await files.list('temp')).toEqual([]);
  });
});

describe('save', () => {
  const bytes = new TextEncoder().encode('picture');

  it('numbers after the highest of that very prefix', async () => {
    const { files, folders } = await setUp();
    for (const name of ['a_00003_.png', 'a_00009_.txt', 'a_x_.png', 'ab_00050_.png', 'a_b_00070_.png', 'a_12.png']) await writeFile(join(folders.output, name), '');
    const saved = await files.save('output', 'a', 'png', bytes);
    expect(saved).toEqual({ filename: 'a_00010_.png', subfolder: '', type: 'output', path: join(folders.output, 'a_00010_.png') });
    expect(await readFile(saved.path, 'utf8')).toBe('picture');
    expect((await files.save('output', 'a', 'webp', bytes)).filename).toBe('a_00011_.webp');
  });

  it('makes subfolders and fills words', async () => {
    const { files } = await setUp();
    const year = String(new Date().getFullYear());
    const saved = await files.save('temp', 'deep/%year%/p_%width%x%height%_%unknown%', 'png', bytes, { width: '5', height: '6' });
    expect(saved).toMatchObject({ filename: 'p_5x6_%unknown%_00001_.png', subfolder: `deep/${year}`, type: 'temp' });
  });

  it('never writes the same number twice, however many save at once', async () => {
    const { files, folders } = await setUp();
    const saved = await Promise.all(Array.from({ length: 20 }, () => files.save('output', 'many', 'png', bytes)));
    expect(new Set(saved.map(({ filename }) => filename)).size).toBe(20);
    expect((await readdir(folders.output)).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('refuses prefixes that lead out, by dots and by symlink', async () => {
    const { files, folders, root } = await setUp();
    await symlink(root, join(folders.output, 'up'));
    await expect(files.save('output', '../x', 'png', bytes)).rejects.toThrow(`the file name prefix "../x" leads out of the output folder ${folders.output}; use a name or a subfolder of it`);
    await expect(files.save('output', '/tmp/x', 'png', bytes)).rejects.toThrow('leads out of');
    await expect(files.save('output', 'up/x', 'png', bytes)).rejects.toThrow('is a link out of the output folder');
    expect((await readdir(root)).sort()).toEqual(['input', 'output', 'secret.png', 'temp']);
  });

  it('says when a file stands in the place of the folder', async () => {
    const { files, folders } = await setUp();
    await rm(folders.output, { recursive: true });
    await writeFile(folders.output, '');
    await expect(files.save('output', 'a', 'png', bytes)).rejects.toThrow(`${folders.output} is no folder`);
  });

  // /sys refuses new files to everyone, root too.
  it.skipIf(process.platform !== 'linux')('says when the folder cannot be written to', async () => {
    const files = openFiles({ input: '/sys', output: '/sys', temp: '/sys' });
    await expect(files.save('output', 'a', 'png', bytes)).rejects.toThrow('the folder /sys cannot be written to; change its permissions or choose another with --output');
  });

  // Node's own recursive mkdir repeats for ever there.
  it.skipIf(process.platform !== 'linux')('gives up where a folder can never be made', async () => {
    const files = openFiles({ input: '/proc', output: '/proc/no/such/folder', temp: '/proc/none' });
    await expect(files.save('output', 'a', 'png', bytes)).rejects.toThrow('the folder /proc/no/such/folder cannot be made');
    await expect(files.save('temp', 'a', 'png', bytes)).rejects.toThrow('the folder /proc/none cannot be made');
  });

  it('makes a deep folder once, however many save at once, and reads names that no file can have', async () => {
    const { files, folders } = await setUp();
    const saved = await Promise.all(Array.from({ length: 8 }, () => files.save('output', 'a/b/c/d/e', 'png', bytes)));
    expect((await readdir(join(folders.output, 'a', 'b', 'c', 'd'))).sort()).toEqual(saved.map(({ filename }) => filename).sort());
    await expect(files.save('output', 'a\0b', 'png', bytes)).rejects.toThrow('zero character');
    await expect(files.save('output', 'y'.repeat(400), 'png', bytes)).rejects.toThrow(`the name of a file or folder in ${folders.output} would be too long`);
  });

  it('knows beforehand where nothing can be saved, and makes nothing for that', async () => {
    const { files, folders, root } = await setUp();
    await files.checkWritable('output');
    await rm(folders.output, { recursive: true });
    await files.checkWritable('output');
    expect(await readdir(root)).not.toContain('output');
    await writeFile(folders.output, '');
    await expect(files.checkWritable('output')).rejects.toThrow(`${folders.output} is no folder`);
    if (process.getuid?.() === 0) return; // root may write anywhere
    await rm(folders.output);
    await mkdir(folders.output, { mode: 0o555 });
    await expect(files.checkWritable('output')).rejects.toThrow(`the folder ${folders.output} cannot be written to`);
  });

  it('explains a full disk', () => {
    const error = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    expect(explained(error, '/out', 2_500_000).message).toBe('the disk is full: 2.5 MB could not be written to /out; free some space or choose another folder with --output');
    expect(explained(error, '/out', 2500).message).toContain('the disk is full: 2.5 kB');
  });

  // A limit on file sizes breaks off writing as a full disk does, and needs no privileges.
  it.skipIf(process.platform !== 'linux')('leaves no partial file when writing fails', async () => {
    const { folders } = await setUp();
    const { execFile } = await import('node:child_process');
    const script = `import { openFiles } from ${JSON.stringify(new URL('../../dist/engine/exec/files.js', import.meta.url).href)};
      process.on('SIGXFSZ', () => {});
      await openFiles(${JSON.stringify(folders)}).save('output', 'big', 'png', new Uint8Array(5_000_000)).then(() => console.log('saved'), (error) => console.log(error.message));`;
    const said = await new Promise<string>((resolve, reject) => {
      execFile('/bin/bash', ['-c', 'ulimit -f 100; exec "$0" --input-type=module -e "$1"', process.execPath, script], (error, stdout) => (error === null ? resolve(stdout.trim()) : reject(error)));
    });
    expect(said).toBe(`the disk is full: 5.0 MB could not be written to ${folders.output}; free some space or choose another folder with --output`);
    expect(await readdir(folders.output)).toEqual(['made.png']);
    await access(folders.output);
  });
});

describe('prefix words', () => {
  const now = new Date(2026, 2, 4, 5, 6, 7);
  it.each([
    ['%year%-%month%-%day% %hour%.%minute%.%second%', '2026-03-04 05.06.07'],
    ['%date:yyyy-MM-dd hh:mm:ss%', '2026-03-04 05:06:07'],
    ['%date:d.M.yy h-m-s%', '4.3.26 5-6-7'],
    ['%batch_num% %nope% 100%', '3 %nope% 100%'],
    ['%constructor%', '%constructor%'],
  ])('%s', (prefix, filled) => {
    expect(fillPrefix(prefix, { batch_num: '3' }, now)).toBe(filled);
  });
});
