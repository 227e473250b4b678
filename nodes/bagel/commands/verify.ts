// bagelgraph verify: recomputes golden tensors with this machine's device and says how far off they are.
import path from 'node:path';
import type { Command, CommandArguments, CommandHost } from '../../../engine/graph/node.ts';
import { UsageError } from '../errors.ts';
import { openTokenizer } from '../tokenizer/tokenizer.ts';
import { verifyRandn, verifyTokenizer } from '../verify/checks.ts';
import type { Verdict } from '../verify/compare.ts';
import { verifyFolder } from '../verify/golden-folder.ts';

export const verify: Command = {
  name: 'verify',
  summary: 'Prove a device\'s numbers against golden tensors of the reference',
  usage: 'verify GOLDEN_FOLDER | verify --tokenizer CASES.json --with tokenizer.json | verify --randn FILE.safetensors',
  options: {
    tokenizer: { type: 'string', value: 'CASES.json', description: 'check token ids of known texts' },
    with: { type: 'string', value: 'FILE', description: 'the tokenizer.json to check' },
    randn: { type: 'string', value: 'FILE', description: 'check random numbers against torch\'s (names seedS_AxB)' },
    devices: { type: 'string', value: 'NAME', description: 'the device to prove (default cpu:0)' },
    threads: { type: 'string', value: 'N', description: 'CPU threads' },
    json: { type: 'boolean', description: 'print one JSON object on stdout' },
  },
  async run(args, host) {
    const verdicts: Verdict[] = [];
    const isJson = args.options['json'] === true;
    for await (const verdict of await chosenCheck(args, host)) {
      verdicts.push(verdict);
      if (!isJson) host.stdout.write(`${line(verdict)}\n`);
    }
    const failed = verdicts.filter((verdict) => !verdict.passed).length;
    if (isJson) host.stdout.write(`${JSON.stringify({ status: failed === 0 ? 'passed' : 'failed', checked: verdicts.length, failed, results: verdicts.map(plain) }, null, 1)}\n`);
    else host.stdout.write(`${verdicts.length - failed} of ${verdicts.length} within tolerance\n`);
    return failed === 0 && verdicts.length > 0 ? 0 : 1;
  },
};

async function chosenCheck(args: CommandArguments, host: CommandHost): Promise<AsyncGenerator<Verdict>> {
  const { tokenizer, randn } = args.options;
  const folder = args.positionals[0];
  if (typeof tokenizer === 'string') {
    const file = args.options['with'];
    if (typeof file !== 'string') throw new UsageError('verify --tokenizer needs --with tokenizer.json: which tokenizer to check');
    return verifyTokenizer(tokenizer, await openTokenizer({ tokenizerJson: path.resolve(file) }));
  }
  if (typeof randn === 'string') return verifyRandn(randn);
  if (folder === undefined) throw new UsageError('verify needs a golden folder, or --tokenizer, or --randn; see verify --help');
  const [device] = [...(await host.devices()).values()];
  return verifyFolder(path.resolve(folder), device!, host.signal);
}

function line({ key, error, limit, passed, reason }: Verdict): string {
  const figures = reason ?? `${number(error)} (limit ${number(limit)})`;
  return `${passed ? 'ok  ' : 'MISS'} ${key.padEnd(32)} ${figures}`;
}

function number(value: number): string {
  return value === 0 ? '0' : value.toPrecision(2);
}

/** JSON has no Infinity. */
function plain(verdict: Verdict): Record<string, unknown> {
  return { ...verdict, error: Number.isFinite(verdict.error) ? verdict.error : null };
}
