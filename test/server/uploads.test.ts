// What is inside a file decides, not its name: uploads that are no pictures or would unpack to too much, and files that a browser might run.
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { encodeJpeg, encodePng } from '../../engine/image/encode.ts';
import { serve, type TestServer } from './harness.ts';

const dot = { width: 1, height: 1, channels: 3 as const, data: Uint8Array.from([1, 2, 3]) };

async function upload({ url }: TestServer, name: string, bytes: Uint8Array | string, fields: Readonly<Record<string, string>> = {}) {
  const form = new FormData();
  form.set('image', new File([Buffer.from(bytes as string)], name));
  for (const [field, value] of Object.entries(fields)) form.set(field, value);
  const response = await fetch(`${url}/upload/image`, { method: 'POST', body: form });
  return { status: response.status, text: await response.text() };
}

/** A PNG of a few bytes that says it has so many pixels. */
function bomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.alloc(1000))), chunk('IEND', Buffer.alloc(0))]);
}

test('only pictures are taken, whatever they are called', async () => {
  const server = await serve();
  for (const [name, bytes] of [
    ['page.png', '<!doctype html><script>alert(1)</script>'], ['a.svg', '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'], ['b.png', '<?xml version="1.0"?><svg/>'], ['c.webp', '%PDF-1.4'], ['d.png', ''], ['e.jpg', 'GIF'], ['f.png', '#!/bin/sh'],
    ['g.gif', '\x89PNG\r\n\x1a\n'], ['h.png', Buffer.from([0x4d, 0x5a, 0, 0])],
  ] as const) {
    const { status, text } = await upload(server, name, bytes);
    expect([name, status, text]).toEqual([name, 400, expect.stringContaining(JSON.stringify(name))]);
  }
  const png = await encodePng(dot);
  for (const name of ['x.html', 'x.svg', 'x.js', 'x', 'x.png.exe', '.png']) expect([name, (await upload(server, name, png)).text]).toEqual([name, expect.stringContaining('its name does not say so')]);
  expect((await upload(server, 'really-a-jpeg.png', await encodeJpeg(dot))).status).toBe(200); // browsers and nodes look inside
  expect((await readdir(path.join(server.folder, 'input'))).sort()).toEqual(['really-a-jpeg.png']);
});

test('pictures that would unpack to too much are refused by their head', async () => {
  const server = await serve();
  expect((await upload(server, 'wide.png', bomb(200_000, 1))).text).toContain('a side may have at most 16384');
  expect((await upload(server, 'huge.png', bomb(16_000, 16_000))).text).toContain('= 256000000 pixels, and at most 134217728 are read');
  await mkdir(path.join(server.folder, 'output'), { recursive: true });
  await writeFile(path.join(server.folder, 'output/huge.png'), bomb(16_000, 16_000));
  for (const query of ['preview=webp;90', 'channel=a', 'channel=rgb']) expect((await server.get(`/view?filename=huge.png&${query}`)).status).toBe(400);
});

test('uploads at once take different names, none is torn, and nothing is left behind', async () => {
  const server = await serve();
  const pictures = await Promise.all(Array.from({ length: 12 }, (_, i) => encodePng({ ...dot, data: Uint8Array.from([i, i, i]) })));
  const answers = await Promise.all([...pictures, ...pictures].map((bytes) => upload(server, 'same.png', bytes)));
  expect(new Set(answers.map(({ text }) => (JSON.parse(text) as { name: string }).name)).size).toBe(12);
  expect((await readdir(path.join(server.folder, 'input'))).length).toBe(12);
  await mkdir(path.join(server.folder, 'input/folder.png'));
  expect([(await upload(server, 'folder.png', pictures[0]!, { overwrite: '1' })).status, (await upload(server, 'x.png', pictures[0]!, { subfolder: 'same.png' })).status]).toEqual([400, 400]);
  expect((await readdir(path.join(server.folder, 'input'))).filter((name) => name.includes('partial'))).toEqual([]);
});

test('what a browser might run is a download in a sandbox, never shown', async () => {
  const server = await serve();
  const script = '<script>alert(1)</script>';
  await mkdir(path.join(server.folder, 'output'), { recursive: true });
  await mkdir(path.join(server.folder, 'user/default'), { recursive: true });
  for (const extension of ['html', 'HTM', 'xhtml', 'svg', 'svgz', 'xml', 'xsl', 'mhtml', 'shtml', 'js', 'mjs', 'css', 'pdf', 'swf', 'wasm', '', 'png.html']) {
    const name = extension === '' ? 'page' : `page.${extension}`;
    await writeFile(path.join(server.folder, 'output', name), script);
    await writeFile(path.join(server.folder, 'user/default', name), script);
    const headersOf = async (route: string) => {
      const { headers } = await server.get(route);
      return [headers.get('content-type'), headers.get('content-disposition')?.startsWith('attachment'), headers.get('x-content-type-options'), headers.get('content-security-policy')?.endsWith('sandbox')];
    };
    const download = ['application/octet-stream', true, 'nosniff', true];
    expect([name, await headersOf(`/view?filename=${name}`)]).toEqual([name, download]);
    if (extension !== 'css') expect([name, await headersOf(`/userdata/${name}`)]).toEqual([name, download]);
  }
  await writeFile(path.join(server.folder, 'output/page.png'), script);
  const shown = await server.get('/view?filename=page.png');
  expect([shown.headers.get('content-type'), shown.headers.get('x-content-type-options')]).toEqual(['image/png', 'nosniff']);
});

test('multipart bodies that are broken or endless in parts are refused', async () => {
  const server = await serve();
  const post = (body: string | Buffer, type = 'multipart/form-data; boundary=b') => fetch(`${server.url}/upload/image`, { method: 'POST', body, headers: { 'Content-Type': type } });
  expect((await post('')).status).toBe(400);
  expect((await post('--b\r\n')).status).toBe(400);
  expect((await post('--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\nx')).status).toBe(400);
  const part = (head: string) => `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\nx\r\n`;
  expect(await (await post(`--b\r\n${'x: y\r\n'.repeat(10_000)}\r\nx\r\n--b--`)).text()).toBe('the body must be multipart/form-data');
  expect(await (await post(`${part('name="a"').repeat(5000)}--b--`)).text()).toBe('the body must be multipart/form-data');
  expect(await (await post(`${part('name="a"').repeat(900)}--b--`)).text()).toBe('a file called image is needed');
});
