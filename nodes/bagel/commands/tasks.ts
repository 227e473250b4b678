// bagelgraph draw, edit and ask: the everyday jobs, each a run of a workflow in workflows/ through its form.
import { randomInt } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Command, CommandArguments, CommandHost, CommandOption } from '../../../engine/graph/node.ts';
import type { Literal } from '../../../engine/graph/graph.ts';
import { UsageError } from '../errors.ts';
import type { DrawDefaults, TextDefaults } from '../model/config.ts';
import { renormTypes } from '../model/guidance.ts';
import { ratios, sizeOfRatio } from '../inputs.ts';
import type { ModelFolder } from '../weights/folder.ts';
import { findModel, openModel } from '../weights/installed.ts';

const demo = 'bagel-demo';

const commonOptions: Record<string, CommandOption> = {
  model: { type: 'string', value: 'DIR', description: 'model folder, or its name below models/ (default bagel-demo)' },
  think: { type: 'boolean', description: 'think in words first' },
  seed: { type: 'string', value: 'N', description: 'random seed (default: a new one each time)' },
  'max-tokens': { type: 'string', value: 'N', description: 'tokens of thinking or answer at most' },
  temperature: { type: 'string', value: 'T', description: 'sample words at this temperature (default: always the likeliest)' },
  output: { type: 'string', value: 'DIR', description: 'folder for results (default output)' },
  server: { type: 'string', value: 'URL', description: 'run on this bagelgraph server and fetch the results (token: BAGELGRAPH_TOKEN)' },
  devices: { type: 'string', value: 'LIST', description: 'devices, such as cpu:0' },
  threads: { type: 'string', value: 'N', description: 'CPU threads a device' },
  json: { type: 'boolean', description: 'print one JSON object on stdout' },
  quiet: { type: 'boolean', description: 'no progress' },
};

const pictureOptions: Record<string, CommandOption> = {
  steps: { type: 'string', value: 'N', description: 'points of the schedule' },
  shift: { type: 'string', value: 'X', description: 'timestep shift: higher favours layout, lower detail' },
  size: { type: 'string', value: 'WxH', description: 'size in pixels' },
  ratio: { type: 'string', value: 'A:B', description: '1:1, 4:3, 3:4, 16:9 or 9:16, the long side as the model\'s default' },
  'cfg-text': { type: 'string', value: 'X', description: 'how strongly the text guides' },
  'cfg-image': { type: 'string', value: 'X', description: 'how strongly the input picture guides' },
  'cfg-interval': { type: 'string', value: 'A,B', description: 'guide while A < t ≤ B (t runs from 1 to 0)' },
  renorm: { type: 'string', value: 'TYPE', description: 'global, channel or text_channel' },
  'renorm-min': { type: 'string', value: 'X', description: 'lower bound of the renormalisation' },
};

export const draw: Command = {
  name: 'draw',
  summary: 'Draw a picture from a prompt',
  usage: 'draw "PROMPT"',
  options: { ...commonOptions, ...pictureOptions },
  async run(args, host) {
    const [prompt] = positionals(args, ['a prompt'], 'draw');
    const folder = await modelOf(args, host);
    const defaults = folder.config.defaults.textToImage;
    const size = chosenSize(args, defaults);
    return runTask(host, args, folder, 'text-to-image', { prompt: prompt!, width: BigInt(size.width), height: BigInt(size.height), ...pictureValues(args, defaults), ...thinkingValues(args, defaults.text) });
  },
};

export const edit: Command = {
  name: 'edit',
  summary: 'Change a picture as an instruction says',
  usage: 'edit IMAGE "INSTRUCTION"',
  options: { ...commonOptions, ...pictureOptions },
  async run(args, host) {
    const [image, prompt] = positionals(args, ['a picture', 'an instruction'], 'edit');
    const folder = await modelOf(args, host);
    const defaults = folder.config.defaults.edit;
    const hasSize = args.options['size'] !== undefined || args.options['ratio'] !== undefined;
    const size = hasSize ? chosenSize(args, folder.config.defaults.textToImage) : { width: 0, height: 0 };
    const values = { image: path.basename(image!), prompt: prompt!, width: BigInt(size.width), height: BigInt(size.height), ...pictureValues(args, defaults), ...thinkingValues(args, defaults.text) };
    return runTask(host, besidePicture(args, image!), folder, 'edit', values);
  },
};

