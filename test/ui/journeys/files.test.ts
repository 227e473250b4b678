// Journeys 14 to 17: saving, two tabs that save the same file, drafts after a crash, dropped files of every kind, and the exported API form.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { pageIn, type EditorPage } from './editor-page.ts';
import { fields, mixed, slowChain } from './graphs.ts';
import { journeys } from './journeys.ts';

const tabs = async (editor: EditorPage) => (await editor.ask('tabs') as { tabs: { id: string; title: string; file?: { path: string } }[] }).tabs;
const toggle = async (editor: EditorPage, node = '5') => {
  const at = await editor.field(node, 'is_tiled');
  await editor.page.mouse.click(at.x, at.y);
  await editor.ask('idle');
};
/** Names a new file in the dialog that saving opens. */
async function saveAs({ page }: EditorPage, name: string): Promise<void> {
  await page.keyboard.press('Control+s');
  await page.getByRole('dialog').getByRole('textbox').fill(name);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
}

/** Opens one of the workflows that are kept on the server. */
async function openSaved(editor: EditorPage, name: string): Promise<void> {
  await editor.page.getByRole('tab', { name: 'Workflows' }).click();
  await editor.page.getByRole('tabpanel', { name: 'Workflows' }).getByTitle(`${name}.json`, { exact: true }).click();
  await editor.until(`__bagel.tabs().tabs.find(({ id }) => id === __bagel.tabs().active)?.title === ${JSON.stringify(name)}`);
  await editor.ask('idle');
}

/** Writes into the long text of a Fields node. */
async function write(editor: EditorPage, words: string): Promise<void> {
  const at = await editor.field('1', 'words');
  await editor.page.mouse.click(at.x, at.y);
  await editor.page.keyboard.press('Control+a');
  await editor.page.keyboard.type(words);
  await editor.page.keyboard.press('Escape');
}

/** What the browser keeps of what is not saved, as text. */
const drafts = ({ page }: EditorPage) => page.evaluate<string>(`new Promise((resolve) => {
  indexedDB.open('bagelgraph').onsuccess = ({ target: { result: database } }) => {
    database.transaction('drafts').objectStore('drafts').getAll().onsuccess = ({ target }) => { database.close(); resolve(JSON.stringify(target.result)); };
  };
})`);

