// bagelgraph import: converts a model once into a folder whose weights are mapped, in a format that fits the machine, and says what that costs.
import { availableParallelism } from 'node:os';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Command, CommandArguments, CommandHost } from '../../../engine/graph/node.ts';
import { UsageError } from '../errors.ts';
import { gigabytes } from '../weights/errors.ts';
import { importModel, type ImportProgress } from '../weights/import.ts';
import type { GroupError, Manifest } from '../weights/imported.ts';
import { findModel, openSource, unfinishedSuffix } from '../weights/installed.ts';
import { formats, genPrecisions, undPrecisions, type Precision } from '../weights/layout.ts';
import { ProgressLine } from './progress-line.ts';

const maxThreads = 256;

export const importCommand: Command = {
  name: 'import',
  summary: 'Convert a model once to a format that fits this machine',
  usage: 'import SOURCE --to DIR --format bf16|int8|int4',
  options: {
    to: { type: 'string', value: 'DIR', description: 'folder to make (default models/NAME-FORMAT)' },
    format: { type: 'string', value: 'FORMAT', description: 'bf16, int8 (default) or int4' },
    und: { type: 'string', value: 'FORMAT', description: 'of the expert that reads and writes text: bf16, int8, int4, float32' },
    gen: { type: 'string', value: 'FORMAT', description: 'of the expert that draws: bf16, int8, float32' },
    strict: { type: 'boolean', description: 'refuse tensors the model does not know' },
    threads: { type: 'string', value: 'N', description: 'threads that convert (default: one a core)' },
    json: { type: 'boolean', description: 'print one JSON object on stdout' },
    quiet: { type: 'boolean', description: 'no progress' },
  },
  async run(args, host) {
    const { format, precision } = precisionOf(args);
    const threads = threadsOf(args);
    const location = await locationOf(args, host);
    const source = await openSource(location, { strict: args.options['strict'] === true });
    for (const warning of source.warnings) host.stderr.write(`${warning}\n`);
    const to = typeof args.options['to'] === 'string' && args.options['to'] !== '' ? args.options['to'] : path.join(host.modelFolders()[0] ?? 'models', `${source.name}-${format}`);
    const isJson = args.options['json'] === true;
    const line = new ProgressLine(host.stderr, args.options['quiet'] === true);
    if (args.options['quiet'] !== true) host.stderr.write(`${source.path}: ${source.llm.formats.join(', ')} → ${to}: ${precisionText(precision)}\n`);
    try {
      const manifest = await importModel(source, { to, format, precision, threads, signal: host.signal, progress: (progress) => showProgress(line, progress) });
      line.end();
      host.stdout.write(isJson ? `${JSON.stringify({ status: 'success', folder: path.resolve(to), ...withoutConfig(manifest) }, null, 1)}\n` : table(manifest, path.resolve(to)));
      return 0;
    } catch (error) {
      line.end();
      if (host.signal.aborted) host.stderr.write(`stopped; what is done is kept in ${to}${unfinishedSuffix}: the same command goes on with it\n`);
      throw error;
    }
  },
};

function precisionOf({ options }: CommandArguments): { format: string; precision: Precision } {
  const format = options['format'] ?? 'int8';
  if (typeof format !== 'string' || !(format in formats)) throw new UsageError(`--format is ${JSON.stringify(format)}: choose ${Object.keys(formats).join(', ')}`);
  const base: Precision = formats[format as keyof typeof formats];
  const chosen = <T extends string>(name: 'und' | 'gen', known: readonly T[], fallback: T): T => {
    const given = options[name];
    if (given === undefined) return fallback;
    return known.find((one) => one === given) ?? fail(`--${name} is ${JSON.stringify(given)}: choose ${known.join(', ')}`);
  };
  const precision = { und: chosen('und', undPrecisions, base.und), gen: chosen('gen', genPrecisions, base.gen) };
  return { format: precision.und === base.und && precision.gen === base.gen ? format : `${precision.und}-${precision.gen}`, precision };
}

function fail(message: string): never {
  throw new UsageError(message);
}

function threadsOf({ options }: CommandArguments): number {
  const given = options['threads'];
  if (given === undefined) return availableParallelism();
  const threads = Number(given);
  if (!Number.isInteger(threads) || threads < 1 || threads > maxThreads) throw new UsageError(`--threads is ${JSON.stringify(given)}: give a whole number from 1 to ${maxThreads}`);
  return threads;
}

/** A path, else the name of a model below the model folders. */
async function locationOf({ positionals }: CommandArguments, host: CommandHost): Promise<string> {
  const [given, ...rest] = positionals;
  if (given === undefined || given === '' || rest.length > 0) throw new UsageError(`import takes a model, got ${positionals.length === 0 ? 'none' : positionals.map((one) => JSON.stringify(one)).join(' and ')}: give a folder, a safetensors file, or a name below models/ (see bagelgraph import --help)`);
  return (await stat(given).then(() => true, () => false)) || given.includes(path.sep) ? given : findModel(given, host.modelFolders());
}

function showProgress(line: ProgressLine, { phase, done, total }: ImportProgress): void {
  if (total === 0) return;
  const amount = phase === 'converting' || phase === 'checking what is there' ? `${millions(done)} of ${millions(total)} weights` : phase === 'hashing' ? `${gigabytes(done)} of ${gigabytes(total)}` : '';
  line.show(phase, done, total, amount);
}

function millions(values: number): string {
  return values >= 1e9 ? `${(values / 1e9).toFixed(2)} G` : `${(values / 1e6).toFixed(1)} M`;
}

function precisionText({ und, gen }: Precision): string {
  return und === gen ? und : `${und} to read and write, ${gen} to draw`;
}

function withoutConfig({ config: _, ...rest }: Manifest): Omit<Manifest, 'config'> {
  return rest;
}

/** What was written and how far it is from the source. */
function table({ errors, files }: Manifest, folder: string): string {
  const rows = [['weights', 'stored as', 'count', 'size', 'error', 'worst'], ...errors.map((one) => [one.group, one.stored, millions(one.weights), gigabytes(one.bytes), percent(one.relative), `${percent(one.worst.relative)} ${one.relative === 0 ? '' : shortKey(one)}`.trim()])];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((text, column) => text.padEnd(widths[column]!)).join('  ').trimEnd());
  return `${lines.join('\n')}\n${folder}: ${gigabytes(files.reduce((sum, { bytes }) => sum + bytes, 0))}, checked against the source\n`;
}

function percent(value: number): string {
  return value === 0 ? '0' : `${(value * 100).toPrecision(2)} %`;
}

function shortKey({ worst }: GroupError): string {
  return worst.key.replace(/^language_model\.model\.|^vit_model\.vision_model\./, '').replace(/\.weight$/, '');
}
