// Journey 1: the first five minutes, from an empty page to a picture.
import { expect, test } from 'vitest';
import { journeys } from './journeys.ts';

journeys('the first minutes', (given) => {
  test('journey 1: the page opens with a start card and a strict policy', async () => {
    const { editor: { page, complaints }, server } = given;
    for (const card of ['Make an image', 'Edit an image', 'Ask about an image', 'Blank']) await page.getByRole('button', { name: card }).first().waitFor();
    await page.getByRole('button', { name: 'Edit an image' }).getByText('The demo model draws well but edits badly').waitFor();
    await given.editor.picture('start');
    const policy = (await page.request.get(`${server.url}/`)).headers()['content-security-policy'];
    expect(policy).toMatch(/script-src 'self'(;|$)/);
    expect(policy).not.toContain('unsafe-eval');
    expect(await page.evaluate("(() => { const script = document.createElement('script'); script.textContent = 'window.ran = true'; document.head.append(script); return window.ran; })()")).toBeUndefined();
    await expect.poll(() => complaints.length).toBe(1); // the refusal is told
    complaints.length = 0;
  });

  test('journey 1: a card opens a valid graph; Ctrl+Enter draws; the picture is in its node and among the results', async () => {
    const { editor } = given;
    const { page } = editor;
    await editor.begin('Make an image');
    await editor.node('Bagel.TextToImage');
    expect(await editor.ask('problems')).toEqual([]);
    await page.keyboard.press('Control+Enter');
    await editor.untilDone(1);
    expect((await editor.ask('jobs') as { status: string }[]).map(({ status }) => status)).toEqual(['completed']);
    await page.getByRole('img', { name: /bagel_.*\.png/ }).first().waitFor();
    await expect.poll(async () => (await editor.ask('perf') as { pictureBytes: number }).pictureBytes).toBeGreaterThan(0);
  });
});
