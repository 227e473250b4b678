// Journey 1: the first five minutes, from an empty page to a picture, by mouse.
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { chromiumPath, startBrowser } from '../canvas/browser.ts';
import { openEditor, type EditorPage } from './editor-page.ts';
import { startServer, type Server } from './server.ts';

describe.skipIf(chromiumPath === undefined)('the first minutes', () => {
  let browser: Browser;
  let server: Server;
  let editor: EditorPage;
  beforeAll(async () => { [browser, server] = await Promise.all([startBrowser(), startServer()]); });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });
  beforeEach(async () => { editor = await openEditor(browser, server.url); });
  afterEach(async () => {
    expect(await editor.ask('differences')).toEqual([]);
    expect(editor.complaints).toEqual([]);
    await editor.close();
  });

  test('the page opens with a start card and a strict policy', async () => {
    const { page } = editor;
    for (const card of ['Make an image', 'Edit an image', 'Ask about an image', 'Blank']) await expect.poll(() => page.getByRole('button', { name: card }).count()).toBeGreaterThan(0);
    const policy = (await page.request.get(`${server.url}/`)).headers()['content-security-policy'];
    expect(policy).toMatch(/script-src 'self'(;|$)/);
    expect(policy).not.toContain('unsafe-eval');
    expect(await page.evaluate("(() => { try { return Function('return 1')(); } catch { return 'refused'; } })()")).toBe('refused');
    editor.complaints.length = 0; // the refusal above is told
  });

  test('a card opens a valid graph; Ctrl+Enter draws; the picture is in its node and among the results', async () => {
    const { page } = editor;
    await editor.begin('Make an image');
    const draw = await editor.node('Bagel.TextToImage');
    expect(await editor.ask('problems')).toEqual([]);
    await page.keyboard.press('Control+Enter');
    await editor.untilDone(1);
    expect((await editor.ask('jobs') as { status: string }[])[0]!.status).toBe('completed');
    expect(draw).toBeTruthy();
    await expect.poll(() => page.getByRole('region', { name: 'Results' }).getByRole('img').count()).toBeGreaterThan(0);
  });
});
