// The disk behind a job store: one SQLite file through libsql. All that knows the database: its file, its lock, its schema.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import Database from 'libsql';
import { StoreError } from './errors.ts';
import type { Changes, Disk, JobRow, Loaded } from './job-store.ts';
import type { Job, JobState, JobTexts } from './store.ts';

/** Raise it with every change that an older program could not read, and bring older files up when they are opened. */
const schemaVersion = 1;

/** Texts lie apart, so that the rows can be read quickly. */
const schema = `
  CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY, ending INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, number REAL NOT NULL, state TEXT NOT NULL, client TEXT, workflow TEXT,
    created REAL NOT NULL, started REAL, ended REAL, kills INTEGER NOT NULL, outputs INTEGER NOT NULL, preview TEXT, failure TEXT,
    temp_files TEXT, request_bytes INTEGER NOT NULL, result_bytes INTEGER NOT NULL);
  CREATE TABLE requests (seq INTEGER PRIMARY KEY, text TEXT NOT NULL);
  CREATE TABLE results (seq INTEGER PRIMARY KEY, text TEXT NOT NULL);
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
  PRAGMA user_version = ${schemaVersion};`;

const columns = ['seq', 'ending', 'id', 'number', 'state', 'client', 'workflow', 'created', 'started', 'ended', 'kills', 'outputs', 'preview', 'failure', 'temp_files', 'request_bytes', 'result_bytes'] as const;
type Column = (typeof columns)[number];
type StoredRow = Readonly<Record<Column, number | string | null>>;

/**
 * Opens or makes the database of a state folder and locks it for this process; a kill unlocks it. A damaged file is moved aside and told.
 * Throws a StoreError where another server uses the folder, a newer program wrote the file, or the folder cannot be written.
 */
export function openDisk(folder: string, log: (line: string) => void): Disk {
  const file = path.join(folder, 'jobs.db');
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new StoreError(`the state folder ${folder} cannot be made: ${(error as Error).message}; give another with --state DIR, or --state memory`);
  }
  try {
    return openFile(folder, file);
  } catch (error) {
    if (!isDamage(error)) throw error;
    const aside = setAside(file);
    log(`${file} is damaged (${(error as Error).message}); it was moved to ${aside}, and queue and history begin anew`);
    return openFile(folder, file);
  }
}

function openFile(folder: string, file: string): Disk {
  let database: Database.Database | undefined;
  try {
    database = new Database(file);
    prepare(database, file);
    const disk = new SqliteDisk(folder, file, database, load(database));
    writeFileSync(ownerFile(folder), JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() }));
    return disk;
  } catch (error) {
    database?.close();
    if (codeOf(error) === 'SQLITE_BUSY') throw new StoreError(`the state folder ${folder} is in use by another server${ownerOf(folder)}; stop it, or give this one a folder of its own with --state DIR (or --state memory)`);
    throw isDamage(error) || error instanceof StoreError ? error : new StoreError(`${file} cannot be opened: ${(error as Error).message}; look at its rights, or give another folder with --state`);
  }
}

function prepare(database: Database.Database, file: string): void {
  // the lock lasts as long as the process, and no shared memory is needed
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  const [{ user_version: version }] = database.prepare('PRAGMA user_version').all() as [{ user_version: number }];
  if (version > schemaVersion) throw new StoreError(`${file} was written by a newer bagelgraph (schema ${version}, this one knows ${schemaVersion}): use that one, or give another folder with --state`);
  const [{ tables }] = database.prepare('SELECT count(*) AS tables FROM sqlite_master').all() as [{ tables: number }];
  if (version === 0 && tables > 0) throw new StoreError(`${file} is the database of another program: give another folder with --state`);
  if (version === 0) database.exec('PRAGMA auto_vacuum = INCREMENTAL');
  // a kill loses nothing that was committed; only a power loss may
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216; BEGIN IMMEDIATE; COMMIT');
  const [check] = database.prepare('PRAGMA quick_check(1)').all() as [{ quick_check: string }];
  if (check.quick_check !== 'ok') throw Object.assign(new Error(check.quick_check.replaceAll(/\s+/g, ' ')), { code: 'SQLITE_CORRUPT' });
  if (version === 0) database.exec(`BEGIN; ${schema} COMMIT`);
  else database.exec('PRAGMA incremental_vacuum');
}

/** Part of opening: a row that cannot be read is damage too. */
function load(database: Database.Database): Loaded {
  const rows = (database.prepare('SELECT * FROM jobs').all() as StoredRow[]).map(rowOf);
  const settings = new Map((database.prepare('SELECT * FROM settings').all() as { name: string; value: string }[]).map(({ name, value }) => [name, value]));
  return { rows, settings: { isPaused: settings.get('paused') === 'true', largest: BigInt(settings.get('largest') ?? -1) } };
}

class SqliteDisk implements Disk {
  readonly folder: string;
  #loaded: Loaded | undefined;
  readonly #file: string;
  readonly #database: Database.Database;
  readonly #statements: Readonly<Record<'begin' | 'commit' | 'putRow' | 'putRequest' | 'putResult' | 'putSetting' | 'dropRow' | 'dropRequest' | 'dropResult' | 'request' | 'result', Database.Statement>>;

