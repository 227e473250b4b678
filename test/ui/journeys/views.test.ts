// Journeys 23 to 26: themes and accessibility, the outline by keyboard alone, the simple view at a desk and on a phone, and devices.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { openEditor } from './editor-page.ts';
import { slowChain } from './graphs.ts';
import { journeys } from './journeys.ts';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds serious or critical on the page, as `rule: target`. */
async function flaws(page: Page): Promise<string[]> {
  await page.evaluate(axe); // by the debugger: the page's policy lets no script in
  return page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').flatMap(({ id, nodes }) => nodes.map(({ target }) => id + ': ' + target.join(' '))))`);
}

journeys('views', (given) => {
  test('journey 23: every theme; axe finds nothing serious', async () => {
    const { editor, editor: { page } } = given;
    await editor.begin('Make an image');
    for (const theme of ['dark', 'light', 'contrast']) {
      await page.keyboard.press('Escape');
      await page.keyboard.press('Control+Comma');
      await page.getByLabel('Theme').selectOption(theme);
      expect(await page.locator('html').getAttribute('data-theme')).toBe(theme);
      expect(await flaws(page), `settings, ${theme}`).toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      expect(await flaws(page), `graph, ${theme}`).toEqual([]);
      await page.getByRole('button', { name: 'Simple' }).click();
      await page.getByRole('textbox', { name: 'Prompt' }).waitFor();
      expect(await flaws(page), `simple view, ${theme}`).toEqual([]);
      await page.getByRole('button', { name: 'Graph', exact: true }).click();
    }
  });

  test('journey 24: three nodes are added, connected, set and run by keyboard alone', async () => {
    const { editor, editor: { page } } = given;
    await editor.begin('Make an image');
    await page.keyboard.press('Alt+n');
    await editor.until('__bagel.doc() === undefined');
    await page.getByRole('button', { name: 'Blank' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('treeitem').or(page.getByText('No nodes yet.')).first().waitFor();
    await editor.ask('idle');
    for (const name of ['BAGEL Text to Image', 'Load BAGEL', 'Save Image']) {
      await page.getByRole('button', { name: 'Add a node' }).first().focus();
      await page.keyboard.press('Enter');
      await page.keyboard.type(name);
      await page.keyboard.press('Enter');
      await editor.ask('idle');
    }
    const draw = await editor.node('Bagel.TextToImage');
    const row = (key: string) => page.getByRole('treeitem', { name: key });
    await row('BAGEL Text to Image').focus();
    await page.keyboard.press('c'); // to its first free input
    await page.keyboard.press('c');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await row('Save Image').focus();
    await page.keyboard.press('c');
    await page.keyboard.press('c');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(Object.values((await editor.doc()).root.links).length).toBe(2);
    for (const [field, value] of [['prompt', 'a red circle'], ['width', '128'], ['height', '128'], ['steps', '10']] as const) {
      await row(field).focus();
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor();
      await page.keyboard.press('Control+a');
      await page.keyboard.type(value);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
    expect((await editor.doc()).root.nodes[draw]!.values).toMatchObject({ prompt: 'a red circle', width: 128, height: 128, steps: 10 });
    await page.keyboard.press('Control+Enter');
    await editor.untilDone(1);
    expect((await editor.ask('jobs') as { status: string }[])[0]!.status).toBe('completed');
  });

  test('journey 25: the simple view draws; its picture is looked at, then edited; the graph has the same values', async () => {
    const { editor, editor: { page } } = given;
    await page.getByRole('button', { name: 'Simple' }).click();
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a large green square on a white background');
    await page.getByRole('combobox', { name: 'Image ratio' }).selectOption('4:3');
    await page.getByRole('button', { name: 'Settings', exact: true }).last().click();
    await page.getByRole('slider', { name: 'Timesteps' }).fill('15');
    const prompt = await editor.runAndCatch(() => page.getByRole('button', { name: 'Generate' }).click());
    expect(Object.values(prompt.prompt).find(({ class_type }) => class_type === 'Bagel.TextToImage')!.inputs).toMatchObject({ prompt: 'a large green square on a white background', width: 128, height: 96, steps: 15, think: false });
    await editor.untilDone(1);
    await page.getByRole('button', { name: /^Open bagel_/ }).first().click();
    await page.getByRole('dialog').getByRole('img').first().waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Zoom in' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Edit this' }).click();
    await page.getByRole('button', { name: 'Edit', exact: true }).waitFor();
    await expect.poll(async () => Object.values((await editor.doc()).root.nodes).find(({ type }) => type === 'LoadImage')?.values['image']).toMatch(/^bagel_/);
    await page.getByRole('button', { name: 'Edit', exact: true }).click();
    await editor.untilDone(2);
    await page.getByRole('button', { name: /^Open bagel-edit_/ }).first().waitFor();
    await page.getByRole('button', { name: 'Show the graph' }).click();
    await editor.ask('idle');
    expect(await editor.ask('nodeBox', await editor.node('Bagel.EditImage'))).toBeDefined();
  });

  test('journey 25: a phone asks about a picture at the address of a workflow', async () => {
    const { browser, server } = given;
    const phone = await openEditor(browser, server.url, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, path: '/app/understand?e2e=1' });
    try {
      const { page } = phone;
      await page.getByRole('textbox', { name: 'Prompt' }).fill('what color is the circle?');
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
      for (const button of await page.locator('#simple button:visible').all()) expect((await button.boundingBox())!.height).toBeGreaterThanOrEqual(24);
      await page.getByRole('button', { name: 'Ask', exact: true }).tap();
      await phone.untilDone(1);
      await page.getByText('red', { exact: true }).waitFor();
      expect(phone.complaints).toEqual([]);
    } finally {
      await phone.close();
    }
  });

  test('journey 26: devices show their memory; a node is placed on one, and runs there', async () => {
    const { editor, editor: { page } } = given;
    await editor.begin('Make an image');
    const draw = await editor.node('Bagel.Load');
    await page.getByRole('meter', { name: 'cpu:1' }).waitFor();
    const used = async (name: string) => Number(await page.getByRole('meter', { name }).getAttribute('aria-valuenow'));
    expect(await used('Memory of this computer')).toBeGreaterThan(0);
    await page.keyboard.press('Escape');
    const vision = await editor.field(draw, 'vision_device');
    await page.mouse.click(vision.x, vision.y);
    await page.getByRole('listbox').getByRole('option', { name: 'cpu:1' }).click();
    expect((await editor.doc()).root.nodes[draw]!.values['vision_device']).toBe('cpu:1');
    // an empty text is shown as such
    const ratio = await editor.field(await editor.node('Bagel.TextToImage'), 'ratio');
    await page.mouse.click(ratio.x, ratio.y);
    expect(await page.getByRole('textbox', { name: 'ratio' }).inputValue()).toBe('');
    await page.keyboard.press('Escape');
    const spot = await editor.title(draw);
    await page.mouse.click(spot.x, spot.y);
    await page.getByRole('combobox', { name: 'Device of the selected nodes' }).selectOption('cpu:1');
    await page.getByText('Nodes placed here: 1').waitFor();
    await page.keyboard.press('Control+Enter');
    await editor.untilDone(1);
    const runs = await editor.ask('runs') as { runs: Record<string, { nodes: Record<string, { device?: string }> }> };
    expect(Object.values(runs.runs).flatMap(({ nodes }) => Object.values(nodes).map(({ device }) => device))).toContain('cpu:1');
    // a worker's memory is its own, and known once it has started
    while (await used('cpu:1') === 0) await page.waitForTimeout(100);
    await page.getByText(/Parts of models: [1-9]/).first().waitFor();
  });

  test('the devices panel asks one question at a time, however many runs begin and end', async () => {
    const { editor, editor: { page } } = given;
    await editor.open(slowChain(2, 20).replace('"fixed"', '"increment"'));
    let [asking, most, asked] = [0, 0, 0];
    await page.route('**/api/system_stats', async (route) => {
      most = Math.max(most, ++asking);
      asked++;
      const response = await route.fetch();
      await new Promise((resolve) => setTimeout(resolve, 300)); // a server with much to do
      asking--;
      await route.fulfill({ response });
    });
    for (let i = 0; i < 10; i++) await page.keyboard.press('Control+Enter');
    await editor.untilDone(10);
    while (asked < 2) await page.waitForTimeout(50);
    expect(most).toBe(1);
    await page.unroute('**/api/system_stats');
  });
}, { flags: ['--devices', 'cpu:0,cpu:1'] });
