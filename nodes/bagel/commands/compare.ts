// bagelgraph compare: draws the same picture with several forms of one model and says how far each is from the first.
import { stat } from 'node:fs/promises';
import type { Command, CommandArguments, CommandHost } from '../../../engine/graph/node.ts';
import { UsageError } from '../errors.ts';
import { distance, make, type Distance, type Drawing } from '../verify/compare-models.ts';
import type { ModelFolder } from '../weights/folder.ts';
import { findModel, openModel } from '../weights/installed.ts';

export const compareCommand: Command = {
  name: 'compare',
  summary: 'Say how far imported models are from the one they were made of, by what they draw and write',
  usage: 'compare MODEL IMPORTED [IMPORTED…]',
  options: {
    prompt: { type: 'string', value: 'TEXT', description: 'what to draw (default "a large red circle on a blue background")' },
    seed: { type: 'string', value: 'N', description: 'seed of the noise (default 1)' },
    size: { type: 'string', value: 'WxH', description: 'size in pixels (default: the model\'s)' },
    steps: { type: 'string', value: 'N', description: 'points of the schedule (default: the model\'s)' },
    devices: { type: 'string', value: 'LIST', description: 'devices, such as cpu:0' },
    threads: { type: 'string', value: 'N', description: 'CPU threads a device' },
    json: { type: 'boolean', description: 'print one JSON object on stdout' },
  },
  async run(args, host) {
    if (args.positionals.length < 2) throw new UsageError('compare takes a model and at least one other form of it (see bagelgraph compare --help)');
    const folders = await Promise.all(args.positionals.map((given) => open(given, host)));
    const [first, ...others] = folders as [ModelFolder, ...ModelFolder[]];
    const drawing = drawingOf(args, first);
    const [device] = [...(await host.devices()).values()];
    const expected = await make(first, drawing, device!, host.signal);
    const rows: { model: string; distance: Distance }[] = [];
    for (const other of others) rows.push({ model: other.name, distance: distance(expected, await make(other, drawing, device!, host.signal)) });
    if (args.options['json'] === true) host.stdout.write(`${JSON.stringify({ status: 'success', model: first.name, drawing: { ...drawing, seed: Number(drawing.seed) }, others: rows }, null, 1)}\n`);
    else host.stdout.write(table(first.name, rows));
    return 0;
  },
};

async function open(given: string, host: CommandHost): Promise<ModelFolder> {
  return openModel((await stat(given).then(() => true, () => false)) ? given : await findModel(given, host.modelFolders()));
}

function drawingOf({ options }: CommandArguments, { config: { defaults: { textToImage } } }: ModelFolder): Drawing {
  const whole = (name: string, fallback: number): number => {
    const given = options[name];
    if (given === undefined) return fallback;
    if (!/^\d+$/.test(String(given))) throw new UsageError(`--${name} is ${JSON.stringify(given)}: give a whole number`);
    return Number(given);
  };
  const size = /^(\d+)[xX×](\d+)$/.exec(String(options['size'] ?? `${textToImage.width}x${textToImage.height}`));
  if (size === null || Number(size[1]) % 16 !== 0 || Number(size[2]) % 16 !== 0) throw new UsageError(`--size is ${JSON.stringify(options['size'])}: give width and height in multiples of 16, such as 512x384`);
  return {
    prompt: String(options['prompt'] ?? 'a large red circle on a blue background'), seed: BigInt(whole('seed', 1)),
    width: Number(size[1]), height: Number(size[2]), steps: whole('steps', textToImage.steps), tokens: 16,
  };
}

function table(first: string, rows: readonly { model: string; distance: Distance }[]): string {
  const percent = (value: number) => (value === 0 ? '0' : `${(value * 100).toPrecision(2)} %`);
  const lines = [[`from ${first}`, 'keys', 'first velocity', 'picture, of 255', 'PSNR', 'off by > 8', 'same words'], ...rows.map(({ model, distance: one }) => [
    model, percent(one.keys), percent(one.velocity), one.picture.toFixed(2), one.psnr === Infinity ? 'equal' : `${one.psnr.toFixed(1)} dB`, percent(one.far), `${one.sameTokens} of ${one.tokens}`,
  ])];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return `${lines.map((line) => line.map((text, column) => text.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n')}\n`;
}
