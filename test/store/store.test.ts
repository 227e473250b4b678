import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'libsql';
import { describe, expect, onTestFinished, test } from 'vitest';
import { defaultRetention, memoryStore, openStore } from '../../engine/store/open.ts';
import { JobStore } from '../../engine/store/job-store.ts';
import { openDisk } from '../../engine/store/sqlite.ts';
import type { Ending, Job, NewJob, Retention, Store } from '../../engine/store/store.ts';

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'bagelgraph-store-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function closing<T extends Store>(store: T): T {
  onTestFinished(() => store.close());
  return store;
}

const job = (id: string, more: Partial<NewJob> = {}): NewJob => ({ id, number: 1, createdAt: 1000, request: `[1,"${id}"]`, ...more });
const success = (result: string, more: Partial<Ending> = {}): Ending => ({ state: 'success', endedAt: Date.now(), result, ...more });
const ids = (jobs: Iterable<Job>) => [...jobs].map(({ id }) => id);

/** `reopen` closes and opens again what lasts; in memory nothing does, so it is the same store. */
interface Kind { open(retention?: Partial<Retention>): Promise<{ store: Store; reopen(): Promise<Store> }> }
const kinds: Record<string, Kind> = {
  memory: {
    async open(retention) {
      const store = closing(memoryStore(retention));
      return { store, reopen: async () => store };
    },
  },
  folder: {
    async open(retention = {}) {
      const at = folder();
      let store = closing(await openStore({ folder: at, retention }));
      return {
        store,
        async reopen() {
          await store.committed();
          store.close();
          store = closing(await openStore({ folder: at, retention }));
          return store;
        },
      };
    },
  },
  // old texts are not in memory: every one is read from the disk
  'folder without a text cache': {
    async open(retention = {}) {
      const at = folder();
      const open = () => closing(new JobStore({ disk: openDisk(at, () => undefined), retention: { ...defaultRetention, ...retention }, log: () => undefined, textCacheBytes: 0 }));
      let store = open();
      return {
        store,
        async reopen() {
          await store.committed();
          store.close();
          store = open();
          return store;
        },
      };
    },
  },
};

