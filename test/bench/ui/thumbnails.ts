// npm run thumbnails: the pictures of the ready workflows, workflows/NAME.jpg, from what each really makes on the demo model: pictures given
// lie left of those made, answers are written below.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';

const side = 256;
const workflows = path.resolve('workflows');
const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-thumbnails-'));

interface Made { readonly pictures: readonly string[]; readonly text: string }

async function run(file: string): Promise<Made> {
  const { stdout } = await promisify(execFile)(process.execPath, [path.resolve('bin/bagelgraph.js'), 'run', file, '--json', '--quiet'], { cwd: folder });
  const { outputs } = JSON.parse(stdout) as { outputs: { files: string[]; text: string[] }[] };
  const text = outputs.flatMap((output) => output.text).find((one) => /[a-z]/i.test(one)) ?? '';
  return { pictures: outputs.flatMap(({ files }) => files), text: text.replace(/<think>[^]*<\/think>/, '').trim() };
}

/** Example pictures that the workflow names. */
async function givenTo(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8');
  return (await readdir(path.join(workflows, 'pictures'))).filter((name) => text.includes(`"${name}`)).map((name) => path.join(workflows, 'pictures', name));
}

async function draw(parts: readonly string[], caption: string): Promise<Buffer> {
  const width = Math.ceil(side / parts.length);
  const strips = await Promise.all(parts.map(async (part, i) => ({ left: i * width, top: 0, input: await sharp(part).flatten({ background: '#ffffff' }).resize(width, side - (caption === '' ? 0 : 52), { fit: 'cover' }).toBuffer() })));
  const words = caption.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const label = caption === '' ? [] : [{ left: 0, top: side - 52, input: Buffer.from(`<svg width="${side}" height="52"><rect width="100%" height="100%" fill="#141518" fill-opacity="0.88"/><text x="50%" y="34" text-anchor="middle" font-family="sans-serif" font-size="24" fill="#e6e8ec">${words}</text></svg>`) }];
  return sharp({ create: { width: side, height: side, channels: 3, background: '#141518' } }).composite([...strips, ...label]).jpeg({ quality: 82, mozjpeg: true }).toBuffer();
}

try {
  for (const name of (await readdir(workflows)).filter((one) => one.endsWith('.json'))) {
    const file = path.join(workflows, name);
    const [given, { pictures, text }] = [await givenTo(file), await run(file)];
    const target = path.join(workflows, name.replace(/\.json$/, '.jpg'));
    const drawn = await draw([...given, ...pictures], pictures.length === 0 ? `“${text.slice(0, 16)}”` : '');
    const { size } = await sharp(drawn).toFile(target);
    console.log(`${path.relative('.', target)} ${size} bytes`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
