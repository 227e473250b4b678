// Journey 25: the form of a workflow: written, run and kept on a large screen, and by fingers on a phone.
import { expect, test } from 'vitest';
import { openEditor, type EditorPage } from './editor-page.ts';
import { journeys } from './journeys.ts';

const prompt = async (editor: EditorPage) => Object.values((await editor.doc()).root.nodes).find(({ type }) => type === 'Bagel.TextToImage')!.values['prompt'];

journeys('the simple view', (given) => {
  test('journey 25: a text is written, the picture drawn; the graph and a saved copy hold the same', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.begin('Make an image');
    await page.getByRole('button', { name: 'Simple' }).or(page.getByRole('tab', { name: 'Simple' })).or(page.getByRole('radio', { name: 'Simple' })).first().click();
    await page.locator('#simple textarea').first().fill('a large green square on a white background');
    await page.locator('#simple .go').click();
    await editor.untilDone(1);
    expect(await editor.ask('jobs')).toMatchObject([{ status: 'completed' }]);
    await page.locator('#simple').getByRole('img', { name: /bagel_.*\.png/ }).first().waitFor();
    expect(await prompt(editor)).toBe('a large green square on a white background');
    await page.keyboard.press('Control+s');
    await page.getByRole('dialog').getByRole('textbox').fill('green');
    await page.keyboard.press('Enter');
    await expect.poll(() => editor.ask('isDirty')).toBe(false);
    expect(await page.locator('#simple textarea').first().inputValue()).toBe('a large green square on a white background');
    expect((JSON.parse((await editor.ask('file'))!) as { extra: { bagelgraph: { form: { inputs: unknown[] } } } }).extra.bagelgraph.form.inputs.length).toBeGreaterThan(3);
  });

  test('journey 25: on a phone everything is in reach of a finger', async () => {
    const editor = await openEditor(given.browser, given.server.url, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 3, path: '/?e2e=1#/app/text-to-image' });
    const { page } = editor;
    const area = page.locator('#simple textarea').first();
    await area.waitFor();
    await area.tap();
    await area.fill('a small red ring on a blue background');
    const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    const run = page.locator('#simple .go');
    const box = (await run.boundingBox())!;
    expect([box.height >= 44, box.x >= 0, box.x + box.width <= 390, box.y + box.height <= 844]).toEqual([true, true, true, true]);
    await run.tap();
    await editor.untilDone(1);
    await page.locator('#simple').getByRole('img', { name: /bagel_.*\.png/ }).first().waitFor();
    expect(await prompt(editor)).toBe('a small red ring on a blue background');
    expect(editor.complaints).toEqual([]);
    await editor.close();
  });

  test.each([['chat', 'The answer appears here.'], ['understand-think', 'The answer appears here.'], ['edit', 'Your picture appears here.']])('the form of %s says what will come', async (name, words) => {
    const editor = await openEditor(given.browser, given.server.url, { path: `/?e2e=1#/app/${name}` });
    await editor.page.locator('#simple').getByText(words).waitFor();
    expect(editor.complaints).toEqual([]);
    await editor.close();
  });
});
