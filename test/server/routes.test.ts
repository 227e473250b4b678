import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import path from 'node:path';
import { expect, test } from 'vitest';
import { encodePng } from '../../engine/image/encode.ts';
import { decode } from '../../engine/image/decode.ts';
import { readMetadata } from '../../engine/image/metadata.ts';
import { serve, type Answer, type TestServer } from './harness.ts';

/** 2×1: half-transparent red, opaque green. */
const rgba = { width: 2, height: 1, channels: 4 as const, data: Uint8Array.from([255, 0, 0, 128, 0, 255, 0, 255]) };

function form(fields: Readonly<Record<string, string>>, file?: { readonly name: string; readonly bytes: Uint8Array }): FormData {
  const data = new FormData();
  if (file !== undefined) data.set('image', new File([Buffer.from(file.bytes)], file.name));
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  return data;
}

async function upload(server: TestServer, route: string, body: FormData): Promise<{ status: number; body: Answer }> {
  const response = await fetch(`${server.url}${route}`, { method: 'POST', body });
  const text = await response.text();
  return { status: response.status, body: response.status === 200 ? JSON.parse(text) : text };
}

/** Headers that fetch would not send. */
function raw(server: TestServer, headers: Readonly<Record<string, string>>, route = '/prompt', method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ port: server.port, path: route, method, headers }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    }).on('error', reject).end();
  });
}

