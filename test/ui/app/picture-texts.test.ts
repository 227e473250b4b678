// Texts in pictures, read as the browser does: what the server writes is read back, other writers' ways too, and damage loses only itself.
import { deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { encodePng, encodeWebp } from '../../../engine/image/encode.ts';
import { pictureTexts } from '../../../ui/app/files/picture-texts.ts';

const pixels = { width: 2, height: 2, channels: 3 as const, data: new Uint8Array(12).fill(90) };
const metadata = new Map([['prompt', '{"1":{"class_type":"T"}}'], ['workflow', '{"nodes":[],"title":"bällen 图"}']]);
const bytesOf = (...parts: readonly (string | Uint8Array)[]) => new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))));

/** A PNG of text chunks alone; nobody here looks at checksums. */
function png(...chunks: readonly (readonly [type: string, content: Uint8Array])[]): Uint8Array<ArrayBuffer> {
  const length = (bytes: number) => { const size = Buffer.alloc(4); size.writeUInt32BE(bytes); return size; };
  return bytesOf('\x89PNG\r\n\x1a\n', ...chunks.flatMap(([type, content]) => [length(content.length), type, content, '\0\0\0\0']));
}

test.each([['PNG', encodePng], ['WebP', encodeWebp]] as const)('what the server writes into a %s is read back', async (_, encode) => {
  const texts = await pictureTexts(new Uint8Array(await encode(pixels, { metadata })));
  expect(JSON.parse(texts.get('prompt')!)).toEqual({ 1: { class_type: 'T' } });
  expect(JSON.parse(texts.get('workflow')!)).toEqual({ nodes: [], title: 'bällen 图' });
});

test('a PNG keeps texts plain, packed, and in Unicode; of two with one name the first counts', async () => {
  const file = png(
    ['tEXt', bytesOf('plain\0caf\xe9 \x80')],
    ['zTXt', bytesOf('packed\0\0', deflateSync(Buffer.from('much text')))],
    ['iTXt', bytesOf('unicode\0\0\0en\0name\0', Buffer.from('图'))],
    ['iTXt', bytesOf('both\0\x01\0\0\0', deflateSync(Buffer.from('é')))],
    ['tEXt', bytesOf('plain\0second')],
  );
  expect(Object.fromEntries(await pictureTexts(file))).toEqual({ plain: 'caf\xe9 \x80', packed: 'much text', unicode: '图', both: 'é' });
});

test('damage loses only itself', async () => {
  const file = png(['zTXt', bytesOf('broken\0\0', 'no deflate')], ['tEXt', bytesOf('no end')], ['iTXt', bytesOf('half\0\0')], ['tEXt', bytesOf('good\0text')], ['tEXt', bytesOf('cut\0away')]);
  expect(Object.fromEntries(await pictureTexts(file.slice(0, file.length - 6)))).toEqual({ good: 'text' });
  for (let end = 0; end < file.length; end += 7) await expect(pictureTexts(file.slice(0, end))).resolves.toBeInstanceOf(Map);
});

test('a small chunk that unpacks to more than 64 MiB is left out', async () => {
  const bomb = deflateSync(Buffer.alloc(65 * 2 ** 20));
  expect(bomb.length).toBeLessThan(100_000);
  expect(Object.fromEntries(await pictureTexts(png(['zTXt', bytesOf('bomb\0\0', bomb)], ['tEXt', bytesOf('after\0it')])))).toEqual({ after: 'it' });
});

test('other files hold no texts, and every cut of a WebP is read without harm', async () => {
  expect((await pictureTexts(bytesOf('GIF89a'))).size).toBe(0);
  expect((await pictureTexts(new Uint8Array())).size).toBe(0);
  const webp = new Uint8Array(await encodeWebp(pixels, { metadata }));
  for (let end = 0; end < webp.length; end++) await expect(pictureTexts(webp.slice(0, end))).resolves.toBeInstanceOf(Map);
});
