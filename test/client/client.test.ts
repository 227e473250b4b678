// Our client against a real server: forms, jobs, events over lost connections, files, errors.
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { BagelgraphClient } from '../../engine/client/client.ts';
import { ServerError } from '../../engine/client/errors.ts';
import { decode } from '../../engine/image/decode.ts';
import { serve } from '../server/harness.ts';
import { broken, invert, png, save, work } from '../server/jobs/workflows.ts';

test('runs a form with a picture as bytes, and fetches what it made', async () => {
  const server = await serve();
  const client = new BagelgraphClient({ url: `${server.url}/` });
  const answer = await client.run(invert, { inputs: { image: new Uint8Array(await png(255, 0, 0)), words: 'a "b" ü' }, outputs: 'files', timeout_seconds: 60 });
  expect(answer).toMatchObject({ status: 'completed', outputs: [{ name: 'image' }, { name: 'words', texts: ['a "b" ü'] }] });
  expect([...(await decode(await client.file(answer.outputs[0]!.files[0]!))).data.slice(0, 3)]).toEqual([0, 255, 255]);
  const uploaded = await client.upload(new Blob([new Uint8Array(await png(0, 0, 0))]), 'dark.png', { subfolder: 'deep' });
  expect(uploaded).toEqual({ name: 'dark.png', subfolder: 'deep', type: 'input' });
  expect((await client.run(invert, { inputs: { image: uploaded } })).outputs[0]!.files[0]!.data_url).toMatch(/^data:image\/png/);
  expect((await client.run(invert, { inputs: { image: uploaded, prefix: 'x' } })).outputs[0]!.files[0]!.filename).toBe('x_00001_.png');
});

test('submits, follows, lists, cancels', async () => {
  const server = await serve();
  await save(server, 'work', work);
  const client = new BagelgraphClient({ url: server.url });
  const { id } = await client.submit('work', { inputs: { steps: 4 }, id: 'mine' });
  const kinds = [];
  for await (const event of client.events(id)) kinds.push(event.kind);
  expect([kinds[0], kinds.at(-1), kinds.filter((kind) => kind === 'progress').length]).toEqual(['started', 'ended', 4]);
  const half = [];
  for await (const event of client.events(id, { after: 3 })) half.push(event.kind);
  expect(half).toEqual(kinds.slice(4));
  for await (const event of client.events(id, { after: kinds.length - 1 })) expect(event).toBeUndefined();
  expect(await client.result(id)).toMatchObject({ id: 'mine', status: 'completed', outputs: [{ name: 'steps', texts: ['4'] }] });
  expect(await client.job(id)).toMatchObject({ id: 'mine', status: 'completed' });
  await client.submit('work', { inputs: { steps: 5000 }, id: 'long' });
  expect(await client.cancel('long')).toBe(true);
  expect(await client.result('long', { waitSeconds: 10 })).toMatchObject({ status: 'cancelled' });
  expect((await client.jobs({ status: ['completed', 'cancelled'], sortOrder: 'asc' })).jobs.map((job) => job.id)).toEqual(['mine', 'long']);
  expect((await client.workflows()).map(({ name, inputs }) => [name, inputs.map((input) => input.name)])).toEqual([['work', ['steps', 'pace']]]);
  expect(await client.cancel('nobody')).toBe(false);
});

test('an aborted run is cancelled on the server', async () => {
  const server = await serve();
  const client = new BagelgraphClient({ url: server.url });
  const stop = new AbortController();
  const running = client.run(work, { inputs: { steps: 5000 }, id: 'a', signal: stop.signal });
  for await (const event of eventsOnceThere(client, 'a')) if (event.kind === 'progress') break;
  stop.abort();
  await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  expect(await client.result('a', { waitSeconds: 10 })).toMatchObject({ status: 'cancelled' });
});

/** The job may not be there yet. */
async function* eventsOnceThere(client: BagelgraphClient, id: string): ReturnType<BagelgraphClient['events']> {
  for (;;) {
    try {
      return yield* client.events(id);
    } catch (error) {
      if (!(error instanceof ServerError && error.status === 404)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

test('errors: what the server refuses, a run that fails, no such job, no server', async () => {
  const server = await serve({ token: 'secret' });
  await expect(new BagelgraphClient({ url: server.url }).jobs()).rejects.toMatchObject({ name: 'ServerError', status: 401 });
  const client = new BagelgraphClient({ url: server.url, token: 'secret' });
  await expect(client.run(work, { inputs: { step: 1 } })).rejects.toMatchObject({ status: 400, code: 'unknown_input', input: 'step', message: expect.stringContaining('did you mean steps?') });
  expect(await client.run(broken)).toMatchObject({ status: 'failed', error: { node: '2', message: expect.stringContaining('it broke') } });
  await expect(client.job('nobody')).rejects.toMatchObject({ status: 404, message: 'Job not found' });
  await expect(client.events('nobody').next()).rejects.toMatchObject({ status: 404 });
  expect(() => new BagelgraphClient({ url: 'localhost:8188' })).toThrow('give one such as http://127.0.0.1:8188');
});

test('events go on where a connection broke', async () => {
  const server = await serve();
  let left = 2;
  const breaking = createServer((request, response) => { // hands on to the server, and breaks off streams after a while
    const onwards = httpRequest(`${server.url}${request.url}`, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        response.write(chunk);
        bytes += chunk.length;
        if (request.url!.includes('/events') && bytes > 800 && left > 0) {
          left--;
          answer.destroy();
          response.destroy();
        }
      }).on('end', () => response.end()).on('error', () => undefined);
    });
    onwards.on('error', () => undefined);
    request.pipe(onwards);
  });
  await new Promise<void>((resolve) => breaking.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void breaking.close());
  const client = new BagelgraphClient({ url: `http://127.0.0.1:${(breaking.address() as AddressInfo).port}` });
  const { id } = await client.submit(work, { inputs: { steps: 50, pace: 2 } });
  const seen = [];
  for await (const event of client.events(id)) seen.push(event.kind === 'gap' ? 'gap' : event.seq);
  expect(seen).toEqual(seen.map((_, i) => i));
  expect(seen.length).toBeGreaterThan(100);
  expect(left).toBe(0);
});