journeys('files', (given) => {
  test('journey 14: saved, the dot goes; after a reload all is as it was', async () => {
    const { editor, server } = given;
    const { page } = editor;
    await editor.open(mixed);
    await toggle(editor);
    expect(await editor.ask('isDirty')).toBe(true);
    await saveAs(editor, 'mine');
    await expect.poll(() => editor.ask('isDirty')).toBe(false);
    const file = path.join(server.folder, 'user/default/workflows/mine.json');
    const saved = await readFile(file, 'utf8');
    expect(JSON.parse(saved)).toEqual(JSON.parse((await editor.ask('file'))!));
    const written = await editor.ask('file');
    await page.reload();
    await editor.until('window.__bagel?.doc() !== undefined');
    expect(await editor.ask('file')).toBe(written);
    expect(await editor.ask('isDirty')).toBe(false);
    await toggle(editor);
    await toggle(editor);
    await page.keyboard.press('Control+s');
    await expect.poll(() => editor.ask('isDirty')).toBe(false);
    expect(await readFile(file, 'utf8')).toBe(saved);
  });

  test('journey 14: saved while typing, and left for another workflow: what was typed is in the file, and in its own workflow', async () => {
    const { editor, server } = given;
    const { page } = editor;
    await editor.open(fields());
    await saveAs(editor, 'typed');
    await expect.poll(() => editor.ask('isDirty')).toBe(false);
    const at = await editor.field('1', 'words');
    await page.mouse.click(at.x, at.y);
    await page.keyboard.type(' and these');
    await page.keyboard.press('Control+s');
    await expect.poll(() => readFile(path.join(server.folder, 'user/default/workflows/typed.json'), 'utf8')).toContain('some words and these');
    await page.mouse.click(at.x, at.y);
    await page.keyboard.type(' too');
    await page.keyboard.press('Alt+n');
    await editor.until('__bagel.doc() === undefined');
    await page.getByRole('tab', { name: 'typed' }).click();
    await editor.until('__bagel.doc() !== undefined');
    expect((await editor.doc()).root.nodes['1']!.values).toMatchObject({ words: 'some words and these too' });
  });

  test('journey 14: two pages save the same file; the second is asked, and both versions stay', async () => {
    const { editor, server } = given;
    const { page } = editor;
    await editor.open(mixed);
    await saveAs(editor, 'shared');
    await expect.poll(() => editor.ask('isDirty')).toBe(false);
    const read = async (name = 'shared') => JSON.parse(await readFile(path.join(server.folder, `user/default/workflows/${name}.json`), 'utf8').catch(() => 'null')) as unknown;
    const other = await pageIn(editor.context, server.url);
    await openSaved(other, 'shared');
    await toggle(other);
    await other.page.keyboard.press('Control+s');
    await expect.poll(() => other.ask('isDirty')).toBe(false);
    const theirs = await read();
    expect(theirs).toEqual(JSON.parse((await other.ask('file'))!));
    expect(other.complaints).toEqual([]);
    await other.page.close();

    const at = await editor.title('5');
    await editor.drag(at, { x: at.x + 40, y: at.y });
    const dialog = page.getByRole('dialog', { name: 'It was changed elsewhere' });
    const save = () => editor.aboutRefusal(async () => {
      await page.keyboard.press('Control+s');
      await dialog.waitFor();
    });
    await save();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    expect([await editor.ask('isDirty'), await read()]).toEqual([true, theirs]);
    await save();
    await dialog.getByRole('button', { name: 'Save under another name' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click();
    await expect.poll(() => editor.ask('isDirty')).toBe(false);
    expect([await read(), await read('shared 2')]).toEqual([theirs, JSON.parse((await editor.ask('file'))!)]);
  });

  test('journey 14: somebody saves in the very moment; the page is asked all the same', async () => {
    const { editor, server } = given;
    const { page } = editor;
    await editor.open(mixed);
    await saveAs(editor, 'raced');
    await expect.poll(async () => (await tabs(editor)).at(-1)?.file?.path).toBe('raced.json'); // written: an untouched workflow was not dirty before either
    const file = path.join(server.folder, 'user/default/workflows/raced.json');
    const theirs = (await readFile(file, 'utf8')).replace('some words', 'their words');
    await page.route((url) => decodeURIComponent(url.pathname).endsWith('/workflows/raced.json'), async (route) => {
      // after whatever the page asked about the file, and before its write arrives
      if (route.request().method() === 'POST') await fetch(`${server.url}/userdata/workflows%2Fraced.json?overwrite=true`, { method: 'POST', body: theirs });
      await route.continue();
    });
    await toggle(editor);
    await editor.aboutRefusal(async () => {
      await page.keyboard.press('Control+s');
      await page.getByRole('dialog', { name: 'It was changed elsewhere' }).waitFor();
    });
    expect([await readFile(file, 'utf8'), await editor.ask('isDirty')]).toEqual([theirs, true]);
  });

  test('journey 15: a page that is closed in the middle of an edit has it when it is opened again', async () => {
    const { editor, server } = given;
    await editor.open(fields());
    await write(editor, 'written just now');
    await editor.page.close({ runBeforeUnload: true }); // at once: no pause in which a draft could be kept
    const again = await pageIn(editor.context, server.url);
    await again.until('__bagel.doc() !== undefined');
    expect((await again.doc()).root.nodes['1']!.values).toMatchObject({ words: 'written just now' });
    expect(await again.ask('isDirty')).toBe(true);
    expect(again.complaints).toEqual([]);
  });

  test('journey 15: the server is killed; what is written meanwhile is kept, and saved when it is back; so is what a page held that crashed', async () => {
    const { editor, server } = given;
    await editor.open(fields());
    await editor.withoutServer(async () => {
      await write(editor, 'before it went');
      await server.kill();
      await editor.page.getByText(/Connection lost/).first().waitFor();
      await write(editor, 'while it was gone');
      await server.restart();
    });
    expect((await editor.doc()).root.nodes['1']!.values).toMatchObject({ words: 'while it was gone' });
    await saveAs(editor, 'survived');
    await expect.poll(() => editor.ask('isDirty')).toBe(false);
    expect(await readFile(path.join(server.folder, 'user/default/workflows/survived.json'), 'utf8')).toContain('while it was gone');

    await write(editor, 'before the crash');
    await expect.poll(() => drafts(editor)).toContain('before the crash');
    await Promise.all([editor.page.waitForEvent('crash'), editor.page.goto('chrome://crash').catch(() => undefined)]);
    await editor.page.close();
    const again = await pageIn(editor.context, server.url);
    await again.until('__bagel.doc() !== undefined');
    expect((await again.doc()).root.nodes['1']!.values).toMatchObject({ words: 'before the crash' });
    expect(again.complaints).toEqual([]);
  });

  test('journey 15: two windows of one browser have drafts of their own, and each has its own back', async () => {
    const { editor, server } = given;
    await editor.open(fields());
    await write(editor, 'of the first');
    await expect.poll(() => drafts(editor)).toContain('of the first');
    const second = await pageIn(editor.context, server.url);
    await second.until('__bagel.isReady()');
    await second.page.getByRole('button', { name: 'Blank' }).waitFor(); // what the first has open is not opened here
    expect(await tabs(second)).toEqual([]);
    await second.open(fields());
    await write(second, 'of the second');
    await write(editor, 'of the first, later');
    await expect.poll(() => drafts(editor)).toMatch(/of the first, later.*of the second|of the second.*of the first, later/s);
    for (const [page, words] of [[editor, 'of the first, later'], [second, 'of the second']] as const) {
      await page.page.reload();
      await page.until('window.__bagel?.doc() !== undefined');
      expect([(await tabs(page)).length, (await page.doc()).root.nodes['1']!.values['words']]).toEqual([1, words]);
    }
    // a window that is gone leaves its draft to the next
    await second.page.close();
    const third = await pageIn(editor.context, server.url);
    await third.until('__bagel.doc() !== undefined');
    expect([(await tabs(third)).length, (await third.doc()).root.nodes['1']!.values['words']]).toEqual([1, 'of the second']);
    expect([...second.complaints, ...third.complaints]).toEqual([]);
  });

  test('journey 16: files of every kind are dropped', async () => {
    const { editor, server } = given;
    const { page } = editor;
    await editor.open(slowChain(1, 1));
    await page.keyboard.press('Control+Enter');
    await editor.untilDone(1);
    const [ours] = (await readdir(path.join(server.folder, 'temp'))).filter((name) => name.endsWith('.png'));
    const drop = async (name: string, mime: string, bytes: Uint8Array) => {
      const before = (await tabs(editor)).length;
      await editor.drop(name, mime, bytes);
      await editor.until(`__bagel.tabs().tabs.length > ${before}`);
      await editor.ask('idle');
      return Object.values((await editor.doc()).root.nodes).map(({ type }) => type).sort();
    };
    const chain = ['ImageInvert', 'PreviewImage', 'SlowImage'];
    expect(await drop('ours.png', 'image/png', await readFile(path.join(server.folder, 'temp', ours!)))).toEqual(chain);
    const webp = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } }).webp().withExif({ IFD0: { Make: `workflow:${slowChain(1, 1)}` } }).toBuffer();
    expect(await drop('theirs.webp', 'image/webp', webp)).toEqual(chain);
    expect(await drop('api.json', 'application/json', Buffer.from(JSON.stringify({ 7: { class_type: 'EmptyImage', inputs: { width: 8, height: 8, batch_size: 1, color: 0 } }, 8: { class_type: 'PreviewImage', inputs: { images: ['7', 0] } } })))).toEqual(['EmptyImage', 'PreviewImage']);
    const before = (await tabs(editor)).length;
    await editor.drop('broken.json', 'application/json', Buffer.from('{"nodes": ['));
    await page.getByText(/broken: line 1/).first().waitFor();
    expect((await tabs(editor)).length).toBe(before);
    await editor.drop('plain.png', 'image/png', await readFile('workflows/pictures/circle.png'));
    await editor.node('LoadImage');
    await expect.poll(async () => Object.values((await editor.doc()).root.nodes).find(({ type }) => type === 'LoadImage')?.values['image']).toMatch(/plain.*\.png/);
  });

  test('journey 17: the exported API form draws the very picture that the page drew', async () => {
    const { editor, server } = given;
    const { page } = editor;
    await editor.begin('Make an image');
    const { prompt } = await editor.runAndCatch(() => page.keyboard.press('Control+Enter'));
    await editor.untilDone(1);
    const [drawn] = (await readdir(path.join(server.folder, 'output'))).filter((name) => name.endsWith('.png'));
    const [download] = await Promise.all([page.waitForEvent('download'), exportApi(editor)]);
    const file = path.join(server.folder, 'exported.json');
    await download.saveAs(file);
    const exported = JSON.parse(await readFile(file, 'utf8')) as typeof prompt;
    const draw = Object.values(exported).find(({ class_type: type }) => type === 'Bagel.TextToImage')!;
    draw.inputs['seed'] = Object.values(prompt).find(({ class_type: type }) => type === 'Bagel.TextToImage')!.inputs['seed'];
    expect(exported).toEqual(prompt);
    await writeFile(file, JSON.stringify(exported));
    const { stdout } = await promisify(execFile)(process.execPath, [path.resolve('bin/bagelgraph.js'), 'run', file, '--output', 'again', '--json'], { cwd: server.folder });
    const { outputs } = JSON.parse(stdout) as { outputs: { files: string[] }[] };
    const pixels = async (name: string) => createHash('sha256').update(await sharp(path.resolve(server.folder, name)).raw().toBuffer()).digest('hex');
    expect(await pixels(outputs[0]!.files[0]!)).toBe(await pixels(path.join('output', drawn!)));
  });
});

async function exportApi({ page }: EditorPage): Promise<void> {
  await page.getByRole('button', { name: 'bagelgraph' }).click();
  await page.getByRole('menuitem', { name: /API/ }).first().click();
}
