// Following a run whose server is killed and comes back: the client connects again and tells that the run began anew.
import { expect, test } from 'vitest';
import { BagelgraphClient } from '../../engine/client/client.ts';
import { newFolder, serveFrom, waitPack } from '../server/process.ts';

test('a gap, and then the new attempt from its first event to its last', async () => {
  const folder = await newFolder();
  const first = await serveFrom(folder, '--node-pack', waitPack);
  const client = new BagelgraphClient({ url: first.url });
  const { id } = await client.submit({ 1: { class_type: 'Wait', inputs: { ms: 1500, value: 1 } }, 2: { class_type: 'PreviewAny', inputs: { source: ['1', 0] } } });
  const seen: string[] = [];
  for await (const event of client.events(id)) {
    seen.push(event.kind);
    if (event.kind !== 'begun' || seen.includes('gap')) continue;
    await first.kill('SIGKILL');
    await serveFrom(folder, '--node-pack', waitPack, '--port', new URL(first.url).port);
  }
  const gap = seen.indexOf('gap');
  expect(seen.filter((kind) => kind === 'gap')).toHaveLength(1);
  expect([seen[gap + 1], seen.at(-1), seen.slice(0, gap).includes('ended')]).toEqual(['started', 'ended', false]);
  expect(await client.result(id)).toMatchObject({ status: 'completed' });
});
