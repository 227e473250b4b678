// What a day of jobs leaves in the page: script memory after the first jobs and after a thousand more, each with previews and a picture of its own.
import { openEditor, type EditorPage } from '../../ui/journeys/editor-page.ts';
import { slowChain } from '../../ui/journeys/graphs.ts';
import type { Row } from '../table.ts';
import { heapBytes, type Lab } from './lab.ts';

/** Until code is compiled and lists are full. */
const warmUps = 500;
const jobs = 1000;
const atOnce = 50;

export async function benchJobs({ browser, server }: Lab): Promise<Row[]> {
  const editor = await openEditor(browser, server.url);
  await editor.open(slowChain(4, 1).replace('"fixed"', '"increment"'));
  await run(editor, warmUps);
  const before = await heapBytes(editor.page);
  const start = performance.now();
  await run(editor, jobs);
  const seconds = (performance.now() - start) / 1000;
  const after = await heapBytes(editor.page);
  if (editor.complaints.length > 0) throw new Error(`the page complains: ${editor.complaints[0]}`);
  await editor.close();
  return [{ name: `page, heap after ${jobs} more jobs`, value: (after / before - 1) * 100, unit: '%', goal: '< 10', note: `${(before / 1e6).toFixed(1)} MB after ${warmUps} jobs, ${(after / 1e6).toFixed(1)} MB then; ${(jobs / seconds).toFixed(0)} jobs a second` }];
}

/** By the keys a person presses, some waiting in the queue at any time. */
async function run(editor: EditorPage, count: number): Promise<void> {
  const ask = <T>(route: string, of: string) => editor.page.evaluate<T>(`fetch('${route}').then((answer) => answer.json()).then((answer) => answer.${of})`);
  const before = await ask<number>('/api/jobs?limit=1', 'pagination.total');
  for (let sent = 0; sent < count; sent += atOnce) {
    for (let i = 0; i < atOnce; i++) await editor.page.keyboard.press('Control+Enter');
    while (await ask<number>('/prompt', 'exec_info.queue_remaining') > 0) await editor.page.waitForTimeout(50);
    await editor.until("__bagel.jobs().every(({ status }) => status !== 'pending' && status !== 'in_progress')", 60_000);
  }
  const made = await ask<number>('/api/jobs?limit=1', 'pagination.total') - before;
  if (made !== count) throw new Error(`${made} of ${count} jobs ran`);
}
