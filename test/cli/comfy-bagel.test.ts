// The three workflows that ComfyUI-BAGEL ships, unchanged, by the command as a user gives it, on the model that is installed.
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { goldenPath } from '../support/golden.ts';
import { bagelgraph, folderWith } from './bagelgraph.ts';

interface Printed {
  status: string;
  seed: number;
  outputs: { node: string; files: string[]; text: string[] }[];
  passes: Record<string, number>;
  notices: string[];
}

const instead = 'the model "DFloat11/BAGEL-7B-MoT-DF11" is not installed: bagel-demo is used in its place';
const taken = 'allow_auto_download is "BF16", which is neither true nor false: it is taken as false';

async function run(name: string, ...words: string[]): Promise<Printed> {
  const { code, stdout, stderr } = await bagelgraph(await folderWith(), 'run', goldenPath(`workflows/${name}.json`), '--input-directory', goldenPath('workflows'), '--json', '--quiet', ...words);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Printed;
}

async function sizeOf(file: string): Promise<[number, number]> {
  const bytes = await readFile(file);
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

describe('ComfyUI-BAGEL\'s workflows run unchanged', () => {
  test('text to image: 49 steps, thinking shown, the model\'s own size', async () => {
    const { status, seed, outputs, passes, notices } = await run('bagel_text_to_image');
    expect({ status, seed, notices }).toEqual({ status: 'success', seed: 812920, notices: [instead] });
    const [text, picture] = outputs.sort((a, b) => b.node.localeCompare(a.node));
    expect([text!.node, picture!.node]).toEqual(['4', '3']);
    expect(text!.text[0]).not.toBe('');
    expect(await sizeOf(picture!.files[0]!)).toEqual([128, 128]);
    expect(passes['denoise']).toBe(131); // three branches, for thought and prompt differ
  });

  test('image editing', async () => {
    const { status, seed, outputs, notices } = await run('bagel_image_editing');
    expect({ status, seed, notices }).toEqual({ status: 'success', seed: 697672, notices: [taken, instead] });
    expect(outputs.map(({ node }) => node).sort()).toEqual(['13', '14']);
    expect(await sizeOf(outputs.find(({ node }) => node === '13')!.files[0]!)).toEqual([192, 256]); // 800 × 1024, as the model takes it
  });

  test('image understanding', async () => {
    const { status, outputs, notices } = await run('bagel_image_understanding');
    expect({ status, notices, nodes: outputs.map(({ node }) => node) }).toEqual({ status: 'success', notices: [taken, instead], nodes: ['4'] });
    expect(outputs[0]!.text[0]).toMatch(/\w/);
  });

  test('--model, --seed and --set reach them', async () => {
    const { seed, outputs, notices } = await run('bagel_text_to_image', '--model', 'bagel-demo', '--seed', '5', '--set', '5.num_timesteps=10', '--set', '5.show_thinking=false', '--set', '5.image_ratio="4:3"', '--set', '5.cfg_text_scale=1');
    expect([seed, notices]).toEqual([5, []]);
    expect(outputs.find(({ node }) => node === '4')!.text).toEqual(['']);
    expect(await sizeOf(outputs.find(({ node }) => node === '3')!.files[0]!)).toEqual([128, 96]);
  });
});
