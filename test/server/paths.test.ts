// Names that try to lead out of their folder: by dots, links, annotations, Unicode, Windows' ways; and what names new files may have.
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { encodePng } from '../../engine/image/encode.ts';
import { confinedPath, nameProblem } from '../../engine/server/confined.ts';
import { nodes, serve, type TestServer } from './harness.ts';

const png = () => encodePng({ width: 1, height: 1, channels: 3, data: new Uint8Array(3) });

async function folder(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'bagelgraph-paths-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  await mkdir(path.join(made, 'root/sub'), { recursive: true });
  await mkdir(path.join(made, 'root-2'));
  await writeFile(path.join(made, 'secret.png'), 'secret');
  await writeFile(path.join(made, 'root-2/secret.png'), 'secret');
  return made;
}

describe('confinedPath', () => {
  test.each([
    '..', '../secret.png', 'sub/../../secret.png', '../root-2/secret.png', '/etc/passwd', '//server/share', '\\\\server\\share', '\\\\?\\C:\\x', '..\\secret.png', 'sub\\..\\..\\secret.png', 'C:\\secret.png', 'c:/secret.png', 'C:secret.png',
    'a\0b', 'sub/\0/../..', `${'x'.repeat(256)}`, `sub/${'ü'.repeat(128)}`, 'x/'.repeat(3000),
  ])('refuses %.40s', async (name) => expect(await confinedPath(path.join(await folder(), 'root'), name)).toBeUndefined());

  test.each([
    ['sub/x.png', 'sub/x.png'], ['sub\\x.png', 'sub/x.png'], ['sub/../x.png', 'x.png'], ['./x.png', 'x.png'], ['...', '...'], ['..x', '..x'], ['%2e%2e/x', '%2e%2e/x'],
    ['．．／secret.png', '．．／secret.png'], ['\u2025/x', '\u2025/x'], ['\u00fc.png', '\u00fc.png'], ['u\u0308.png', 'u\u0308.png'], ['\u202egnp.exe', '\u202egnp.exe'], ['\ufffd\ufffd/x', '\ufffd\ufffd/x'],
  ])('keeps %j inside', async (name, found) => {
    const root = path.join(await folder(), 'root');
    expect(await confinedPath(root, name)).toBe(path.join(root, found));
  });

  test('follows links before it decides: of files, of folders, to nothing, in circles, and the root may be one', async () => {
    const base = await folder();
    const root = path.join(base, 'root');
    await symlink(path.join(base, 'secret.png'), path.join(root, 'file.png'));
    await symlink(base, path.join(root, 'up'));
    await symlink(path.join(base, 'not-yet'), path.join(root, 'dangling'));
    await symlink('circle', path.join(root, 'circle'));
    await symlink('sub', path.join(root, 'inside'));
    await symlink(root, path.join(base, 'other-name'));
    for (const name of ['file.png', 'up/secret.png', 'up/new.png', 'up/root/../secret.png', 'circle', 'circle/x']) expect([name, await confinedPath(root, name)]).toEqual([name, undefined]);
    expect(await confinedPath(root, 'inside/x.png')).toBe(path.join(root, 'inside/x.png'));
    expect(await confinedPath(path.join(base, 'other-name'), 'sub/x.png')).toBe(path.join(base, 'other-name/sub/x.png'));
    expect(await confinedPath(root, 'dangling')).toBeUndefined();
  });
});

test('names of new files are names on every system', () => {
  for (const name of ['CON', 'con.png', 'sub/NUL.txt', 'aux', 'COM1.png', 'LPT¹', 'conin$', 'PRN ', 'a.', 'a ', 'sub./x.png', 'a:b', 'a.png:stream', 'a.png::$DATA', 'what?.png', 'a*b', 'a|b', '<a>', '"', 'a\nb', 'a\x7fb', 'x'.repeat(256)]) expect([name, nameProblem(name) === undefined]).toEqual([name, false]);
  for (const name of ['a.png', 'sub/a b (1).png', '.hidden', 'console.png', 'com10.png', 'ünïcödé 😀.png', 'a\\b.png', '../x']) expect([name, nameProblem(name)]).toEqual([name, undefined]);
});

