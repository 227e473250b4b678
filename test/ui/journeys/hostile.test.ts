// Journeys 28 and 29: a workflow file made to run scripts runs none; a page that opens and closes workflows again and again keeps nothing of them.
import { expect, test } from 'vitest';
import { mixed, workflow } from './graphs.ts';
import { journeys } from './journeys.ts';

const evil = '<img src=x onerror="window.hacked=true"><script>window.hacked=true</script>';

journeys('hostile files', (given) => {
  test('journey 28: scripts in titles, labels, groups, choices and names stay text', async () => {
    const { editor } = given;
    const { page } = editor;
    const text = workflow([
      { id: 1, type: 'Fields', title: evil, pos: [40, 80], size: [320, 300], widgets_values: [5, evil, 20, 4, false, evil, evil, evil] },
      { id: 2, type: evil, pos: [500, 80], inputs: [{ name: evil, type: evil, link: null }], outputs: [{ name: evil, type: evil, links: [] }], properties: { [evil]: evil } },
    ], [], { groups: [{ title: evil, bounding: [20, 20, 900, 500], color: evil }], extra: { bagelgraph: { form: { inputs: [{ name: evil, node: 1, input: 'words' }], outputs: [] } } } });
    await editor.open(text, `${evil.replaceAll('/', '')}.json`);
    const at = await editor.title('1');
    await page.mouse.click(at.x, at.y);
    await page.mouse.click(at.x, at.y, { button: 'right' });
    await page.getByRole('menu').first().waitFor();
    await page.keyboard.press('Escape');
    await page.mouse.dblclick(at.x, at.y);
    await page.keyboard.press('Escape');
    const words = await editor.field('1', 'sampler');
    await page.mouse.click(words.x, words.y);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+Enter');
    await editor.until('__bagel.jobs().length + __bagel.problems().length > 0');
    await editor.untilDone(0);
    await editor.ask('idle');
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(await page.locator('img[src="x"]').count()).toBe(0);
  });

  test('journey 29: fifty workflows opened and closed leave no listeners, nodes or memory behind', async () => {
    const { editor } = given;
    const { page } = editor;
    const cdp = await editor.context.newCDPSession(page);
    await cdp.send('Performance.enable');
    const measure = async () => {
      await cdp.send('HeapProfiler.collectGarbage');
      await cdp.send('HeapProfiler.collectGarbage');
      const { metrics } = await cdp.send('Performance.getMetrics');
      const of = (name: string) => metrics.find((one) => one.name === name)!.value;
      return { listeners: of('JSEventListeners'), nodes: of('Nodes'), bytes: of('JSHeapUsedSize') };
    };
    const round = async () => {
      await editor.open(mixed);
      await page.getByRole('button', { name: /^Close / }).first().click();
      await editor.until('__bagel.tabs().tabs.length === 0');
    };
    for (let i = 0; i < 5; i++) await round();
    const before = await measure();
    for (let i = 0; i < 50; i++) await round();
    const after = await measure();
    expect(after.listeners - before.listeners).toBeLessThan(20);
    expect(after.nodes - before.nodes).toBeLessThan(100);
    expect(after.bytes - before.bytes).toBeLessThan(3_000_000);
  });
});