describe.each(Object.entries(kinds))('%s', (_name, kind) => {
  test('a job from acceptance to its final entry', async () => {
    const { store, reopen } = await kind.open();
    expect(store.add(job('a', { number: 0.5, clientId: 'c', workflowId: 'w', createdAt: 17.25 }))).toEqual({ id: 'a', number: 0.5, state: 'waiting', clientId: 'c', workflowId: 'w', createdAt: 17.25, kills: 0, outputs: 0 });
    expect(() => store.add(job('a'))).toThrow('there is a job "a" already');
    store.start('a', 18);
    expect(store.get('a')).toMatchObject({ state: 'running', startedAt: 18 });
    expect(ids(store.open())).toEqual(['a']);
    await store.committed();
    const failure = { node: '3', type: 'X', name: 'Error', message: 'no' };
    store.end('a', { state: 'error', endedAt: Date.now(), result: '{"é":"\u{1f600}"}', outputs: 2, preview: '{"f":1}', failure });
    store.end('a', success('later'));
    for (const open of [async () => store, reopen]) {
      const one = await open();
      expect(one.get('a')).toMatchObject({ state: 'error', number: 0.5, clientId: 'c', createdAt: 17.25, startedAt: 18, outputs: 2, preview: '{"f":1}', failure });
      expect(one.texts('a')).toEqual({ request: '[1,"a"]', result: '{"é":"\u{1f600}"}' });
      expect([one.open(), ids(one.ended())]).toEqual([[], ['a']]);
    }
  });

  test('what was open is open again; a kill is counted, a stop is not', async () => {
    const { store, reopen } = await kind.open();
    for (const id of ['a', 'b', 'c']) store.add(job(id));
    store.start('a', 1);
    store.start('b', 1);
    store.requeue('a', true);
    store.requeue('b');
    store.renumber('c', -7, '[-7,"c"]');
    const again = await reopen();
    expect(again.open().map(({ id, state, kills, startedAt, number }) => [id, state, kills, startedAt, number])).toEqual([['a', 'waiting', 1, undefined, 1], ['b', 'waiting', 0, undefined, 1], ['c', 'waiting', 0, undefined, -7]]);
    expect(again.texts('c')).toEqual({ request: '[-7,"c"]' });
    expect(again.texts('nobody')).toBeUndefined();
  });

  test('final entries in the order of their endings; deleted, cleared, and an id used again', async () => {
    const { store, reopen } = await kind.open();
    for (const id of ['a', 'b', 'c', 'd']) store.add(job(id));
    for (const id of ['c', 'a', 'b']) store.end(id, success(id));
    store.delete(['a', 'd', 'nobody']);
    const again = await reopen();
    expect(ids(again.ended())).toEqual(['c', 'b']);
    expect(ids(again.open())).toEqual(['d']);
    again.clear();
    again.add(job('c', { request: 'new' }));
    const last = await reopen();
    expect([ids(last.ended()), ids(last.open()), last.texts('c')]).toEqual([[], ['d', 'c'], { request: 'new' }]);
    last.forget('c');
    expect(ids((await reopen()).open())).toEqual(['d']);
  });

  test('numbers go on behind the largest, also of what is gone', async () => {
    const { store, reopen } = await kind.open();
    expect(store.nextNumber).toBe(0n);
    store.add(job('a', { number: -41.5 }));
    store.add(job('b', { number: 1e300 }));
    expect((await reopen()).nextNumber).toBe(42n);
    const again = await reopen();
    again.end('a', success(''));
    again.clear();
    expect((await reopen()).nextNumber).toBe(42n);
  });

  test('a pause lasts', async () => {
    const { store, reopen } = await kind.open();
    expect(store.isPaused).toBe(false);
    store.isPaused = true;
    expect((await reopen()).isPaused).toBe(true);
  });

  test('the oldest entries go by number, by size and by age; the newest and what is open stay', async () => {
    const few = await kind.open({ jobs: 2 });
    for (const id of ['a', 'b', 'c', 'd']) few.store.add(job(id));
    for (const id of ['a', 'b', 'c']) few.store.end(id, success(''));
    expect([ids((await few.reopen()).ended()), ids((await few.reopen()).open())]).toEqual([['b', 'c'], ['d']]);
    const small = await kind.open({ bytes: 100 });
    for (const id of ['a', 'b', 'c']) small.store.add(job(id));
    small.store.end('a', success('x'.repeat(40)));
    small.store.end('b', success('x'.repeat(40)));
    expect(ids(small.store.ended())).toEqual(['a', 'b']);
    small.store.end('c', success('x'.repeat(400)));
    expect(ids(small.store.ended())).toEqual(['c']);
    const young = await kind.open({ ageMs: 60_000 });
    for (const id of ['a', 'b', 'c']) young.store.add(job(id));
    young.store.end('a', success('', { endedAt: Date.now() - 61_000 }));
    young.store.end('b', success('', { endedAt: Date.now() - 50_000 }));
    expect(ids((await young.reopen()).ended())).toEqual(['b']);
  });

  test('lists by state, client and workflow, sorted and in pages', async () => {
    const { store, reopen } = await kind.open();
    store.add(job('a', { createdAt: 3, clientId: 'x' }));
    store.add(job('b', { createdAt: 1, clientId: 'y', workflowId: 'w' }));
    store.add(job('c', { createdAt: 2, clientId: 'x' }));
    store.add(job('d', { createdAt: 2, clientId: 'x' }));
    store.start('a', 10);
    store.end('a', success('', { endedAt: 10_000_000_000_000 }));
    store.start('b', 10);
    store.end('b', success('', { endedAt: 20_000_000_000_000 }));
    const again = await reopen();
    const listed = (query: Parameters<Store['list']>[0]) => ids(again.list(query).jobs);
    expect(listed({})).toEqual(['a', 'd', 'c', 'b']);
    expect(listed({ ascending: true })).toEqual(['b', 'c', 'd', 'a']);
    expect(listed({ sortBy: 'duration' })).toEqual(['b', 'a', 'd', 'c']);
    expect(listed({ states: new Set(['waiting']), ascending: true })).toEqual(['c', 'd']);
    expect(listed({ workflowId: 'w' })).toEqual(['b']);
    expect(again.list({ clientId: 'x', offset: 1, limit: 1 })).toMatchObject({ total: 3, jobs: [{ id: 'd' }] });
  });

  test('temp files that entries name', async () => {
    const { store, reopen } = await kind.open();
    for (const id of ['a', 'b', 'c']) store.add(job(id));
    store.end('a', success('', { tempFiles: ['x.png', 'y.png'] }));
    store.end('b', success('', { tempFiles: ['y.png', 'sub/z.png'] }));
    store.delete(['a']);
    expect([...(await reopen()).tempFiles()].sort()).toEqual(['sub/z.png', 'y.png']);
  });
});

