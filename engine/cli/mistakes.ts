// Tells a mistake of the user (shown as one line) from one of ours (shown with its stack).
import { FormatError } from '../formats/errors.ts';
import { UsageError } from './arguments.ts';

/** Errors of packs and folders that only concern the user are told by name, for packs are loaded by path. */
const named = new Set(['UserError', 'UsageError', 'PictureError', 'FileFormatError', 'FilesError', 'DeviceError', 'DeviceLostError', 'ProviderError', 'ServerError', 'AbortError']);

export function isUserMistake(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return error instanceof UsageError || error instanceof FormatError || named.has(error.name) || (code !== undefined && /^E[A-Z]+$/.test(code));
}