describe('over HTTP', () => {
  const upload = async ({ url }: TestServer, filename: string, fields: Readonly<Record<string, string>> = {}) => {
    // written by hand: FormData would change the names
    const part = (head: string, body: Uint8Array | string) => [Buffer.from(`--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n`), Buffer.from(body as string), Buffer.from('\r\n')];
    const body = Buffer.concat([...part(`name="image"; filename="${filename.replace(/([\\"])/g, '\\$1')}"`, await png()), ...Object.entries(fields).flatMap(([name, value]) => part(`name="${name}"`, value)), Buffer.from('--b--\r\n')]);
    const response = await fetch(`${url}/upload/image`, { method: 'POST', body, headers: { 'Content-Type': 'multipart/form-data; boundary=b' } });
    return { status: response.status, text: await response.text() };
  };

  test('uploads land inside or not at all', async () => {
    const server = await serve();
    for (const name of ['../up.png', '..\\up.png', 'C:\\up.png', '/up.png', 'sub/../../up.png', 'CON.png', 'nul.png', 'a.png.', 'a.png ', 'a.png::$DATA', 'a:b.png', 'a\0.png', '..', '.', `${'x'.repeat(300)}.png`]) {
      const { status, text } = await upload(server, name);
      expect([name, status, text.length > 10]).toEqual([name, 400, true]);
    }
    for (const subfolder of ['..', '../..', '/tmp', 'C:\\', 'CON', 'sub.', '\\\\server\\share']) expect([subfolder, (await upload(server, 'x.png', { subfolder })).status]).toEqual([subfolder, 400]);
    expect((await readdir(server.folder)).filter((name) => name.endsWith('.png'))).toEqual([]);
    expect(await readdir(path.join(server.folder, 'input')).catch(() => [])).toEqual([]);
    expect(JSON.parse((await upload(server, 'sub\\u\u0308.png')).text)).toEqual({ name: 'sub/\u00fc.png', subfolder: '', type: 'input' });
    expect((await server.get(`/view?type=input&subfolder=sub&filename=${encodeURIComponent('\u00fc.png')}`)).status).toBe(200);
  });

  test('views, user files and the nodes themselves do not follow what leads out', async () => {
    const server = await serve();
    await mkdir(path.join(server.folder, 'input'), { recursive: true });
    await mkdir(path.join(server.folder, 'user/default'), { recursive: true });
    await writeFile(path.join(server.folder, 'secret.png'), await png());
    await symlink(path.join(server.folder, 'secret.png'), path.join(server.folder, 'input/link.png'));
    await symlink(server.folder, path.join(server.folder, 'user/default/up'));
    const named = (name: string) => encodeURIComponent(name);
    for (const name of ['link.png', '../secret.png', '../secret.png [input]', 'link.png [input]', '..\\secret.png', '%2e%2e/secret.png', '\u2025/secret.png', '../secret.png [output] [input]']) {
      const { status } = await server.get(`/view?type=input&filename=${named(name)}`);
      expect([name, [400, 403, 404].includes(status)]).toEqual([name, true]);
    }
    for (const name of ['../../secret.png', 'up/secret.png', '/etc/passwd', '..\\..\\secret.png', 'C:\\x', 'a\0']) {
      const file = `${server.url}/userdata/${named(name)}`;
      for (const [method, url] of [['GET', file], ['POST', file], ['DELETE', file], ['POST', `${file}/move/x.json`], ['POST', `${server.url}/userdata/x.json/move/${named(name)}`]] as const) {
        const { status } = await fetch(url, { method, ...(method === 'POST' ? { body: 'x' } : {}) });
        expect([method, name, [400, 403, 404].includes(status)]).toEqual([method, name, true]);
      }
    }
    for (const name of ['CON', 'a.json.', 'ab:c.json', 'nul.json']) expect([name, (await fetch(`${server.url}/userdata/${named(name)}`, { method: 'POST', body: 'x' })).status]).toEqual([name, 400]);
    expect((await readFile(path.join(server.folder, 'secret.png'))).length).toBeGreaterThan(10);
    // what exists outside looks like what does not
    const refusal = async (image: string) => JSON.stringify((await server.prompt(nodes({ 1: ['LoadImage', { image }], 2: ['PreviewImage', { images: ['1', 0] }] }))).body);
    const there = await refusal('../secret.png');
    expect(there.replaceAll('secret', 'absent')).toBe((await refusal('../absent.png')).replaceAll('secret', 'absent'));
    for (const image of ['link.png', '../secret.png', '../secret.png [input]', '../../etc/passwd [output]', '/etc/passwd', 'C:\\x.png', '..\\secret.png']) expect([image, (await server.prompt(nodes({ 1: ['LoadImage', { image }], 2: ['PreviewImage', { images: ['1', 0] }] }))).status]).toEqual([image, 400]);
  });
});
