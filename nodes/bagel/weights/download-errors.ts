// What can go wrong while a model is downloaded, in words: which file, what was expected, what the server gave, what to do.
import { UserError } from '../errors.ts';

export function badRepository(given: string): UserError {
  return new UserError(`${JSON.stringify(given)} names no repository: expected OWNER/NAME, such as ByteDance-Seed/BAGEL-7B-MoT`);
}

/** What the server's status means for the user. */
export function refused(url: string, status: number, hasToken: boolean): UserError {
  const { origin, pathname } = new URL(url);
  const what = `${origin}${pathname} answered ${status}`;
  if (status === 401 || status === 403) return new UserError(`${what}: access is refused. ${hasToken ? 'The token in HF_TOKEN has no right to it, or is out of date' : 'Accept the model\'s terms on its page and set HF_TOKEN to an access token of yours'}`);
  if (status === 404) return new UserError(`${what}: there is no such repository or file. Check its name and --revision${hasToken ? '' : '; a private one needs HF_TOKEN'}`);
  if (status === 429) return new UserError(`${what}: too many requests. Try again later${hasToken ? '' : ', or set HF_TOKEN to an access token of yours'}`);
  return new UserError(`${what}. Try again later, or another server with HF_ENDPOINT`);
}

export function unreachable(endpoint: string, reason: string): UserError {
  return new UserError(`${endpoint} cannot be reached (${reason}): check the network, or set HF_ENDPOINT to a mirror`);
}

export function nothingToDownload(repo: string, include: readonly string[], names: readonly string[]): UserError {
  return new UserError(`no file of ${repo} fits ${include.join(', ')}; it has ${names.slice(0, 12).join(', ')}${names.length > 12 ? ` and ${names.length - 12} more` : ''}`);
}

export function unsafeName(repo: string, name: string): UserError {
  return new UserError(`${repo} has a file called ${JSON.stringify(name)}, which would lie outside of the folder: nothing was downloaded`);
}

export function wrongHash(name: string, expected: string, given: string): UserError {
  return new UserError(`${name}: what the server sent is not what it announced, twice: expected the hash ${expected}, got ${given}. The file was removed. Try another server with HF_ENDPOINT, or later`);
}

export function gaveUp(name: string, done: number, total: number, attempts: number, reason: string): UserError {
  return new UserError(`${name}: ${attempts} attempts in a row brought nothing more after ${done} of ${total} bytes (${reason}). What there is is kept: the same command goes on with it`);
}
