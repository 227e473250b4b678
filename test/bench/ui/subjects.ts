// The two pages that are compared, driven alike from outside: ours, and ComfyUI's own as its package has it, served by the same program.
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { gzipSync } from 'node:zlib';
import { pageIn } from '../../ui/journeys/editor-page.ts';
import { zoomTo } from './lab.ts';

interface Spot { readonly x: number; readonly y: number }

/** An open page. Expressions are scripts for it. */
export interface Subject {
  readonly page: Page;
  /** From asking for the page to node types read and an empty graph drawn. */
  readonly loadMs: number;
  /** What the page fetched of scripts until then, each compressed by gzip. */
  readonly scriptBytes: number;
  /** Of the graph in sight: how many nodes it has. */
  readonly count: string;
  /** A node's place across, as a number that moving changes. */
  across(node: number): string;
  /** Where in the window titles lie by which a node is dragged: `{ node, x, y }` each. */
  readonly titles: string;
  /** The key that makes of a wheel's turn a zoom, and the turn that zooms by a tenth. */
  readonly zoom: { readonly key?: string; readonly turn: number };
  /** Makes room for a file to be dropped. */
  begin(): Promise<void>;
  /** Sets the scale with the same point of the graph in the window's middle. */
  show(scale: number, middle: Spot): Promise<void>;
  close(): Promise<void>;
}

export interface Kind {
  readonly name: string;
  open(browser: Browser): Promise<Subject>;
}

/** Sums what comes of scripts. */
function countScripts(context: BrowserContext): () => Promise<number> {
  const sizes: Promise<number>[] = [];
  context.on('response', (response) => {
    if (response.request().resourceType() === 'script' && response.ok()) sizes.push(response.body().then((body) => gzipSync(body).length, () => 0));
  });
  return async () => (await Promise.all(sizes.slice())).reduce((sum, size) => sum + size, 0);
}

const viewport = { width: 1600, height: 900 };

export const ours = (url: string): Kind => ({
  name: 'ours',
  async open(browser) {
    const context = await browser.newContext({ viewport });
    const scripts = countScripts(context);
    const start = performance.now();
    const editor = await pageIn(context, url);
    await editor.ask('idle');
    await editor.page.getByRole('button').first().waitFor();
    const loadMs = performance.now() - start;
    return {
      page: editor.page, loadMs, scriptBytes: await scripts(),
      count: '__bagel.ids().length',
      across: (node) => `Math.round(__bagel.nodeBox('${node}').x)`,
      titles: '__bagel.ids().map((id) => { const { x, y, width } = __bagel.nodeBox(id); return { node: Number(id), x: x + width / 4, y: y + 15 * __bagel.view().scale }; })',
      zoom: { key: 'Control', turn: 19 },
      begin: () => editor.begin('Blank'),
      // by hand: its own zooming is by the mouse, and the middle of a file that was fitted lies in the window's middle
      show: (scale) => zoomTo(editor, scale),
      close: () => editor.close(),
    };
  },
});

/** The page under a folder that `server` serves with --front-end-root. With `areNodesElements` it draws nodes as elements (its "Nodes 2.0"), else on the canvas. */
export const theirs = (url: string, version: string, areNodesElements: boolean): Kind => ({
  name: `ComfyUI ${version}${areNodesElements ? ', Nodes 2.0' : ''}`,
  async open(browser) {
    const settings = { 'Comfy.TutorialCompleted': true, 'Comfy.VueNodes.Enabled': areNodesElements };
    await fetch(`${url}/api/settings`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(settings) });
    const context = await browser.newContext({ viewport });
    const scripts = countScripts(context);
    const start = performance.now();
    const page = await context.newPage();
    await page.goto(url);
    await page.waitForFunction('window.app?.extensionManager && app.graph && window.LiteGraph?.registered_node_types?.Work', null, { timeout: 60_000 });
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    const loadMs = performance.now() - start;
    const scriptBytes = await scripts();
    await page.waitForTimeout(2000); // what it loads later is not to disturb what is measured next
    return {
      page, loadMs, scriptBytes,
      count: 'app.graph.nodes.length',
      across: (node) => `app.graph.getNodeById(${node}).pos[0]`,
      titles: '(() => { const { scale, offset } = app.canvas.ds; return app.graph.nodes.map(({ id, pos, size }) => ({ node: id, x: (pos[0] + size[0] / 4 + offset[0]) * scale, y: (pos[1] - 15 + offset[1]) * scale })); })()',
      zoom: { turn: 100 },
      begin: () => Promise.resolve(),
      show: async (scale, { x, y }) => {
        await page.evaluate(`void (() => { const { ds } = app.canvas; ds.scale = ${scale}; ds.offset[0] = 800 / ${scale} - ${x}; ds.offset[1] = 450 / ${scale} - ${y}; app.canvas.setDirty(true, true); })()`);
        await page.waitForTimeout(1500);
      },
      close: () => context.close(),
    };
  },
});
