// Runs the real command as a process, in a folder of its own that goes with the test.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const program = fileURLToPath(new URL('../../bin/bagelgraph.js', import.meta.url));
export const slowPack = fileURLToPath(new URL('./slow-pack', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stderr holds `text`. */
  said(text: string): Promise<void>;
}

/** A folder with the given files: text as it is, anything else as JSON. */
export async function folderWith(files: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-cli-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  return folder;
}

export function start(folder: string, words: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  const child = spawn(process.execPath, [program, ...words], { cwd: folder, env: { ...process.env, DEBUG: '', ...env } });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text; });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const listener of listeners) listener();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  const said = (text: string) => new Promise<void>((resolve, reject) => {
    const look = () => { if (stderr.includes(text)) resolve(); };
    listeners.add(look);
    look();
    void ended.then(() => reject(new Error(`ended without saying ${JSON.stringify(text)}: ${stderr}`)));
  });
  return { child, ended, said };
}

export function bagelgraph(folder: string, ...words: string[]): Promise<Ended> {
  return start(folder, words).ended;
}

/** Nodes of the API form. */
export function node(type: string, inputs: Readonly<Record<string, unknown>> = {}, title?: string): object {
  return { class_type: type, inputs, ...(title === undefined ? {} : { _meta: { title } }) };
}