  constructor(folder: string, file: string, database: Database.Database, loaded: Loaded) {
    this.folder = folder;
    this.#loaded = loaded;
    this.#file = file;
    this.#database = database;
    const prepared = (sql: string) => database.prepare(sql);
    this.#statements = {
      begin: prepared('BEGIN IMMEDIATE'), commit: prepared('COMMIT'),
      putRow: prepared(`REPLACE INTO jobs (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`),
      putRequest: prepared('REPLACE INTO requests VALUES (?, ?)'), putResult: prepared('REPLACE INTO results VALUES (?, ?)'), putSetting: prepared('REPLACE INTO settings VALUES (?, ?)'),
      dropRow: prepared('DELETE FROM jobs WHERE seq = ?'), dropRequest: prepared('DELETE FROM requests WHERE seq = ?'), dropResult: prepared('DELETE FROM results WHERE seq = ?'),
      request: prepared('SELECT text FROM requests WHERE seq = ?'), result: prepared('SELECT text FROM results WHERE seq = ?'),
    };
  }

  load(): Loaded {
    const loaded = this.#loaded ?? load(this.#database);
    this.#loaded = undefined;
    return loaded;
  }

  write({ gone, rows, requests, results, settings }: Changes): void {
    const { begin, commit, putRow, putRequest, putResult, putSetting, dropRow, dropRequest, dropResult } = this.#statements;
    try {
      begin.run();
      for (const seq of gone) for (const drop of [dropRow, dropRequest, dropResult]) drop.run([seq]);
      for (const row of rows) putRow.run(valuesOf(row));
      for (const [seq, text] of requests) putRequest.run([seq, text]);
      for (const [seq, text] of results) putResult.run([seq, text]);
      if (settings !== undefined) for (const [name, value] of [['paused', settings.isPaused], ['largest', settings.largest]] as const) putSetting.run([name, String(value)]);
      commit.run();
    } catch (error) {
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
      throw new StoreError(`${this.#file} cannot be written: ${(error as Error).message}`, { cause: error });
    }
  }

  texts(seq: number): JobTexts | undefined {
    const { request, result } = this.#statements;
    const asked = request.get([seq]) as { text: string } | undefined;
    const made = result.get([seq]) as { text: string } | undefined;
    return asked === undefined ? undefined : { request: asked.text, ...(made === undefined ? {} : { result: made.text }) };
  }

  /** Leaves one plain file behind. Closing alone would keep the lock until the statements are collected. */
  close(): void {
    try {
      this.#database.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT count(*) FROM settings');
    } finally {
      this.#database.close();
    }
    rmSync(ownerFile(this.folder), { force: true });
  }
}

function valuesOf({ seq, ending, job, requestBytes, resultBytes, tempFiles }: JobRow): (number | string | null)[] {
  const { id, number, state, clientId, workflowId, createdAt, startedAt, endedAt, kills, outputs, preview, failure } = job;
  return [
    seq, ending, id, number, state, clientId ?? null, workflowId ?? null, createdAt, startedAt ?? null, endedAt ?? null, kills, outputs, preview ?? null,
    failure === undefined ? null : JSON.stringify(failure), tempFiles.length === 0 ? null : JSON.stringify(tempFiles), requestBytes, resultBytes,
  ];
}

function rowOf(row: StoredRow): JobRow {
  const job: Job = {
    id: row.id as string, number: row.number as number, state: row.state as JobState, createdAt: row.created as number, kills: row.kills as number, outputs: row.outputs as number,
    ...(row.client === null ? {} : { clientId: row.client as string }), ...(row.workflow === null ? {} : { workflowId: row.workflow as string }),
    ...(row.started === null ? {} : { startedAt: row.started as number }), ...(row.ended === null ? {} : { endedAt: row.ended as number }),
    ...(row.preview === null ? {} : { preview: row.preview as string }), ...(row.failure === null ? {} : { failure: JSON.parse(row.failure as string) as NonNullable<Job['failure']> }),
  };
  return {
    seq: row.seq as number, ending: row.ending as number, job, requestBytes: row.request_bytes as number, resultBytes: row.result_bytes as number,
    tempFiles: row.temp_files === null ? [] : JSON.parse(row.temp_files as string) as string[],
  };
}

function setAside(file: string): string {
  const aside = `${file}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
  renameSync(file, aside);
  for (const ending of ['-wal', '-shm']) {
    try {
      renameSync(`${file}${ending}`, `${aside}${ending}`);
    } catch {
      // there is none
    }
  }
  return aside;
}

/** Who holds the lock, for the message alone: what counts is the lock. */
function ownerOf(folder: string): string {
  try {
    const { pid, host, since } = JSON.parse(readFileSync(ownerFile(folder), 'utf8')) as { pid: number; host: string; since: string };
    return `: pid ${pid} on ${host}, since ${since}`;
  } catch {
    return '';
  }
}

function ownerFile(folder: string): string {
  return path.join(folder, 'server.json');
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code);
}

function isDamage(error: unknown): boolean {
  return ['SQLITE_CORRUPT', 'SQLITE_NOTADB'].includes(codeOf(error)) || error instanceof SyntaxError;
}
