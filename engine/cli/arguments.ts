// Reads a command's words into positionals and options, and writes its help. Knows no command in particular.
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { nearestNames } from '../graph/nearest.ts';
import type { Command, CommandArguments, CommandOption } from '../graph/node.ts';

/** A wrong word on the command line: message and hint, no stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Parses by the command's declared options; throws a UsageError naming the word and the nearest option. */
export function readArguments(words: readonly string[], command: Pick<Command, 'name' | 'options'>): CommandArguments {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const [name, { type, multiple, short }] of Object.entries(command.options)) {
    options[name] = { type, ...(multiple === undefined ? {} : { multiple }), ...(short === undefined ? {} : { short }) };
  }
  options['help'] = { type: 'boolean', short: 'h' };
  try {
    const { positionals, values } = parseArgs({ args: withBareValues(words, command), options, allowPositionals: true, strict: true });
    return { positionals, options: values as CommandArguments['options'] };
  } catch (error) {
    throw new UsageError(explain(error as NodeJS.ErrnoException, command));
  }
}

/** Options that may stand without a value get theirs written out. */
function withBareValues(words: readonly string[], { options }: Pick<Command, 'options'>): string[] {
  return words.map((word, i) => {
    const bare = word.startsWith('--') ? options[word.slice(2)]?.bare : undefined;
    const next = words[i + 1];
    return bare !== undefined && (next === undefined || next.startsWith('-')) ? `${word}=${bare}` : word;
  });
}

function explain(error: NodeJS.ErrnoException, command: Pick<Command, 'name' | 'options'>): string {
  const more = `see bagelgraph ${command.name} --help`;
  const unknown = error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? /'(--?[^']+)'/.exec(error.message)?.[1] : undefined;
  if (unknown !== undefined) {
    const [near] = nearestNames(unknown.replace(/^-+/, ''), Object.keys(command.options), 1);
    const hint = near !== undefined ? `; did you mean --${near}?` : /^-[^-]|\s/.test(unknown) ? '; a text that begins with a dash goes to the end, after --' : '';
    return `${command.name} has no option ${unknown}${hint} (${more})`;
  }
  const swallowed = /'(?:-\w, )?(--[^']+)' argument is ambiguous/.exec(error.message)?.[1];
  if (swallowed !== undefined) return `${swallowed} needs a value; one that begins with a dash is written ${swallowed}=VALUE (${more})`;
  return `${error.message.split('. ')[0]!.split('\n')[0]!} (${more})`;
}

/** The text of `bagelgraph COMMAND --help`. */
export function commandHelp(command: Pick<Command, 'summary' | 'usage' | 'options'>): string {
  const rows = Object.entries(command.options).map(([name, option]) => [flagText(name, option), option.description] as const);
  return [`${command.summary}.`, '', `Usage: bagelgraph ${command.usage} [options]`, '', 'Options:', ...table([...rows, ['--help', 'this text']]), ''].join('\n');
}

function flagText(name: string, { value, short, multiple, bare }: CommandOption): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : bare === undefined ? ` ${value}` : ` [${value}]`}${multiple === true ? ' …' : ''}`;
}

/** Two columns, indented. */
export function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd());
}

/** `--steps -1` as `--steps=-1`: what follows is a value and no option, and its range is told in the command's own words. */
export function withSignedNumbers(words: readonly string[], { options }: Pick<Command, 'options'>): string[] {
  const joined: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const takesValue = word.startsWith('--') && options[word.slice(2)]?.type === 'string';
    const isSigned = takesValue && /^-[\d.]/.test(words[i + 1] ?? '');
    joined.push(isSigned ? `${word}=${words[++i]!}` : word);
    if (word === '--') return [...joined, ...words.slice(i + 1)];
  }
  return joined;
}
