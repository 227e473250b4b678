// POST /api/run with real nodes over HTTP: forms, pictures in every way they may come, errors in words, waiting and going away.
import { readdir } from 'node:fs/promises';
import http from 'node:http';
import { describe, expect, test } from 'vitest';
import { decode } from '../../../engine/image/decode.ts';
import { nodes, serve, type Answer, type TestServer } from '../harness.ts';
import { broken, dataUrl, invert, png, save, work } from './workflows.ts';

async function run(server: TestServer, body: object, headers: Record<string, string> = {}): Promise<{ status: number; body: Answer }> {
  const response = await fetch(`${server.url}/api/run`, { method: 'POST', body: JSON.stringify(body), headers });
  return { status: response.status, body: await response.json() };
}

async function colourOf(bytes: Uint8Array): Promise<number[]> {
  return [...(await decode(bytes)).data.slice(0, 3)];
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const jobOf = async (server: TestServer, id: string): Promise<Answer> => server.json(`/api/jobs/${id}`);

describe('a workflow with a form', () => {
  test('inputs by name, a picture as data URL; outputs inline', async () => {
    const server = await serve();
    const { status, body } = await run(server, { workflow: invert, inputs: { image: dataUrl(await png(255, 0, 51)), words: 'good day' } });
    expect([status, body]).toEqual([200, {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/), status: 'completed', outputs: [
        { name: 'image', node: '3', texts: [], files: [{ filename: 'made_00001_.png', subfolder: '', type: 'output', url: '/api/view?filename=made_00001_.png&subfolder=&type=output', media_type: 'image/png', data_url: expect.stringMatching(/^data:image\/png;base64,/) }] },
        { name: 'words', node: '5', files: [], texts: ['good day'] },
      ],
    }]);
    expect(await colourOf(Buffer.from(body.outputs[0].files[0].data_url.split(',')[1], 'base64'))).toEqual([0, 255, 204]);
    expect(await colourOf(new Uint8Array(await (await server.get(body.outputs[0].files[0].url)).arrayBuffer()))).toEqual([0, 255, 204]);
    expect((await jobOf(server, body.id)).workflow.extra_data.extra_pnginfo.workflow.nodes[3].widgets_values).toEqual(['good day']);
  });

  test('by a saved name, the own one before the ready one; references only', async () => {
    const server = await serve();
    await save(server, 'mine/invert', invert);
    const { body } = await run(server, { workflow: 'mine/invert.json', inputs: { image: dataUrl(await png(1, 2, 3)), prefix: 'sub/x' }, outputs: 'files' });
    expect(body.outputs[0].files).toEqual([{ filename: 'x_00001_.png', subfolder: 'sub', type: 'output', url: '/api/view?filename=x_00001_.png&subfolder=sub&type=output' }]);
    const listed = await server.json('/api/workflows') as Answer;
    expect(listed).toEqual([{ name: 'mine/invert', source: 'user', outputs: [{ name: 'image', node: '3' }, { name: 'words', node: '5' }], inputs: [
      { name: 'image', node: '1', input: 'image', type: 'COMBO', is_picture: true, value: 'example.png' }, { name: 'words', node: '4', input: 'value', type: 'STRING', is_picture: false, value: 'hello' },
      { name: 'prefix', node: '3', input: 'filename_prefix', type: 'STRING', is_picture: false, value: 'made' },
    ] }]);
  });

  test('as multipart: files and fields are inputs, numbers become numbers', async () => {
    const server = await serve();
    await save(server, 'invert', invert);
    const form = new FormData();
    form.set('workflow', 'invert');
    form.set('image', new Blob([await png(255, 255, 255)]), 'any name.png');
    form.set('words', '12');
    const answer = await (await fetch(`${server.url}/api/run`, { method: 'POST', body: form })).json() as Answer;
    expect(answer.outputs[1].texts).toEqual(['12']);
    expect(await colourOf(Buffer.from(answer.outputs[0].files[0].data_url.split(',')[1], 'base64'))).toEqual([0, 0, 0]);
    const second = new FormData();
    second.set('workflow', JSON.stringify(work));
    second.set('steps', '2');
    second.set('outputs', 'files');
    expect(await (await fetch(`${server.url}/api/run`, { method: 'POST', body: second })).json()).toMatchObject({ status: 'completed', outputs: [{ name: 'steps', texts: ['2'] }] });
  });

  test('pictures as uploads answer them, and as outputs of another run; the same bytes are stored once', async () => {
    const server = await serve();
    const form = new FormData();
    form.set('image', new Blob([await png(255, 0, 255)]), 'up.png');
    form.set('subfolder', 'deep');
    const upload = await (await fetch(`${server.url}/upload/image`, { method: 'POST', body: form })).json() as Answer;
    const first = await run(server, { workflow: invert, inputs: { image: upload } });
    const [file] = first.body.outputs[0].files;
    const second = await run(server, { workflow: invert, inputs: { image: { filename: file.filename, subfolder: '', type: 'output' } } });
    expect(await colourOf(Buffer.from(second.body.outputs[0].files[0].data_url.split(',')[1], 'base64'))).toEqual([255, 0, 255]);
    for (let i = 0; i < 2; i++) await run(server, { workflow: invert, inputs: { image: dataUrl(await png(7, 7, 7)), prefix: `p${i}` } });
    expect(await readdir(`${server.folder}/temp`)).toEqual([expect.stringMatching(/^given-[0-9a-f]{32}\.png$/)]);
  });

  test('Accept: the picture itself, converted where another kind is wanted', async () => {
    const server = await serve();
    const ask = async (accept: string, body: object) => fetch(`${server.url}/api/run`, { method: 'POST', body: JSON.stringify(body), headers: { accept } });
    const picture = dataUrl(await png(0, 0, 0));
    const asPng = await ask('image/png', { workflow: invert, inputs: { image: picture } });
    expect([asPng.status, asPng.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect(await jobOf(server, asPng.headers.get('x-bagelgraph-job')!)).toMatchObject({ status: 'completed' });
    expect(await colourOf(new Uint8Array(await asPng.arrayBuffer()))).toEqual([255, 255, 255]);
    const asJpeg = await ask('image/jpeg', { workflow: invert, inputs: { image: picture } });
    expect(Buffer.from(await asJpeg.arrayBuffer()).subarray(0, 3)).toEqual(Buffer.from([0xff, 0xd8, 0xff]));
    const none = await ask('image/png', { workflow: work });
    expect([none.status, await none.json()]).toMatchObject([406, { error: { message: expect.stringContaining('made no picture') } }]);
  });

  test('the API form has no names: NODE.INPUT by id or title, outputs by node', async () => {
    const server = await serve();
    const prompt = { 1: { class_type: 'PrimitiveString', inputs: { value: 'a' }, _meta: { title: 'Words' } }, 2: { class_type: 'PreviewAny', inputs: { source: ['1', 0] } } };
    expect((await run(server, { workflow: prompt, inputs: { 'Words.value': 'b' } })).body).toMatchObject({ status: 'completed', outputs: [{ name: '2', node: '2', files: [], texts: ['b'] }] });
    expect((await run(server, { workflow: prompt, inputs: { '1.value': 'c' } })).body.outputs[0].texts).toEqual(['c']);
  });
});

describe('what is wrong is told in words, and nothing is queued', () => {
  test.each<[object, number, object]>([
    [{}, 400, { type: 'invalid_request', message: 'the body must have required properties workflow' }],
    [{ workflow: 5 }, 400, { type: 'invalid_request', message: 'workflow must be string or object' }],
    [{ workflow: work, tiemout_seconds: 5 }, 400, { type: 'invalid_request', message: expect.stringMatching(/^the body has an unknown member "tiemout_seconds"; did you mean timeout_seconds\? It may have workflow,/) }],
    [{ workflow: work, timeout_seconds: 0 }, 400, { type: 'invalid_request', message: 'timeout_seconds must be > 0' }],
    [{ workflow: work, outputs: 'all' }, 400, { type: 'invalid_request', message: 'outputs must be one of "inline", "files"' }],
    [{ workflow: work, wait: 'no' }, 400, { type: 'invalid_request', message: 'wait must be boolean' }],
    [{ workflow: work, nothingOfTheKind: 5 }, 400, { type: 'invalid_request', message: expect.stringMatching(/^the body has an unknown member "nothingOfTheKind"\. It may have workflow,/) }],
    [{ workflow: 'wrok' }, 404, { type: 'unknown_workflow', message: 'there is no saved workflow "wrok"; did you mean work? There are work' }],
    [{ workflow: '../../../etc/passwd' }, 404, { type: 'unknown_workflow' }],
    [{ workflow: { nodes: 'no' } }, 400, { type: 'invalid_workflow' }],
    [{ workflow: work, inputs: { step: 5 } }, 400, { type: 'unknown_input', input: 'step', message: 'the workflow has no input "step"; did you mean steps? Its inputs are steps, pace' }],
    [{ workflow: work, inputs: { '7.steps': 5 } }, 400, { type: 'unknown_input', input: '7.steps', message: expect.stringContaining('the nodes are 1 (Work), 2 (Preview Any)') }],
    [{ workflow: work, inputs: { steps: 'many' } }, 400, { type: 'invalid_input', input: 'steps', message: expect.stringMatching(/^input "steps": Work \(node 1\), input steps: "many" is no INT/) }],
    [{ workflow: invert, inputs: { image: 'nowhere.png' } }, 400, { type: 'invalid_input', input: 'image', message: expect.stringContaining('there is no file "nowhere.png"') }],
    [{ workflow: invert, inputs: { image: 'data:image/png;base64,AAAA' } }, 400, { type: 'invalid_input', input: 'image', message: 'input "image": its 3 bytes are no picture: give a PNG, JPEG, WebP, GIF, TIFF or AVIF file' }],
    [{ workflow: invert, inputs: { image: 'data:image/png,abc' } }, 400, { type: 'invalid_input', input: 'image', message: expect.stringContaining('must be base64') }],
    [{ workflow: nodes({ 1: ['NoSuchNode'] }) }, 400, { type: 'invalid_workflow', message: expect.stringContaining('there is no node type NoSuchNode') }],
    [{ workflow: work, webhook: 'ftp://example.org' }, 400, { type: 'webhook_refused' }],
    [{ workflow: work, webhook: 'http://[::ffff:127.0.0.1]/x' }, 400, { type: 'webhook_refused', message: expect.stringContaining('--webhook-allow-private') }],
  ])('mistake %#', async (body, status, error) => {
    const server = await serve();
    await save(server, 'work', work);
    expect(await run(server, body)).toMatchObject({ status, body: { error } });
    expect(await server.json('/api/jobs')).toMatchObject({ jobs: [] });
  });

  test('no JSON, a broken multipart body', async () => {
    const server = await serve();
    const broken = await server.post('/api/run', '{"workflow": ');
    expect([broken.status, await broken.json()]).toMatchObject([400, { error: { type: 'invalid_request', message: expect.stringContaining('line 1, column 14') } }]);
    const half = await fetch(`${server.url}/api/run`, { method: 'POST', body: '--x\r\nContent-Disp', headers: { 'Content-Type': 'multipart/form-data; boundary=x' } });
    expect([half.status, await half.json()]).toMatchObject([400, { error: { message: expect.stringContaining('multipart body is broken') } }]);
  });

  test('a node that fails: 422 with the node, in words', async () => {
    const server = await serve();
    expect(await run(server, { workflow: broken })).toMatchObject({ status: 422, body: { status: 'failed', error: { node: '2', title: 'Break', message: expect.stringContaining('it broke') } } });
  });
});

describe('waiting', () => {
  const long = { workflow: work, inputs: { steps: 1000, pace: 5 } };

  test('wait: false answers at once; GET /run/ID gives the outputs later', async () => {
    const server = await serve();
    const { status, body } = await run(server, { workflow: work, wait: false, id: 'mine' });
    expect([status, body.id]).toEqual([202, 'mine']);
    expect(await server.json('/api/run/mine?wait_seconds=20')).toMatchObject({ id: 'mine', status: 'completed', outputs: [{ name: 'steps', texts: ['3'] }] });
    const unknown = await server.get('/api/run/nobody');
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: { message: 'there is no job "nobody"' } }]);
  });

  test('a timeout answers 202 and the run goes on; the same id again is the same job', async () => {
    const server = await serve();
    expect(await run(server, { ...long, timeout_seconds: 0.0203, id: 'slow' })).toMatchObject({ status: 202, body: { id: 'slow', status: expect.stringMatching(/pending|in_progress/), outputs: [] } });
    expect(await run(server, { workflow: work, timeout_seconds: 0.02, id: 'slow' })).toMatchObject({ status: 202, body: { id: 'slow' } });
    expect((await server.json('/api/jobs') as Answer).jobs).toHaveLength(1);
    expect(await (await server.post('/api/jobs/slow/cancel', '')).json()).toEqual({ cancelled: true });
    expect(await server.json('/api/run/slow?wait_seconds=10')).toMatchObject({ status: 'cancelled' });
  });

  test('a client that goes away cancels its run, unless it asked otherwise', async () => {
    const server = await serve({ concurrency: 2 });
    const leave = async (body: object, id: string) => {
      const request = http.request(`${server.url}/api/run`, { method: 'POST' }).on('error', () => undefined);
      request.end(JSON.stringify({ ...body, id, client_id: id }));
      await until(async () => ((await jobOf(server, id)).status === 'in_progress' ? true : undefined));
      request.destroy();
    };
    await leave({ ...long, on_disconnect: 'continue' }, 'stays');
    await leave(long, 'goes');
    await until(async () => ((await jobOf(server, 'goes')).status === 'cancelled' ? true : undefined));
    expect((await jobOf(server, 'stays')).status).toBe('in_progress');
    await server.post('/api/jobs/cancel', { job_ids: ['stays'] });
  });

  test('cache: bypass makes everything anew', async () => {
    const server = await serve();
    const timesRun = async (body: object) => (await until(async () => {
      const { body: answer } = await run(server, body);
      return (await server.json(`/history/${answer.id}`) as Answer)[answer.id].status.messages.find(([type]: Answer) => type === 'execution_cached')[1].nodes as string[];
    }));
    expect(await timesRun({ workflow: work })).toEqual([]);
    expect(await timesRun({ workflow: work })).toEqual(['1', '2']);
    expect(await timesRun({ workflow: work, cache: 'bypass' })).toEqual([]);
    expect(await timesRun({ workflow: work })).toEqual(['1', '2']);
  });
});
