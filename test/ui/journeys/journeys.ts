// Frames a file of journeys: one server and one browser for all of them, a fresh profile for each, and an empty console after each.
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest';
import { chromiumPath, startBrowser } from '../canvas/browser.ts';
import { openEditor, type EditorPage } from './editor-page.ts';
import { startServer, type Server } from './server.ts';

export interface Given {
  readonly browser: Browser;
  readonly server: Server;
  readonly editor: EditorPage;
}

export function journeys(title: string, define: (given: Given) => void, { flags = [], ...options }: { readonly flags?: readonly string[] } & Parameters<typeof openEditor>[2] = {}): void {
  describe.skipIf(chromiumPath === undefined)(title, () => {
    const given = {} as { -readonly [K in keyof Given]: Given[K] };
    beforeAll(async () => { [given.browser, given.server] = await Promise.all([startBrowser(), startServer(...flags)]); });
    afterAll(async () => {
      await given.browser?.close();
      await given.server?.close();
    });
    beforeEach(async () => {
      await forgetJobs(given.server.url);
      given.editor = await openEditor(given.browser, given.server.url, options);
    });
    afterEach(async ({ task }) => {
      const { editor } = given;
      if (task.result?.state === 'fail' && !editor.page.isClosed()) console.log(await editor.picture(task.name.replaceAll(/\W+/g, '-').slice(0, 60)));
      const wrong = editor.page.isClosed() ? [] : await editor.ask('differences');
      await editor.close();
      expect(wrong).toEqual([]);
      expect(editor.complaints).toEqual([]);
    });
    define(given);
  });
}

/** Stops what runs and forgets what ran, so that each journey sees its own jobs alone. */
async function forgetJobs(url: string): Promise<void> {
  const post = (place: string, body: object) => fetch(`${url}${place}`, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  await post('/queue', { clear: true });
  await post('/interrupt', {});
  await expect.poll(async () => (await (await fetch(`${url}/prompt`)).json() as { exec_info: { queue_remaining: number } }).exec_info.queue_remaining).toBe(0);
  await post('/history', { clear: true });
}
