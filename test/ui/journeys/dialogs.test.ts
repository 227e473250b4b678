// What lies over the page: settings given away and taken back, two pictures compared, dialogs for those who cannot see them, and all of it
// in Chinese.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { openEditor } from './editor-page.ts';
import { fields, slowChain } from './graphs.ts';
import { journeys } from './journeys.ts';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function flaws(page: Page): Promise<string[]> {
  await page.evaluate(axe); // by the debugger: the page's policy lets no script in
  return page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').flatMap(({ id, nodes }) => nodes.map(({ target }) => id + ': ' + target.join(' '))))`);
}

/** Texts and names in sight that hold Latin words and nothing Chinese. */
const latin = (page: Page) => page.evaluate<string[]>(`(() => {
  const found = new Set();
  const look = (text) => { if (/[A-Za-z]{2}/.test(text) && !/\\p{Script=Han}/u.test(text)) found.add(text.trim()); };
  for (const element of document.querySelectorAll('body *')) {
    if (!element.checkVisibility() || element.closest('script, style')) continue;
    for (const name of ['aria-label', 'title', 'placeholder']) look(element.getAttribute(name) ?? '');
    for (const child of element.childNodes) if (child.nodeType === Node.TEXT_NODE) look(child.data);
  }
  return [...found].sort();
})()`);

journeys('over the page', (given) => {
  test('settings are exported, and another browser takes them', async () => {
    const { editor: { page }, browser, server } = given;
    await page.keyboard.press('Control+Comma');
    await page.getByLabel('Theme').selectOption('contrast');
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()]);
    const file = await download.path();
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ theme: 'contrast' });
    const other = await openEditor(browser, server.url);
    await other.page.keyboard.press('Control+Comma');
    await other.page.getByLabel('Theme').waitFor();
    await other.page.locator('input[type=file][accept=".json"]').setInputFiles({ name: 'settings.json', mimeType: 'application/json', buffer: await readFile(file) });
    await expect.poll(() => other.page.locator('html').getAttribute('data-theme')).toBe('contrast');
    await other.page.locator('input[type=file][accept=".json"]').setInputFiles({ name: 'other.json', mimeType: 'application/json', buffer: Buffer.from('{"nodes":[]}') });
    await other.page.getByText(/other\.json/).first().waitFor(); // told by name, and nothing changes
    expect(await other.page.locator('html').getAttribute('data-theme')).toBe('contrast');
    expect(other.complaints).toEqual([]);
    await other.close();
  });

  test('two pictures are compared: the line between them is moved by keys', async () => {
    const { editor, editor: { page } } = given;
    for (const count of [1, 2]) {
      await editor.open(slowChain(count, 1));
      await page.keyboard.press('Control+Enter');
      await editor.untilDone(count);
    }
    await page.locator('.results .picture').first().click();
    const viewer = page.getByRole('dialog');
    await viewer.getByRole('button', { name: 'Compare' }).click();
    const slider = viewer.getByRole('slider');
    const second = viewer.locator('img.second');
    await second.waitFor();
    const names = await viewer.locator('.frame img').evaluateAll((all) => all.map((one) => one.getAttribute('alt')));
    expect(new Set(names).size).toBe(2);
    expect(await second.evaluate((element) => getComputedStyle(element).clipPath)).toContain('50%');
    await slider.focus();
    await page.keyboard.press('Home');
    await expect.poll(() => second.evaluate((element) => getComputedStyle(element).clipPath)).toMatch(/inset\((0px|0px 0px 0px 0%)\)/);
    await page.keyboard.press('End');
    await expect.poll(() => second.evaluate((element) => getComputedStyle(element).clipPath)).toContain('100%');
    await slider.fill('30');
    await editor.picture('compare');
    expect((await viewer.locator('.divider').boundingBox())!.width).toBeCloseTo(2, 0); // at any zoom; here the picture is eight times its size
    expect(await flaws(page)).toEqual([]);
    await viewer.getByRole('button', { name: 'Compare' }).click();
    await second.waitFor({ state: 'detached' });
  });

  test('axe finds nothing serious in the list of steps and the larger text', async () => {
    const { editor, editor: { page } } = given;
    await editor.open(fields());
    await page.keyboard.press('Control+Alt+z');
    await page.getByRole('dialog', { name: 'Steps of this workflow' }).waitFor();
    expect(await flaws(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const at = await editor.field('1', 'words');
    await page.mouse.click(at.x, at.y);
    await page.locator('textarea.text').waitFor();
    await page.keyboard.press('Alt+Enter');
    await page.getByRole('dialog').getByRole('textbox').waitFor();
    expect(await flaws(page)).toEqual([]);
  });

  test('in Chinese nothing but names is left in Latin letters', async () => {
    const { editor, editor: { page } } = given;
    await page.keyboard.press('Control+Comma');
    await page.getByLabel('Language').selectOption('zh');
    await page.getByText('设置', { exact: true }).first().waitFor();
    await editor.picture('chinese-settings');
    const seen = { settings: await latin(page), start: [] as string[], graph: [] as string[] };
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await editor.picture('chinese-start');
    seen.start = await latin(page);
    await editor.open(fields());
    await page.keyboard.press('Control+Enter');
    await editor.untilDone(1);
    await editor.picture('chinese-graph');
    seen.graph = await latin(page);
    expect(seen).toMatchInlineSnapshot(`
      {
        "graph": [
          "Fields",
          "bagelgraph",
          "cpu:0",
          "journey",
          "seed=5 whole=20 factor=4 is_tiled=false sampler=euler line=one line words=some words",
        ],
        "settings": [
          "Chat",
          "Edit think",
          "Multi image edit",
          "Shared prompt",
          "Text to image think",
          "Understand think",
          "bagelgraph",
          "cpu:0",
        ],
        "start": [
          "Chat",
          "Edit think",
          "Multi image edit",
          "Shared prompt",
          "Text to image think",
          "Understand think",
          "bagelgraph",
          "cpu:0",
        ],
      }
    `);
  });
});

journeys('beside the graph, on two devices', (given) => {
  test('axe finds nothing serious in the queue, where two run and one waits, and in the devices', async () => {
    const { editor, editor: { page } } = given;
    await editor.open(slowChain(100, 800));
    const node = await editor.title('1');
    await page.mouse.click(node.x, node.y);
    for (let run = 0; run < 3; run++) await editor.runAndCatch(() => page.keyboard.press('Control+Enter'));
    const queue = page.getByRole('region', { name: 'Queue' });
    await queue.locator('.is-running').first().waitFor();
    await queue.locator('.is-waiting').waitFor();
    const devices = page.getByRole('region', { name: 'Devices' });
    await devices.getByRole('combobox', { name: 'Device of the selected nodes' }).waitFor();
    expect(await flaws(page)).toEqual([]);
    await page.getByRole('button', { name: 'Pause the queue' }).click();
    await queue.locator('.paused').waitFor();
    expect(await flaws(page)).toEqual([]);
    await page.getByRole('button', { name: 'Go on', exact: true }).click();
    await queue.locator('.paused').waitFor({ state: 'detached' });
  });
}, { flags: ['--devices', 'cpu:0,cpu:1'] });
