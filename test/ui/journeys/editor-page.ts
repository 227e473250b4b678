// The page in a real Chromium as a person has it: opens it, points at nodes, slots and fields, and collects what its console says.
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import type { TestHook } from '../../../ui/app/test-hook.ts';

export interface DocNode { readonly id: string; readonly type: string; readonly pos: readonly number[]; readonly size: readonly number[]; readonly mode: number; readonly title?: string; readonly color?: string; readonly flags: { collapsed?: boolean; pinned?: boolean }; readonly values: Record<string, unknown>; readonly inputs: readonly { name: string; link: string | null }[] }

interface Spot { readonly x: number; readonly y: number }
type Part = 'value' | 'control' | 'filter' | 'upload' | 'text';

export interface EditorPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors and warnings of the console, exceptions, and requests that the page's policy refused. */
  readonly complaints: string[];
  /** Asks the page's test hook. */
  ask<K extends keyof TestHook>(what: K, ...given: Parameters<TestHook[K]>): Promise<Awaited<ReturnType<TestHook[K]>>>;
  /** A node of the shown layer by its type (the `nth` of them); waits for it. */
  node(type: string, nth?: number): Promise<string>;
  title(node: string): Promise<Spot>;
  slot(node: string, side: 'in' | 'out', slot: string | number): Promise<Spot>;
  field(node: string, input: string, part?: Part): Promise<Spot>;
  drag(from: Spot, to: Spot, options?: { readonly keep?: boolean }): Promise<void>;
  /** Opens a template from the start card. */
  begin(card: string): Promise<void>;
  /** Drops a file on the canvas, on its middle unless told where. */
  drop(name: string, mime: string, bytes: Uint8Array, at?: Spot): Promise<void>;
  /** Waits until an expression holds in the page (Playwright's own waiting evaluates there, which the page's policy forbids). */
  until(expression: string, timeoutMs?: number): Promise<void>;
  /** Opens a workflow file, all of it in sight. */
  open(text: string, title?: string): Promise<void>;
  doc(): Promise<{ readonly root: { readonly nodes: Record<string, DocNode>; readonly links: Record<string, { from: string; fromSlot: number; to: string; toSlot: number; type: string }>; readonly groups: Record<string, { title: string; box: number[] }>; readonly reroutes: Record<string, { pos: number[] }> } }>;
  /** The request that running sends, as the server got it. */
  runAndCatch(press: () => Promise<void>): Promise<{ readonly prompt: Record<string, { class_type: string; inputs: Record<string, unknown> }>; readonly [key: string]: unknown }>;
  /** Waits until no job waits or runs and `count` have ended. */
  untilDone(count: number): Promise<void>;
  /** While `act` makes the server go and come back, what Chromium itself says about that is no complaint; waits until the page is connected again. */
  withoutServer(act: () => Promise<void>): Promise<void>;
  /** While `act` saves what somebody else has changed, what Chromium itself says about the server's refusal is no complaint. */
  aboutRefusal(act: () => Promise<void>): Promise<void>;
  picture(name: string): Promise<string>;
  close(): Promise<void>;
}

export const picturesFolder = path.join(tmpdir(), 'bagelgraph-journeys');

/** What Chromium itself writes, whatever a page does, when a server refuses a write because the file has changed. */
const ofARefusal = /^Failed to load resource: the server responded with a status of (409|412) /;
/** The same when a server does not answer. */
const ofTheBrowser = /^(Failed to load resource: net::ERR_(CONNECTION_REFUSED|INTERNET_DISCONNECTED|EMPTY_RESPONSE|CONNECTION_RESET|INCOMPLETE_CHUNKED_ENCODING)|WebSocket connection to '[^']*' failed: )/;

export async function openEditor(browser: Browser, url: string, { path: place = '/?e2e=1', ...options }: BrowserContextOptions & { readonly path?: string } = {}): Promise<EditorPage> {
  const context = await browser.newContext({ viewport: { width: 1600, height: 900 }, acceptDownloads: true, ...options });
  return pageIn(context, url, place);
}

