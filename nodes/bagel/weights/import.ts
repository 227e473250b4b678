// Imports a model: converts its weights once into a folder that can be mapped, checks the result against the source, and puts it into place as a whole.
// An import that was broken off goes on where it was. Knows files and threads, no terminal.
import { copyFile, mkdir, open, readdir, rename, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Converted, ConvertJob } from './convert.ts';
import { occupied, tooLittleSpace } from './errors.ts';
import type { ModelSource } from './folder.ts';
import { groupErrors } from './import-errors.ts';
import { jobsFor, nameOfJob, planImport, valuesOf, type ImportPlan } from './import-plan.ts';
import { isImported, manifestName, manifestVersion, readManifest, type HashedFile, type Manifest } from './imported.ts';
import { unfinishedSuffix } from './installed.ts';
import { Workers, type CheckJob, type HashJob } from './jobs.ts';
import { Journal } from './journal.ts';
import type { Precision } from './layout.ts';
import { verifyImport } from './verify-import.ts';

export type Phase = 'checking what is there' | 'converting' | 'hashing' | 'verifying';

export interface ImportProgress {
  readonly phase: Phase;
  /** Of `total`: values where weights are converted, else bytes. */
  readonly done: number;
  readonly total: number;
}

export interface ImportOptions {
  /** The folder to make. */
  readonly to: string;
  /** Name of the format, for the manifest. */
  readonly format: string;
  readonly precision: Precision;
  readonly threads: number;
  readonly signal: AbortSignal;
  progress(progress: ImportProgress): void;
}

/**
 * Imports a model. Throws a UserError where something is in the way, the source is damaged or the disk is too small.
 * Aborted: rejects with the signal's reason; what was done is kept beside the folder, and the same call goes on with it.
 */
export async function importModel(source: ModelSource, options: ImportOptions): Promise<Manifest> {
  const to = path.resolve(options.to);
  await checkTarget(to);
  const plan = planImport(source, options.precision);
  const folder = `${to}${unfinishedSuffix}`;
  await mkdir(path.dirname(to), { recursive: true });
  const journal = await Journal.open(folder, plan.key);
  try {
    await checkSpace(folder, plan);
    await createFiles(folder, plan);
    const workers = new Workers(options.threads);
    const results = await convertAll(plan, folder, journal, workers, options);
    const manifest = await describe(source, plan, folder, results, workers, options);
    await copySmallFiles(source, folder);
    await writeSynced(path.join(folder, manifestName), `${JSON.stringify(manifest, null, 1)}\n`);
    await verifyImport(source, plan, folder, results, options);
    await journal.remove();
    await rename(folder, to);
    return manifest;
  } finally {
    await journal.release();
  }
}

async function checkTarget(to: string): Promise<void> {
  const found = await stat(to).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isDirectory()) throw occupied(to, 'a file');
  if (await isImported(to)) throw occupied(to, `a model that was imported as ${(await readManifest(to)).format}`);
  const entries = await readdir(to);
  if (entries.length > 0) throw occupied(to, `a folder with ${entries.length} entr${entries.length === 1 ? 'y' : 'ies'}`);
}

/** What is there already counts. */
async function checkSpace(folder: string, { files, bytes }: ImportPlan): Promise<void> {
  let there = 0;
  for (const { name } of files) there += await stat(path.join(folder, name)).then(({ blocks }) => blocks * 512, () => 0);
  const { bavail, bsize } = await statfs(folder);
  const needed = Math.max(0, bytes - there) + 16e6;
  if (bavail * bsize < needed) throw tooLittleSpace(folder, needed, bavail * bsize);
}

async function createFiles(folder: string, { files }: ImportPlan): Promise<void> {
  for (const { name, layout } of files) {
    const file = path.join(folder, name);
    if (await stat(file).then(({ size }) => size === layout.bytes, () => false)) continue;
    const handle = await open(file, 'w');
    await handle.truncate(layout.bytes);
    await handle.write(layout.header, 0, layout.header.length, 0);
    await handle.close();
  }
}

/** Results of all jobs: those of earlier runs whose bytes are still what they were, and the others done now. */
async function convertAll(plan: ImportPlan, folder: string, journal: Journal, workers: Workers, { signal, progress }: ImportOptions): Promise<Map<ConvertJob, Converted>> {
  const jobs = plan.files.flatMap((file) => jobsFor(file, folder)).sort((a, b) => valuesOf(b) - valuesOf(a));
  const results = new Map<ConvertJob, Converted>();
  const known = jobs.flatMap((job): CheckJob[] => (journal.finished.has(nameOfJob(job)) ? [{ kind: 'check', job }] : []));
  const counted = (phase: Phase, total: number) => {
    let done = 0;
    progress({ phase, done, total });
    return (more: number) => progress({ phase, done: (done += more), total });
  };
  const checked = counted('checking what is there', known.reduce((sum, { job }) => sum + valuesOf(job), 0));
  await workers.run(known, ({ job }, { checksum, bytes }) => {
    const before = journal.finished.get(nameOfJob(job))!;
    if (checksum === before.checksum && bytes === before.bytes) results.set(job, before);
    checked(valuesOf(job));
  }, signal);
  const left = jobs.filter((job) => !results.has(job));
  const converted = counted('converting', left.reduce((sum, job) => sum + valuesOf(job), 0));
  await workers.run(left, (job, result) => {
    journal.add(nameOfJob(job), result);
    results.set(job, result);
    converted(valuesOf(job));
  }, signal);
  await journal.flush();
  for (const { name } of plan.files) await syncFile(path.join(folder, name));
  return results;
}

async function describe(source: ModelSource, plan: ImportPlan, folder: string, results: ReadonlyMap<ConvertJob, Converted>, workers: Workers, options: ImportOptions): Promise<Manifest> {
  const written = plan.files.map(({ name }) => path.join(folder, name));
  const files = [...source.files, ...written];
  const sizes = new Map<string, number>();
  for (const file of files) sizes.set(file, (await stat(file)).size);
  const hashes = new Map<string, string>();
  let done = 0;
  const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  options.progress({ phase: 'hashing', done, total });
  await workers.run(files.map((file): HashJob => ({ kind: 'hash', file })), ({ file }, hash) => {
    hashes.set(file, hash);
    options.progress({ phase: 'hashing', done: (done += sizes.get(file)!), total });
  }, options.signal);
  const hashed = (file: string): HashedFile => ({ name: path.basename(file), bytes: sizes.get(file)!, sha256: hashes.get(file)! });
  return {
    bagelgraph: manifestVersion, name: source.name, format: options.format, precision: options.precision,
    source: { name: source.name, formats: source.llm.formats, files: source.files.map(hashed) },
    files: written.map(hashed),
    errors: groupErrors(plan, results),
    config: source.config,
  };
}

/** Tokenizer and configuration, for this program and for people. */
async function copySmallFiles(source: ModelSource, folder: string): Promise<void> {
  const { folder: _, ...tokenizer } = source.tokenizerFiles;
  for (const file of Object.values(tokenizer)) await copyFile(file, path.join(folder, path.basename(file)));
  const root = (await stat(source.path)).isDirectory() ? source.path : path.dirname(source.path);
  for (const name of ['llm_config.json', 'vit_config.json', 'config.json']) await copyFile(path.join(root, name), path.join(folder, name)).catch(() => undefined);
}

async function writeSynced(file: string, text: string): Promise<void> {
  await writeFile(file, text);
  await syncFile(file);
}

async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.sync();
  await handle.close();
}
