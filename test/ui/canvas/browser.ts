// A real Chromium for tests of what is drawn and touched: bundles a page's script as the program's page is bundled, serves it under
// the strict Content-Security-Policy of the real one, and collects what its console says.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type CDPSession, type Page } from 'playwright-core';
import { build } from 'vite';

const places = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** Undefined where this machine has none: these tests are then left out. */
export const chromiumPath = places.find((path) => path !== undefined && existsSync(path));

export async function startBrowser(): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({ executablePath: chromiumPath!, args });
}

/** The script of a page in test/ui/canvas/pages, bundled as an ES module (so in strict mode). */
export async function bundle(name: string): Promise<string> {
  const input = fileURLToPath(new URL(`./pages/${name}`, import.meta.url));
  const result = await build({
    configFile: false, logLevel: 'error', root: fileURLToPath(new URL('../../..', import.meta.url)),
    build: { write: false, minify: false, target: 'es2023', rolldownOptions: { input, onwarn: () => undefined, output: { format: 'es' } } },
  });
  const outputs = (Array.isArray(result) ? result : [result]).flatMap((one) => ('output' in one ? one.output : []));
  const chunk = outputs.find((one) => one.type === 'chunk');
  if (chunk === undefined) throw new Error(`no script came out of ${name}`);
  return chunk.code;
}

export interface PageOptions {
  readonly dpr?: number;
  readonly touch?: boolean;
  readonly width?: number;
  readonly height?: number;
  readonly css?: string;
}

export interface OpenPage {
  readonly page: Page;
  readonly cdp: CDPSession;
  /** What the console said, and what was thrown or refused. */
  readonly complaints: string[];
  close(): Promise<void>;
}

const origin = 'http://canvas.test';
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'";

export async function openPage(browser: Browser, script: string, { dpr = 1, touch = false, width = 900, height = 600, css = '' }: PageOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width, height }, deviceScaleFactor: dpr, hasTouch: touch });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (one) => { if (one.type() === 'error' || one.type() === 'warning') complaints.push(one.text()); });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.route(`${origin}/**`, (route) => {
    const path = new URL(route.request().url()).pathname;
    if (path === '/page.js') return route.fulfill({ contentType: 'text/javascript', body: script });
    if (path === '/page.css') return route.fulfill({ contentType: 'text/css', body: `html,body{margin:0;height:100%;overflow:hidden;overscroll-behavior:none} #stage{overflow:hidden;position:absolute;left:20px;top:10px;right:0;bottom:0}\n${css}` });
    if (path === '/') return route.fulfill({ contentType: 'text/html', headers: { 'content-security-policy': policy }, body: '<!doctype html><html><head><meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css"></head><body><div id="stage"></div><script type="module" src="/page.js"></script></body></html>' });
    return route.fulfill({ status: 404, body: '' });
  });
  await page.goto(`${origin}/`);
  if (await page.evaluate('window.isReady') !== true) throw new Error(`the page did not start: ${complaints.join('; ')}`);
  return { page, cdp: await context.newCDPSession(page), complaints, close: () => context.close() };
}

/** Fingers as the screen sends them: each step gives the positions of all that are down. */
export async function touch({ cdp }: OpenPage, type: 'touchStart' | 'touchMove' | 'touchEnd' | 'touchCancel', ...points: readonly (readonly [x: number, y: number])[]): Promise<void> {
  await cdp.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
}
