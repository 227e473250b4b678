// The panels and the form around the graph: what an address opens, results in sight, and what is kept of runs.
import { expect, test } from 'vitest';
import { openEditor } from './editor-page.ts';
import { fields } from './graphs.ts';
import { journeys } from './journeys.ts';

journeys('panels and forms', (given) => {
  for (const name of ['text-to-image', 'understand', 'shared-prompt']) {
    test(`an address opens its workflow and nothing besides: /app/${name}`, async () => {
      const page = await openEditor(given.browser, given.server.url, { path: `/app/${name}?e2e=1` });
      await page.page.locator('#simple textarea').first().waitFor();
      await page.ask('idle'); // what the address names is open: a second one would be there too
      expect(((await page.ask('tabs')) as { tabs: unknown[] }).tabs).toHaveLength(1);
      await page.page.reload();
      await page.page.locator('#simple textarea').first().waitFor();
      await page.ask('idle');
      expect(((await page.ask('tabs')) as { tabs: unknown[] }).tabs).toHaveLength(1);
      expect(page.complaints).toEqual([]);
      await page.close();
    });
  }

  test('on a phone a result comes wholly into sight by itself', async () => {
    const editor = await openEditor(given.browser, given.server.url, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2, path: '/app/text-to-image?e2e=1' });
    const { page } = editor;
    await page.locator('#simple textarea').first().waitFor();
    await page.locator('#simple .go').tap();
    await editor.untilDone(1);
    const picture = page.locator('#simple').getByRole('img', { name: /bagel_.*\.png/ }).first();
    await picture.waitFor();
    const bar = (await page.locator('#simple .actions').boundingBox())!;
    const tabs = (await page.locator('#simple .tasks').boundingBox())!;
    await expect.poll(async () => {
      const box = (await picture.boundingBox())!;
      return [box.height > 100, box.y >= tabs.y + tabs.height, box.y + box.height <= bar.y];
    }).toEqual([true, true, true]);
    await editor.picture('result-on-a-phone');
    expect(editor.complaints).toEqual([]);
    await editor.close();
  });

  test('the list of steps: what is chosen is the last step done, by click and by keys', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(fields());
    const at = await editor.title('1');
    await editor.drag(at, { x: at.x + 60, y: at.y + 20 });
    await page.keyboard.press('Control+m');
    await page.keyboard.press('Alt+c');
    expect(await editor.ask('steps')).toHaveLength(3);
    const node = async () => (await editor.doc()).root.nodes['1']!;
    const before = await node();
    await page.keyboard.press('Control+Alt+z');
    const dialog = page.getByRole('dialog', { name: 'Steps of this workflow' });
    await dialog.waitFor();
    await expect.poll(() => dialog.getByRole('button').evaluateAll((all) => all.map((one) => one.getAttribute('aria-current')))).toEqual([null, 'step', null, null, null]);
    await dialog.getByRole('button').nth(3).click(); // the move alone is left
    expect([await editor.ask('steps'), (await node()).mode, (await node()).flags.collapsed ?? false]).toEqual([[expect.any(String)], 0, false]);
    expect(await dialog.getByText('undone', { exact: true }).count()).toBe(2);
    await editor.picture('list-of-steps');
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await expect.poll(node).toEqual(before);
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await expect.poll(() => editor.ask('steps')).toEqual([]);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
  });

  test('a text is written in a larger window; closing it is one step, and the words are counted', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(fields());
    const at = await editor.field('1', 'words');
    await page.mouse.click(at.x, at.y);
    await page.locator('textarea.text').waitFor();
    await page.keyboard.press('Alt+Enter');
    const large = page.getByRole('dialog').getByRole('textbox');
    await large.fill('a red ring');
    await page.getByText('10 characters · 3 words').waitFor();
    await editor.picture('larger-text');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect([(await editor.doc()).root.nodes['1']!.values['words'], (await editor.ask('steps')).length]).toEqual(['a red ring', 1]);
  });

  test('more than 100 results: older ones come when they are asked for', async () => {
    const { editor, server } = given;
    const { page } = editor;
    await editor.open(fields());
    const { prompt } = await editor.runAndCatch(() => page.keyboard.press('Control+Enter'));
    await editor.untilDone(1);
    await Promise.all(Array.from({ length: 105 }, () => fetch(`${server.url}/prompt`, { method: 'POST', body: JSON.stringify({ prompt }), headers: { 'content-type': 'application/json' } })));
    await editor.untilDone(100);
    const list = page.locator('.results .list');
    const older = list.getByRole('button', { name: 'Show older ones' });
    await expect.poll(async () => {
      await list.evaluate((element) => { element.scrollTop = element.scrollHeight; });
      return older.count();
    }).toBe(1);
    expect(await editor.ask('jobs')).toHaveLength(100);
    await editor.picture('older-results');
    await older.click();
    await older.waitFor({ state: 'detached' });
    expect(await editor.ask('jobs')).toHaveLength(106);
    expect(await list.locator('article').count()).toBe(106);
  });

  test('a run is started again as it was, also after a reload; only a chosen output is run', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.open(fields());
    const sent = await editor.runAndCatch(() => page.keyboard.press('Control+Enter'));
    await editor.untilDone(1);
    await page.reload();
    await editor.until('window.__bagel');
    const again = await editor.runAndCatch(() => page.getByRole('button', { name: 'Run again, as it was' }).first().click());
    expect([again.prompt, again['extra_data']]).toEqual([sent.prompt, sent['extra_data']]);
    await editor.untilDone(2);
    const title = await editor.title('1');
    await page.mouse.click(title.x, title.y);
    const alone = await editor.runAndCatch(() => page.keyboard.press('Alt+Enter'));
    expect(alone['partial_execution_targets']).toEqual(['1']);
    await editor.untilDone(3);
  });
});
