// How a command ends when something goes wrong: one line for people, one object on stdout with --json, and the exit code. Also what becomes
// of output that nobody reads any more.
import { encodeJson, jsonOf } from '../formats/json.ts';
import { UsageError } from './arguments.ts';
import { interruptedCode } from './command.ts';
import { debugLevel } from './debug.ts';
import { isUserMistake } from './mistakes.ts';
import { failureJson } from './result.ts';

const internalErrorCode = 70;
/** Node's code for a program whose event loop ran dry before it was done. */
const unsettledCode = 13;

/** True when the words of a command ask for JSON; also where they cannot be read otherwise. */
export function asksForJson(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  return (end < 0 ? words : words.slice(0, end)).includes('--json');
}

/** Tells an error that ended a command and gives the exit code. A user's mistake is told without a stack. */
export function reportError(error: unknown, isJson: boolean): number {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const isInterrupted = name === 'AbortError';
  if (isJson) process.stdout.write(`${encodeJson(jsonOf(failureJson({ node: null, title: null, message }, isInterrupted ? 'interrupted' : 'error')), { indent: 1 })}\n`);
  if (!isUserMistake(error)) {
    process.stderr.write(`bagelgraph: internal error: ${message}\n${stack}\nPlease report this with the command you ran.\n`);
    return internalErrorCode;
  }
  process.stderr.write(`bagelgraph: ${message}\n`);
  if (debugLevel > 0) process.stderr.write(`${stack}\n`);
  return isInterrupted ? interruptedCode : name === UsageError.name ? 2 : 1;
}

/**
 * A reader that goes away (`| head`) ends no run: its files are wanted all the same. Output that is lost for another reason, such as a full
 * disk, is told and costs the exit code. Progress that cannot be shown is no loss.
 */
export function watchOutput(): void {
  let lost: string | undefined;
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' || lost !== undefined) return;
    lost = message;
    process.stderr.write(`bagelgraph: the results could not be written to stdout: ${message}\n`);
  });
  process.stderr.on('error', () => undefined);
  process.on('exit', (code) => {
    if (code === 0 && lost !== undefined) process.exitCode = 1;
    if (code === unsettledCode) process.stderr.write('bagelgraph: internal error: the command ended before its work was done\nPlease report this with the command you ran.\n');
  });
}