export const ask: Command = {
  name: 'ask',
  summary: 'Ask a question about a picture',
  usage: 'ask IMAGE "QUESTION"',
  options: commonOptions,
  async run(args, host) {
    const [image, prompt] = positionals(args, ['a picture', 'a question'], 'ask');
    const folder = await modelOf(args, host);
    return runTask(host, besidePicture(args, image!), folder, 'understand', { image: path.basename(image!), prompt: prompt!, ...textValues(args, folder.config.defaults.understand) });
  },
};

function runTask(host: CommandHost, args: CommandArguments, folder: Known, workflow: string, inputs: Record<string, Literal>): Promise<number> {
  const seed = args.options['seed'] === undefined ? BigInt(randomInt(2 ** 32)) : wholeNumber(args, 'seed');
  const isThinking = args.options['think'] === true;
  const said = folder.isElsewhere ? Object.fromEntries(Object.entries(inputs).filter(([name]) => isGiven(name, args))) : inputs;
  return host.runForm(isThinking ? `${workflow}-think` : workflow, { model: folder.name, seed, ...said }, args);
}

/** The options that a form's input comes from, where the name is not the same. */
const optionsOf: Readonly<Record<string, readonly string[]>> = {
  width: ['size', 'ratio'], height: ['size', 'ratio'], cfg_text: ['cfg-text'], cfg_image: ['cfg-image'], cfg_start: ['cfg-interval'], cfg_end: ['cfg-interval'], renorm_min: ['renorm-min'],
  max_tokens: ['max-tokens'], sample: ['temperature'],
};

/** Of a model on a server the own settings are not known here: what is not said stays as the workflow has it. */
function isGiven(input: string, { options }: CommandArguments): boolean {
  return input === 'prompt' || input === 'image' || (optionsOf[input] ?? [input]).some((name) => options[name] !== undefined);
}

function positionals(args: CommandArguments, wanted: readonly string[], command: string): readonly string[] {
  if (args.positionals.length !== wanted.length) {
    throw new UsageError(`${command} takes ${wanted.join(' and ')}, got ${args.positionals.length || 'no'} argument${args.positionals.length === 1 ? '' : 's'}: put each in quotes (see bagelgraph ${command} --help)`);
  }
  if (wanted.includes('a picture') && args.positionals[0] === '') throw new UsageError(`${command}: the name of the picture is empty; give the path of a PNG, JPEG or WebP file`);
  return args.positionals;
}

/** The picture may lie anywhere: its folder becomes the input folder of the run. */
function besidePicture(args: CommandArguments, image: string): CommandArguments {
  return { ...args, options: { ...args.options, 'input-directory': path.dirname(path.resolve(image)) } };
}

/** A model's name and settings. `isElsewhere`: it is on the server alone, and the settings are the demo model's. */
interface Known extends Pick<ModelFolder, 'name' | 'config'> { readonly isElsewhere: boolean }

async function modelOf(args: CommandArguments, host: CommandHost): Promise<Known> {
  const given = args.options['model'];
  const name = typeof given === 'string' ? given : demo;
  const open = async (wanted: string) => openModel((await exists(wanted)) ? path.resolve(wanted) : await findModel(wanted, host.modelFolders()));
  const here = args.options['server'] === undefined ? await open(name) : await open(name).catch(() => undefined);
  if (here !== undefined) return { name: here.name, config: here.config, isElsewhere: false };
  if (args.options['ratio'] !== undefined) throw new UsageError(`--ratio needs the settings of ${name}, which is not here: give --size`);
  return { name, config: (await open(demo)).config, isElsewhere: true };
}

