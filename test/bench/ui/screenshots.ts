// npm run screenshots: takes the README's pictures of the page, on the real server with the demo model: canvas, a run under way, simple view.
import { mkdir } from 'node:fs/promises';
import sharp from 'sharp';
import { chromiumPath, startBrowser } from '../../ui/canvas/browser.ts';
import { openEditor, type EditorPage } from '../../ui/journeys/editor-page.ts';
import { startServer } from '../../ui/journeys/server.ts';

const folder = 'ui/pictures';
const screen = { viewport: { width: 1440, height: 900 }, colorScheme: 'dark' } as const;

async function take({ page }: EditorPage, name: string, waitMs = 400): Promise<void> {
  await page.mouse.move(4, 899);
  await page.waitForTimeout(waitMs);
  const shot = await page.screenshot();
  await sharp(shot).png({ palette: true, quality: 90, effort: 10 }).toFile(`${folder}/${name}.png`);
  console.log(`${folder}/${name}.png`);
}

if (chromiumPath === undefined) throw new Error('no Chromium was found: install one, or name it by CHROMIUM=PATH');
await mkdir(folder, { recursive: true });
const [browser, server] = await Promise.all([startBrowser(), startServer()]);
try {
  const editor = await openEditor(browser, server.url, screen);
  await take(editor, 'start');
  await editor.begin('Make an image');
  for (let run = 1; run <= 3; run++) {
    await editor.page.keyboard.press('Control+Enter');
    await editor.untilDone(run);
  }
  await editor.page.keyboard.press('Escape');
  await take(editor, 'canvas');
  await editor.page.keyboard.press('Control+Enter');
  await editor.page.getByText(/step (8|9|1\d) of/i).first().waitFor();
  await take(editor, 'run', 0);
  await editor.untilDone(4);
  await editor.close();
  const simple = await openEditor(browser, server.url, { ...screen, path: '/?e2e=1#/app/text-to-image' });
  await simple.page.locator('#simple .go').click();
  await simple.untilDone(5);
  await take(simple, 'simple');
  await simple.close();
} finally {
  await browser.close();
  await server.close();
}
