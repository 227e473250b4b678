// The panels and the form around the graph: what an address opens, results in sight, and what is kept of runs.
import { expect, test } from 'vitest';
import { openEditor } from './editor-page.ts';
import { journeys } from './journeys.ts';

journeys('panels and forms', (given) => {
  for (const name of ['text-to-image', 'understand', 'shared-prompt']) {
    test(`an address opens its workflow and nothing besides: /app/${name}`, async () => {
      const page = await openEditor(given.browser, given.server.url, { path: `/app/${name}?e2e=1` });
      await page.page.locator('#simple textarea').first().waitFor();
      await page.ask('idle');
      await page.page.waitForTimeout(300); // a second one would come now
      expect(((await page.ask('tabs')) as { tabs: unknown[] }).tabs).toHaveLength(1);
      await page.page.reload();
      await page.page.locator('#simple textarea').first().waitFor();
      await page.page.waitForTimeout(300);
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
});
