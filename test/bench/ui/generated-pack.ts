// A node pack of many types in a folder of its own, so that searching has something to search.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const verbs = ['Blur', 'Sharpen', 'Resize', 'Crop', 'Blend', 'Mask', 'Tile', 'Rotate', 'Sample', 'Encode', 'Decode', 'Upscale', 'Denoise', 'Compare', 'Join', 'Split', 'Load', 'Save', 'Preview', 'Invert'];
const things = ['Image', 'Latent', 'Conditioning', 'Batch', 'Channel', 'Palette', 'Noise', 'Depth Map', 'Region', 'Text'];

/** Writes the pack into a temporary folder, which the caller removes. */
export async function writeGeneratedPack(count: number): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-generated-'));
  const titles = Array.from({ length: count }, (_, i) => `${verbs[i % verbs.length]} ${things[Math.floor(i / verbs.length) % things.length]} ${Math.floor(i / (verbs.length * things.length)) + 1}`);
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ name: 'generated', type: 'module' }));
  await writeFile(path.join(folder, 'index.js'), `import { FLOAT, IMAGE, STRING } from 'bagelgraph/graph/types';
export const nodes = ${JSON.stringify(titles)}.map((title, i) => ({
  type: title.replaceAll(' ', ''), title, category: \`generated/\${i % 25}\`, description: \`\${title}, as a picture editor does it.\`,
  inputs: { image: { type: IMAGE }, strength: { type: FLOAT, default: 0.5, min: 0, max: 1 }, words: { type: STRING, default: '' } },
  outputs: [{ name: 'IMAGE', type: IMAGE }],
  run: ({ image }) => [image],
}));
`);
  return folder;
}