describe('a folder', () => {
  test('one turn is one transaction, and readers see what is not written yet', async () => {
    const at = folder();
    const disk = openDisk(at, () => undefined);
    let writes = 0;
    const store = closing(new JobStore({ disk: { folder: at, load: () => disk.load(), texts: (seq) => disk.texts(seq), close: () => disk.close(), write: (changes) => { writes++; disk.write(changes); } }, retention: defaultRetention, log: () => undefined }));
    for (let i = 0; i < 50; i++) store.add(job(`${i}`));
    store.start('0', 1);
    store.end('0', success('r'));
    expect([writes, store.texts('0')?.result]).toEqual([0, 'r']);
    await Promise.all([store.committed(), store.committed()]);
    expect(writes).toBe(1);
    await store.committed();
    expect(writes).toBe(1);
  });

  test('what cannot be written is told, kept in memory, and written with the next that can', async () => {
    const at = folder();
    const disk = openDisk(at, () => undefined);
    let isFull = true;
    const said: string[] = [];
    const failing = { folder: at, load: () => disk.load(), texts: (seq: number) => disk.texts(seq), close: () => disk.close(), write(changes: Parameters<typeof disk.write>[0]) {
      if (isFull) throw new Error('no space left');
      disk.write(changes);
    } };
    const store = new JobStore({ disk: failing, retention: defaultRetention, log: (line) => said.push(line) });
    store.add(job('a'));
    await expect(store.committed()).rejects.toThrow('no space left');
    expect(said).toEqual(['no space left; it is tried again']);
    store.add(job('b'));
    await expect(store.committed()).rejects.toThrow('no space left');
    store.forget('b');
    isFull = false;
    await store.committed();
    store.close();
    expect(ids(closing(await openStore({ folder: at })).open())).toEqual(['a']);
  });

  test('another server in the same folder is refused, by pid', async () => {
    const at = folder();
    closing(await openStore({ folder: at }));
    await expect(openStore({ folder: at })).rejects.toThrow(new RegExp(`^the state folder ${at} is in use by another server: pid ${process.pid} on .*, since .*; stop it, or give this one a folder of its own with --state DIR`));
  });

  test('a newer schema and a stranger\'s database are refused and stay as they are', async () => {
    const at = folder();
    (await openStore({ folder: at })).close();
    const file = path.join(at, 'jobs.db');
    const newer = new Database(file);
    newer.exec('PRAGMA user_version = 7');
    newer.close();
    await expect(openStore({ folder: at })).rejects.toThrow('jobs.db was written by a newer bagelgraph (schema 7, this one knows 1): use that one, or give another folder with --state');
    const other = folder();
    const strange = new Database(path.join(other, 'jobs.db'));
    strange.exec('CREATE TABLE songs (name TEXT)');
    strange.close();
    await expect(openStore({ folder: other })).rejects.toThrow('is the database of another program');
    expect(readdirSync(other).filter((name) => name.includes('damaged'))).toEqual([]);
  });

  test.each([
    ['no database at all', (file: string) => writeFileSync(file, 'x'.repeat(5000))],
    ['cut off', (file: string) => truncateSync(file, 9000)],
    ['overwritten in the middle', (file: string) => {
      const bytes = readFileSync(file);
      bytes.fill(0xa5, 4096 * 2, 4096 * 8);
      writeFileSync(file, bytes);
    }],
  ])('a damaged file (%s) is moved aside and told; all begins anew', async (_how, damage) => {
    const at = folder();
    const store = await openStore({ folder: at });
    for (let i = 0; i < 200; i++) store.add(job(`${i}`, { request: 'y'.repeat(500) }));
    store.close();
    const file = path.join(at, 'jobs.db');
    damage(file);
    const said: string[] = [];
    const again = closing(await openStore({ folder: at, log: (line) => said.push(line) }));
    expect(again.list().total).toBe(0);
    expect(said).toEqual([expect.stringMatching(/jobs\.db is damaged \(.*\); it was moved to .*jobs\.db\.damaged-.*, and queue and history begin anew/)]);
    expect(readdirSync(at).some((name) => name.startsWith('jobs.db.damaged-'))).toBe(true);
    again.add(job('new'));
    await again.committed();
  });

  test('a torn end of the log loses what was not committed, nothing else', async () => {
    const at = folder();
    const store = await openStore({ folder: at });
    store.add(job('a'));
    await store.committed();
    // what a kill leaves: the database and its log as they are now, and half a transaction behind them
    const copy = folder();
    for (const name of ['jobs.db', 'jobs.db-wal']) if (existsSync(path.join(at, name))) writeFileSync(path.join(copy, name), readFileSync(path.join(at, name)));
    store.close();
    appendFileSync(path.join(copy, 'jobs.db-wal'), Buffer.alloc(1234, 7));
    const said: string[] = [];
    expect(ids(closing(await openStore({ folder: copy, log: (line) => said.push(line) })).open())).toEqual(['a']);
    expect(said).toEqual([]);
  });

  test('a folder that cannot be', async () => {
    const at = folder();
    writeFileSync(path.join(at, 'file'), '');
    await expect(openStore({ folder: path.join(at, 'file/state') })).rejects.toThrow(/the state folder .*file\/state cannot be made: .*; give another with --state/);
  });
});