function exists(name: string): Promise<boolean> {
  return name === '' ? Promise.resolve(false) : stat(name).then(() => true, () => false);
}

/** The text settings, for tasks that write only when they think. */
function thinkingValues(args: CommandArguments, defaults: TextDefaults): Record<string, Literal> {
  return args.options['think'] === true ? textValues(args, defaults) : {};
}

function textValues(args: CommandArguments, defaults: TextDefaults): Record<string, Literal> {
  const temperature = decimal(args, 'temperature');
  return {
    max_tokens: args.options['max-tokens'] === undefined ? BigInt(defaults.maxTokens) : wholeNumber(args, 'max-tokens'),
    sample: temperature === undefined ? defaults.sample : temperature > 0,
    temperature: temperature ?? defaults.temperature,
  };
}

function pictureValues(args: CommandArguments, defaults: DrawDefaults): Record<string, Literal> {
  const [start, end] = interval(args) ?? defaults.cfgInterval;
  const renorm = args.options['renorm'] ?? defaults.renorm;
  if (renorm !== 'local' && !renormTypes.some((type) => type === renorm)) throw new UsageError(`--renorm is ${JSON.stringify(renorm)}: choose ${renormTypes.join(', ')}`);
  return {
    steps: args.options['steps'] === undefined ? BigInt(defaults.steps) : wholeNumber(args, 'steps'),
    shift: decimal(args, 'shift') ?? defaults.shift,
    cfg_text: decimal(args, 'cfg-text') ?? defaults.cfgText,
    cfg_image: decimal(args, 'cfg-image') ?? defaults.cfgImage,
    cfg_start: start, cfg_end: end, renorm: String(renorm),
    renorm_min: decimal(args, 'renorm-min') ?? defaults.renormMin,
  };
}

function wholeNumber(args: CommandArguments, name: string): bigint {
  const text = String(args.options[name]);
  if (!/^\d+$/.test(text)) throw new UsageError(`--${name} is ${JSON.stringify(text)}: give a whole number`);
  return BigInt(text);
}

function decimal(args: CommandArguments, name: string): number | undefined {
  const text = args.options[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (String(text).trim() === '' || !Number.isFinite(value)) throw new UsageError(`--${name} is ${JSON.stringify(text)}: give a number`);
  return value;
}

function interval(args: CommandArguments): readonly [number, number] | undefined {
  const text = args.options['cfg-interval'];
  if (text === undefined) return undefined;
  const parts = String(text).split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  if (parts.length !== 2 || parts.some((part) => !(part >= 0 && part <= 1))) throw new UsageError(`--cfg-interval is ${JSON.stringify(text)}: give two numbers from 0 to 1, such as 0.4,1`);
  if (parts[0]! > parts[1]!) throw new UsageError(`--cfg-interval is ${JSON.stringify(text)}: the first number is the lower end, as in ${parts[1]},${parts[0]}; guidance would never act`);
  return [parts[0]!, parts[1]!];
}

function chosenSize(args: CommandArguments, defaults: { width: number; height: number }): { width: number; height: number } {
  const { size, ratio } = args.options;
  if (typeof size === 'string') {
    const match = /^(\d+)[xX×](\d+)$/.exec(size);
    if (match === null) throw new UsageError(`--size is ${JSON.stringify(size)}: give width and height in pixels, such as 512x384`);
    const [width, height] = [Number(match[1]), Number(match[2])];
    if (width < 1 || height < 1) throw new UsageError(`--size is ${JSON.stringify(size)}: a picture has at least one pixel a side`);
    return { width, height };
  }
  if (ratio === undefined) return { width: defaults.width, height: defaults.height };
  if (typeof ratio !== 'string' || !ratios.some((known) => known === ratio)) throw new UsageError(`--ratio is ${JSON.stringify(ratio)}: choose ${ratios.join(', ')}`);
  return sizeOfRatio(ratio, defaults);
}
