// Faults of files that hold tensors. Messages say which file and key, what was expected and given, and what to do.

/** A file that is not what its name promises: damaged, cut off, or of another format. */
export class FileFormatError extends Error {
  override readonly name = 'FileFormatError';
  /** The file at fault. */
  readonly file: string;
  constructor(file: string, problem: string) {
    super(`${file}: ${problem}`);
    this.file = file;
  }
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`;
}