test('pages of other origins, unknown names and null origins are refused; our own, and clients that are no pages, are not', async () => {
  const server = await serve();
  const host = `127.0.0.1:${server.port}`;
  expect(await raw(server, { Host: host })).toBe(200);
  expect(await raw(server, { Host: host, Origin: `http://${host}` })).toBe(200);
  expect(await raw(server, { Host: `localhost:${server.port}`, Origin: 'http://localhost' })).toBe(200);
  expect(await raw(server, { Host: host, Origin: 'http://127.0.0.1:9' })).toBe(403);
  expect(await raw(server, { Host: host, Origin: 'https://evil.example' })).toBe(403);
  expect(await raw(server, { Host: host, Origin: 'null' })).toBe(403);
  expect(await raw(server, { Host: `evil.example:${server.port}`, Origin: `http://evil.example:${server.port}` })).toBe(403);
  expect(await raw(server, { Host: host, 'Sec-Fetch-Site': 'cross-site' }, '/prompt', 'POST')).toBe(403);
  expect(await raw(server, { Host: host, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' }, '/')).toBe(200);
  expect(await raw(server, { Host: host, Origin: `http://${host}`, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'x' }, '/nowhere')).toBe(404);
  expect(await raw(server, { Host: host, Origin: 'https://evil.example', Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'x' }, '/ws')).toBe(403);
});

test('CORS replaces the origin check; a token is asked for; names are allowed', async () => {
  const open = await serve({ cors: '*' });
  const response = await fetch(`${open.url}/prompt`, { headers: { Origin: 'https://app.example' } });
  expect([response.status, response.headers.get('access-control-allow-origin'), response.headers.get('access-control-allow-methods')]).toEqual([200, '*', 'POST, GET, DELETE, PUT, OPTIONS']);
  expect((await fetch(`${open.url}/prompt`, { method: 'OPTIONS' })).status).toBe(200);
  const closed = await serve({ token: 'secret', allowedHosts: ['box.local'] });
  expect(await raw(closed, {})).toBe(401);
  expect(await raw(closed, { Authorization: 'Bearer secret' })).toBe(200);
  expect(await raw(closed, {}, '/prompt?token=secret')).toBe(401);
  expect(await raw(closed, { Host: 'box.local:1', Authorization: 'Bearer secret' })).toBe(200);
});

test('unknown routes, wrong methods, both spellings, bodies that are too large', async () => {
  const server = await serve({ maxUploadBytes: 1000 });
  expect((await server.get('/nothing')).status).toBe(404);
  expect((await fetch(`${server.url}/api/history`, { method: 'DELETE' })).status).toBe(405);
  expect(await server.json('/features')).toEqual({ supports_preview_metadata: true, max_upload_size: 1000 });
  expect(await server.json('/api/features')).toEqual(await server.json('/features'));
  expect((await fetch(`${server.url}/prompt`, { method: 'HEAD' })).status).toBe(200);
  const response = await server.post('/prompt', `{"prompt":{"1":"${'x'.repeat(2000)}"}}`);
  expect(response.status).toBe(413);
});

test('uploads: equal bytes reuse a name, others are numbered, nothing leaves its folder', async () => {
  const server = await serve();
  const file = { name: 'a b.png', bytes: await encodePng(rgba) };
  const other = { name: 'a b.png', bytes: await encodePng({ ...rgba, data: new Uint8Array(8) }) };
  expect(await upload(server, '/upload/image', form({}, file))).toEqual({ status: 200, body: { name: 'a b.png', subfolder: '', type: 'input' } });
  expect((await upload(server, '/api/upload/image', form({}, file))).body.name).toBe('a b.png');
  expect((await upload(server, '/upload/image', form({}, other))).body.name).toBe('a b (1).png');
  expect((await upload(server, '/upload/image', form({ overwrite: 'true' }, other))).body.name).toBe('a b.png');
  expect(Buffer.from(other.bytes).equals(await readFile(path.join(server.folder, 'input/a b.png')))).toBe(true);
  expect((await upload(server, '/upload/image', form({ subfolder: 'pasted/x', type: 'temp' }, file))).body).toEqual({ name: 'a b.png', subfolder: 'pasted/x', type: 'temp' });
  expect((await upload(server, '/upload/image', form({ subfolder: '../..' }, file))).status).toBe(400);
  expect((await upload(server, '/upload/image', form({}, { ...file, name: '../up.png' }))).status).toBe(400);
  expect((await upload(server, '/upload/image', form({ type: 'models' }, file))).status).toBe(400);
  expect((await upload(server, '/upload/image', form({}))).status).toBe(400);
  const info = await server.json('/object_info/LoadImage') as Answer;
  expect(info.LoadImage.input.required.image[0]).toEqual(['a b (1).png', 'a b.png']);
});

test('a mask becomes the alpha of its picture, whose workflow stays', async () => {
  const server = await serve();
  const original = await encodePng({ width: 2, height: 1, channels: 3, data: Uint8Array.from([1, 2, 3, 4, 5, 6]) }, { metadata: new Map([['prompt', '{"a":1}']]) });
  await upload(server, '/upload/image', form({ type: 'output' }, { name: 'o.png', bytes: original }));
  const { status, body } = await upload(server, '/upload/mask', form({ original_ref: JSON.stringify({ filename: 'o.png' }), type: 'input' }, { name: 'm.png', bytes: await encodePng(rgba) }));
  expect([status, body]).toEqual([200, { name: 'm.png', subfolder: '', type: 'input' }]);
  const saved = await readFile(path.join(server.folder, 'input/m.png'));
  expect([...(await decode(saved)).data]).toEqual([1, 2, 3, 128, 4, 5, 6, 255]);
  expect(readMetadata(saved).get('prompt')).toBe('{"a":1}');
  expect((await upload(server, '/upload/mask', form({ original_ref: '{"filename":"../../o.png"}' }, { name: 'm.png', bytes: original }))).status).toBe(400);
});

test('view: raw, previews, channels, and what it refuses', async () => {
  const server = await serve();
  const png = await encodePng(rgba);
  await upload(server, '/upload/image', form({ type: 'output', subfolder: 'sub' }, { name: 'ü.png', bytes: png }));
  const at = `filename=${encodeURIComponent('ü.png')}&subfolder=sub`;
  const response = await server.get(`/view?${at}`);
  expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(png))).toBe(true);
  expect(response.headers.get('content-type')).toBe('image/png');
  expect(response.headers.get('content-disposition')).toBe('filename="_.png"; filename*=UTF-8\'\'%C3%BC.png');
  expect(response.headers.get('cache-control')).toBeNull();
  const part = await fetch(`${server.url}/view?${at}`, { headers: { Range: 'bytes=1-3' } });
  expect([part.status, await part.text()]).toEqual([206, 'PNG']);
  const pixels = async (query: string) => {
    const answer = await server.get(`/view?${at}&${query}`);
    const { channels, data } = await decode(Buffer.from(await answer.arrayBuffer()));
    return { type: answer.headers.get('content-type'), channels, data: [...data] };
  };
  expect(await pixels('channel=rgb')).toEqual({ type: 'image/png', channels: 3, data: [255, 0, 0, 0, 255, 0] });
  expect(await pixels('channel=a')).toEqual({ type: 'image/png', channels: 4, data: [0, 0, 0, 128, 0, 0, 0, 255] });
  expect(await pixels('preview=jpeg;80')).toMatchObject({ type: 'image/jpeg', channels: 3 });
  expect(await pixels('preview=webp;90')).toMatchObject({ type: 'image/webp', channels: 4 });
  expect(await pixels('preview=jpeg;80&channel=a')).toMatchObject({ type: 'image/webp' });
  const status = async (query: string) => (await server.get(`/view?${query}`)).status;
  expect(await status('')).toBe(404);
  expect(await status('filename=')).toBe(400);
  expect(await status('filename=/etc/passwd')).toBe(400);
  expect(await status('filename=..%2F..%2Fx.png')).toBe(400);
  expect(await status('filename=a.png&type=models')).toBe(400);
  expect(await status('filename=a.png&subfolder=..%2F..')).toBe(403);
  expect(await status('filename=gone.png')).toBe(404);
  expect(await status(`filename=${encodeURIComponent('ü.png [output]')}&subfolder=sub&type=input`)).toBe(200);
  await writeFile(path.join(server.folder, 'secret.txt'), 'secret');
  await symlink(path.join(server.folder, 'secret.txt'), path.join(server.folder, 'output/link.txt'));
  expect(await status('filename=link.txt')).toBe(403);
  await writeFile(path.join(server.folder, 'output/page.html'), '<script>');
  expect((await server.get('/view?filename=page.html')).headers.get('content-type')).toContain('application/octet-stream');
});

test('definitions, models and metadata', async () => {
  const server = await serve();
  const checkpoints = path.join(server.folder, 'models/checkpoints/sub');
  await mkdir(checkpoints, { recursive: true });
  const header = Buffer.from('{"__metadata__":{"a":"b"}}');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(path.join(checkpoints, 'm.safetensors'), Buffer.concat([length, header]));
  await mkdir(path.join(server.folder, 'models/tiny'));
  await writeFile(path.join(server.folder, 'models/tiny/llm_config.json'), '{}');
  expect(Object.keys(await server.json('/object_info') as object)).toContain('SaveImage');
  expect(await server.json('/object_info/SaveImage')).toMatchObject({ SaveImage: { output_node: true, python_module: 'nodes', input_order: { required: ['images', 'filename_prefix'] } } });
  expect(await server.json('/object_info/Pass')).toMatchObject({ Pass: { python_module: 'custom_nodes.test-pack' } });
  expect(await server.json('/object_info/Nope')).toEqual({});
  expect(await server.json('/models')).toContain('checkpoints');
  expect(await server.json('/models/checkpoints')).toEqual(['sub/m.safetensors']);
  expect(await server.json('/models/bagel')).toEqual(['tiny']);
  expect((await server.get('/models/nope')).status).toBe(404);
  expect(await server.json('/embeddings')).toEqual([]);
  expect(await server.json('/experiment/models/checkpoints')).toMatchObject([{ name: 'sub/m.safetensors', pathIndex: 0, size: 34 }]);
  expect((await server.get('/experiment/models/preview/checkpoints/0/sub%2Fm.safetensors')).status).toBe(404);
  await writeFile(path.join(checkpoints, 'm.preview.png'), await encodePng(rgba));
  expect((await server.get('/experiment/models/preview/checkpoints/0/sub%2Fm.safetensors')).headers.get('content-type')).toBe('image/webp');
  expect(await server.json('/view_metadata/checkpoints?filename=sub/m.safetensors')).toEqual({ a: 'b' });
  expect((await server.get('/view_metadata/checkpoints?filename=../tiny/llm_config.json')).status).toBe(404);
  expect(await server.json('/system_stats')).toMatchObject({ system: { comfyui_version: '0.3.64', python_version: expect.any(String), pytorch_version: expect.any(String) }, devices: [{ name: 'cpu:0', type: 'cpu', bagelgraph: { budget_bytes: null, handle_bytes: expect.any(Number), sessions: expect.any(Number) } }] });
  expect(await server.json('/internal/folder_paths')).toMatchObject({ output: [path.join(server.folder, 'output')] });
});

test('users, settings and their files', async () => {
  const server = await serve();
  expect(await server.json('/users')).toEqual({ storage: 'server', migrated: false });
  expect(await server.json('/settings')).toEqual({});
  await Promise.all([server.post('/settings', { 'a.b': 5.5, c: [1] }), server.post('/settings/d', 'true')]);
  expect(await server.json('/settings')).toEqual({ 'a.b': 5.5, c: [1], d: true });
  expect([await server.json('/settings/d'), await server.json('/settings/none')]).toEqual([true, null]);
  expect(await server.json('/users')).toEqual({ storage: 'server', migrated: true });
  const put = (name: string, text: string, query = '') => server.post(`/userdata/${encodeURIComponent(name)}${query}`, text);
  expect(await (await put('workflows/a.json', '{}')).json()).toBe('workflows/a.json');
  expect(await (await put('workflows/deep/b.json', '{"b":1}', '?full_info=true')).json()).toEqual({ path: 'workflows/deep/b.json', size: 7, modified: expect.any(Number), created: expect.any(Number) });
  expect((await put('workflows/a.json', '{}', '?overwrite=false')).status).toBe(409);
  expect((await put('../../x', '{}')).status).toBe(403);
  expect(await server.json('/userdata?dir=workflows')).toEqual(['a.json']);
  expect(await server.json('/userdata?dir=workflows&recurse=true')).toEqual(['a.json', 'deep/b.json']);
  expect(await server.json('/userdata?dir=workflows&recurse=true&split=true')).toEqual([['a.json', 'a.json'], ['deep/b.json', 'deep', 'b.json']]);
  expect(await server.json('/userdata?dir=workflows&full_info=true')).toMatchObject([{ path: 'a.json', size: 2 }]);
  expect(await Promise.all(['/userdata', '/userdata?dir=..', '/userdata?dir=gone'].map(async (route) => (await server.get(route)).status))).toEqual([400, 403, 404]);
  expect(await server.json('/v2/userdata?path=workflows')).toMatchObject([{ name: 'deep', path: 'workflows/deep', type: 'directory' }, { name: 'a.json', path: 'workflows/a.json', type: 'file', size: 2 }, { name: 'b.json' }]);
  const move = await server.post('/userdata/workflows%2Fa.json/move/workflows%2Fc.json', '');
  expect(await move.json()).toBe('workflows/c.json');
  expect(await (await server.get('/userdata/workflows%2Fc.json')).text()).toBe('{}');
  expect((await server.get('/userdata/workflows%2Fa.json')).status).toBe(404);
  expect((await fetch(`${server.url}/userdata/workflows%2Fc.json`, { method: 'DELETE' })).status).toBe(204);
  expect((await fetch(`${server.url}/userdata/workflows%2Fc.json`, { method: 'DELETE' })).status).toBe(404);
});

test('a file is replaced only while it is the one that was read; clients that name none replace what is there', async () => {
  const server = await serve();
  const address = `${server.url}/userdata/workflows%2Fa.json`;
  const put = async (text: string, headers: Record<string, string> = {}) => {
    const response = await fetch(address, { method: 'POST', body: text, headers });
    return { status: response.status, tag: response.headers.get('etag') ?? '', text: await response.text() };
  };
  const first = await put('{"by":1}');
  expect((await fetch(address)).headers.get('etag')).toBe(first.tag);
  expect((await fetch(address, { method: 'HEAD' })).headers.get('etag')).toBe(first.tag);
  // of the same size, at once: no time of change tells them apart
  const both = await Promise.all(['{"by":2}', '{"by":3}'].map((text) => put(text, { 'If-Match': first.tag })));
  expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
  const kept = both.find(({ status }) => status === 200)!;
  expect(both.find(({ status }) => status === 412)!.text).toContain('was changed since it was read');
  expect([(await fetch(address)).headers.get('etag'), await (await fetch(address)).text()]).toEqual([kept.tag, both[0] === kept ? '{"by":2}' : '{"by":3}']);
  expect((await fetch(address, { method: 'DELETE', headers: { 'If-Match': first.tag } })).status).toBe(412);
  expect((await put('{"by":4}', { 'If-Match': `"other", ${kept.tag}` })).status).toBe(200);
  expect((await put('{"by":5}')).status).toBe(200);
  expect((await fetch(address, { method: 'DELETE' })).status).toBe(204);
  expect((await put('{"by":6}', { 'If-Match': '*' })).text).toContain('no longer there');
});

test('a page, its scripts and those of packs, with ComfyUI\'s cache headers', async () => {
  const own = await serve();
  const page = path.join(own.folder, 'page');
  const pack = path.join(own.folder, 'pack');
  for (const folder of ['page/assets', 'page/extensions/core', 'pack/web/js', 'pack/example_workflows', 'pack/locales/de']) await mkdir(path.join(own.folder, folder), { recursive: true });
  const files = {
    'page/index.html': '<p>', 'page/assets/a.js': '1', 'page/assets/a.png': 'x', 'page/extensions/core/e.js': '2', 'pack/web/js/p.js': '3', 'pack/web/readme.md': '',
    'pack/example_workflows/first.json': '{}', 'pack/locales/de/main.json': '{"a":"b"}', 'pack/locales/de/nodeDefs.json': '{"N":{}}',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(own.folder, name), text);
  const server = await serve({ frontEndRoot: page, packs: [{ name: 'My Pack', folder: pack, web: path.join(pack, 'web') }] });
  const root = await server.get('/');
  expect([await root.text(), root.headers.get('cache-control'), root.headers.get('expires')]).toEqual(['<p>', 'no-cache', '0']);
  expect((await server.get('/assets/a.js')).headers.get('cache-control')).toBe('no-cache');
  expect((await server.get('/assets/a.png')).headers.get('cache-control')).toBe('public, max-age=86400');
  expect((await server.get('/assets/b.PNG')).headers.get('cache-control')).toBe('public, max-age=3600');
  expect((await server.get('/..%2Fsettings.json')).status).toBeGreaterThanOrEqual(403);
  expect(await server.json('/extensions')).toEqual(['/extensions/core/e.js', '/extensions/My%20Pack/js/p.js']);
  expect(await (await server.get('/extensions/My%20Pack/js/p.js')).text()).toBe('3');
  expect(await server.json('/api/workflow_templates')).toEqual({ 'My Pack': ['first'] });
  expect(await server.json('/api/workflow_templates/My%20Pack/first.json')).toEqual({});
  expect(await server.json('/i18n')).toEqual({ de: { a: 'b', nodeDefs: { N: {} } } });
  expect(await server.json('/templates/index.json')).toEqual([]);
  expect(await (await own.get('/')).text()).toContain('--front-end-root');
});

test('logs are kept and sent to those who ask', async () => {
  const server = await serve();
  const client = await server.connect('me');
  expect((await fetch(`${server.url}/internal/logs/subscribe`, { method: 'PATCH', body: '{"clientId":"me","enabled":true}' })).status).toBe(200);
  const { body } = await server.prompt({ 1: { class_type: 'Break', inputs: { value: 1 } }, 2: { class_type: 'PreviewAny', inputs: { source: ['1', 0] } } }, { client_id: 'me' });
  expect((await client.until(({ type }) => type === 'logs')).data.entries[0].m).toContain(`prompt ${body.prompt_id} runs`);
  expect((await client.until(({ type, data }) => type === 'logs' && data.entries[0].m.includes('it broke'))).data.entries[0].m).toContain(body.prompt_id);
  await client.end(body.prompt_id);
  const ran = await server.prompt({ 1: { class_type: 'PreviewAny', inputs: { source: 'words' } } }, { client_id: 'me' });
  await client.end(ran.body.prompt_id);
  const line = (text: string) => ({ t: expect.any(String), m: expect.stringContaining(text) });
  await expect.poll(() => server.json('/internal/logs/raw')).toMatchObject({ entries: [line(`${body.prompt_id} runs`), line('it broke'), line(`${ran.body.prompt_id} runs`), line('done after')] });
  expect(await server.json('/internal/logs')).toContain('it broke');
});

test('answers are compressed where that was asked for', async () => {
  const server = await serve({ compresses: true });
  const response = await fetch(`${server.url}/object_info`, { headers: { 'Accept-Encoding': 'gzip' } });
  expect(response.headers.get('content-encoding')).toBe('gzip');
  expect(Object.keys(await response.json() as object)).toContain('SaveImage');
});