/** Another page of the same browser profile. */
export async function pageIn(context: BrowserContext, url: string, place = '/?e2e=1'): Promise<EditorPage> {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  let isAway = false;
  let mayBeRefused = false;
  page.on('console', (one) => {
    if ((one.type() === 'error' || one.type() === 'warning') && !(isAway && ofTheBrowser.test(one.text())) && !(mayBeRefused && ofARefusal.test(one.text()))) complaints.push(`${one.text()} ${one.location().url}`);
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(`${url}${place}`);
  const until = async (expression: string, timeoutMs = 15_000) => {
    const end = Date.now() + timeoutMs;
    while (await page.evaluate(`Boolean(${expression})`).catch(() => false) !== true) {
      if (Date.now() > end) throw new Error(`the page never came to ${expression}`);
      await page.waitForTimeout(20);
    }
  };
  await until('window.__bagel');
  const ask: EditorPage['ask'] = (what, ...given) => page.evaluate(`__bagel.${what}(${given.map((one) => JSON.stringify(one) ?? 'undefined').join()})`);
  const must = <T>(found: T | undefined | null, what: string): T => {
    if (found === undefined || found === null) throw new Error(`the page shows no ${what}`);
    return found;
  };
  const editor: EditorPage = {
    page, context, complaints, ask, until,
    async node(type, nth = 0) {
      const find = `Object.values(__bagel.doc()?.root.nodes ?? {}).filter((one) => one.type === ${JSON.stringify(type)})[${nth}]?.id`;
      await until(`${find} !== undefined`);
      await ask('idle');
      return page.evaluate<string>(find);
    },
    async title(node) {
      const box = must(await ask('nodeBox', node), `node ${node}`);
      const { scale } = must(await ask('view'), 'canvas');
      return { x: box.x + Math.min(60, box.width / 2), y: box.y + 15 * scale };
    },
    slot: async (node, side, slot) => must(await ask('slotPoint', node, side, slot), `slot ${side} ${slot} of ${node}`),
    async field(node, input, part) {
      const box = must(await ask('widgetBox', node, input, part), `field ${input} of ${node}`);
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    },
    async drag(from, to, { keep = false } = {}) {
      await page.mouse.move(from.x, from.y);
      await page.mouse.down();
      await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 3 });
      await page.mouse.move(to.x, to.y, { steps: 3 });
      if (!keep) await page.mouse.up();
      await ask('idle').catch(() => undefined);
    },
    async begin(card) {
      await page.getByRole('button', { name: card }).first().click();
      await until('__bagel.doc() !== undefined');
      await ask('idle');
    },
    async drop(name, mime, bytes, { x, y } = { x: 700, y: 400 }) {
      const transfer = await page.evaluateHandle(({ name: called, mime: type, text }) => {
        const given = new DataTransfer();
        given.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], called, { type }));
        return given;
      }, { name, mime, text: Buffer.from(bytes).toString('base64') });
      const target = page.locator('canvas').first();
      for (const step of ['dragenter', 'dragover', 'drop']) await target.dispatchEvent(step, { dataTransfer: transfer, clientX: x, clientY: y });
    },
    async open(text, title = 'journey') {
      await until("__bagel.isReady()");
      if (!await ask('open', text, title)) throw new Error('the page did not open the workflow');
      await ask('idle'); // a new workflow is fitted in the next frame
    },
    doc: () => page.evaluate('__bagel.doc()'),
    async runAndCatch(press) {
      const [request] = await Promise.all([page.waitForRequest((one) => one.method() === 'POST' && new URL(one.url()).pathname.endsWith('/prompt')), press()]);
      return request.postDataJSON() as Awaited<ReturnType<EditorPage['runAndCatch']>>;
    },
    async untilDone(count) {
      await until(`(() => { const jobs = __bagel.jobs(); return jobs.length >= ${count} && jobs.every((one) => one.status !== 'pending' && one.status !== 'in_progress'); })()`, 40_000);
    },
    async withoutServer(act) {
      isAway = true;
      await act();
      await page.getByText(/Connection lost/).first().waitFor({ state: 'hidden' });
      isAway = false;
    },
    async aboutRefusal(act) {
      mayBeRefused = true;
      await act();
      mayBeRefused = false;
    },
    async picture(name) {
      mkdirSync(picturesFolder, { recursive: true });
      const file = path.join(picturesFolder, `${name}.png`);
      await page.screenshot({ path: file });
      return file;
    },
    close: () => context.close(),
  };
  return editor;
}

export const isInside = async (locator: Locator): Promise<boolean> => locator.evaluate((element) => element.contains(document.activeElement));
