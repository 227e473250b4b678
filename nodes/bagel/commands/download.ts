// bagelgraph download: fetches a model from Hugging Face or a mirror, as HF_ENDPOINT and HF_TOKEN say.
import path from 'node:path';
import type { Command, CommandArguments } from '../../../engine/graph/node.ts';
import { UsageError } from '../errors.ts';
import { downloadModel, modelFiles } from '../weights/download.ts';
import { gigabytes } from '../weights/errors.ts';
import { ProgressLine } from './progress-line.ts';

export const downloadCommand: Command = {
  name: 'download',
  summary: 'Fetch a model from Hugging Face or a mirror',
  usage: 'download OWNER/NAME',
  options: {
    to: { type: 'string', value: 'DIR', description: 'folder for the files (default models/NAME)' },
    revision: { type: 'string', value: 'REV', description: 'branch, tag or commit (default main)' },
    include: { type: 'string', value: 'PATTERN', multiple: true, description: `files to take, such as "*.json"; may be given several times (default ${modelFiles.join(', ')})` },
    exclude: { type: 'string', value: 'PATTERN', multiple: true, description: 'files to leave out' },
    json: { type: 'boolean', description: 'print one JSON object on stdout' },
    quiet: { type: 'boolean', description: 'no progress' },
  },
  async run(args, host) {
    const [repo, ...rest] = args.positionals;
    if (repo === undefined || rest.length > 0) throw new UsageError('download takes the name of one repository, such as ByteDance-Seed/BAGEL-7B-MoT (see bagelgraph download --help)');
    const { to, revision } = args.options;
    const line = new ProgressLine(host.stderr, args.options['quiet'] === true);
    const token = process.env['HF_TOKEN'];
    try {
      const made = await downloadModel({
        repo, revision: typeof revision === 'string' ? revision : 'main',
        to: typeof to === 'string' && to !== '' ? to : path.join(host.modelFolders()[0] ?? 'models', path.basename(repo)),
        include: patterns(args, 'include', modelFiles), exclude: patterns(args, 'exclude', []),
        endpoint: endpointOf(process.env['HF_ENDPOINT']),
        ...(token === undefined || token === '' ? {} : { token: token.trim() }),
        signal: host.signal,
        progress: ({ name, done, total }) => line.show('downloading', done, total, `${gigabytes(done)} of ${gigabytes(total)}, ${name}`),
      });
      line.end();
      const total = made.files.reduce((sum, { bytes }) => sum + bytes, 0);
      host.stdout.write(args.options['json'] === true ? `${JSON.stringify({ status: 'success', ...made }, null, 1)}\n` : `${made.folder}: ${made.files.length} files, ${gigabytes(total)}, of commit ${made.commit}; their hashes are right\n`);
      return 0;
    } finally {
      line.end();
    }
  },
};

function patterns({ options }: CommandArguments, name: string, fallback: readonly string[]): readonly string[] {
  const given = options[name];
  return Array.isArray(given) && given.length > 0 ? (given as readonly string[]) : fallback;
}

function endpointOf(given: string | undefined): string {
  if (given === undefined || given === '') return 'https://huggingface.co';
  if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol)) throw new UsageError(`HF_ENDPOINT is ${JSON.stringify(given)}: give the address of a server, such as https://huggingface.co`);
  return given.replace(/\/+$/, '');
}
