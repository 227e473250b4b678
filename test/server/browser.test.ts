// A real browser before a server with a token: the login page, the session, the policies of pages, and what pages of other origins reach.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { chromiumPath, startBrowser } from '../ui/canvas/browser.ts';
import { serve, type TestServer } from './harness.ts';

const token = '0123456789abcdef0123456789abcdef';

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => { browser = await startBrowser(); });
  afterAll(() => browser.close());

  async function visit(url: string): Promise<{ readonly page: Page; readonly complaints: string[] }> {
    const context = await browser.newContext();
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (said) => { if (said.type() === 'error') complaints.push(said.text()); });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(url);
    return { page, complaints };
  }

  async function logIn(server: TestServer): Promise<Page> {
    const { page } = await visit(server.url);
    await page.getByLabel(/token/i).fill(token);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL(`${server.url}/`);
    return page;
  }

  /** Tries, in the page, to reach the server at `url` by every way there is; gives what was let in. */
  const reach = (page: Page, url: string) => page.evaluate(`(async (at) => {
    const asked = (what, options) => fetch(at + what, options).then((response) => (response.type === 'opaque' ? 'opaque' : String(response.status)), () => 'refused');
    const socket = await new Promise((resolve) => {
      const opened = new WebSocket(at.replace('http', 'ws') + '/ws');
      opened.onopen = () => resolve('open');
      opened.onerror = () => resolve('refused');
    });
    return { socket, read: await asked('/prompt', { credentials: 'include' }), write: await asked('/queue/pause', { method: 'POST', credentials: 'include' }), simple: await asked('/queue/pause', { method: 'POST', mode: 'no-cors', credentials: 'include' }) };
  })(${JSON.stringify(url)})`) as Promise<Readonly<Record<'socket' | 'read' | 'write' | 'simple', string>>>;

  const isPaused = async (server: TestServer) => ((await (await fetch(`${server.url}/queue/order`, { headers: { Authorization: `Bearer ${token}` } })).json()) as { paused: boolean }).paused;

  async function pageRoot(files: Readonly<Record<string, string>>): Promise<string> {
    const root = await mkdtemp(path.join(tmpdir(), 'bagelgraph-page-'));
    onTestFinished(() => rm(root, { recursive: true, force: true }));
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(root, name), text);
    return root;
  }

  test('one logs in with the token, and then requests and sockets of our page work until one logs out', async () => {
    const server = await serve({ token, ownPageRoot: await pageRoot({ 'index.html': '<!doctype html><link rel="icon" href="data:,"><title>ours</title>' }) });
    const { page, complaints } = await visit(server.url);
    expect(await page.evaluate('getComputedStyle(document.forms[0]).display')).toBe('grid'); // its style passes its own policy
    await page.getByLabel(/token/i).fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    expect(await page.getByRole('alert').textContent()).toBe('That is not the token.');
    expect(complaints.filter((text) => !text.includes('401'))).toEqual([]);
    const inside = await logIn(server);
    expect(await inside.evaluate('document.cookie')).toBe('');
    expect(await reach(inside, server.url)).toEqual({ socket: 'open', read: '200', write: '200', simple: '200' });
    expect(await isPaused(server)).toBe(true);
    expect(await inside.evaluate("fetch('/api/logout', { method: 'POST' }).then(({ status }) => status)")).toBe(200);
    await inside.reload();
    expect(await inside.getByRole('button', { name: 'Log in' }).isVisible()).toBe(true);
  });

  test('a page on another port, which is the same site, reaches nothing with the cookie of someone who is logged in', async () => {
    const other = createServer((_request, response) => response.end('<!doctype html><title>other</title>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => new Promise<void>((resolve) => {
      other.close(() => resolve());
      other.closeAllConnections();
    }));
    const server = await serve({ token });
    const page = await logIn(server);
    await page.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}/`);
    const { socket, read, write } = await reach(page, server.url);
    expect([socket, read, write]).toEqual(['refused', 'refused', 'refused']);
    expect(await isPaused(server)).toBe(false);
    const open = await serve(); // nor where there is no token
    const there = await reach(page, open.url);
    expect([there.socket, there.read, there.write]).toEqual(['refused', 'refused', 'refused']);
    expect(((await open.json('/queue/order')) as { paused: boolean }).paused).toBe(false);
  });

  test('our page may run its own scripts and no others; one given for ComfyUI may run inline ones', async () => {
    const attempt = "document.title += ' inline'; try { (0, eval)('document.title += \" eval\"'); } catch {}";
    const html = `<!doctype html><link rel="icon" href="data:,"><title>page</title><script>${attempt}</script><script type="module" src="/own.js"></script><body style="color: red">`;
    const root = await pageRoot({ 'index.html': html, 'own.js': "document.title += ' own'; try { (0, eval)('document.title += \" eval\"'); } catch {} document.body.dataset.done = '1';" });
    const titleOf = async (kind: 'ownPageRoot' | 'frontEndRoot') => {
      const server = await serve({ [kind]: root });
      const { page } = await visit(server.url);
      await page.waitForSelector('body[data-done]', { state: 'attached' });
      return page.title();
    };
    expect([await titleOf('ownPageRoot'), await titleOf('frontEndRoot')]).toEqual(['page own', 'page inline eval own eval']);
  });
});
