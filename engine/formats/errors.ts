// What can be wrong with a file or request that should be JSON of a known shape. Messages say where, what was found and what to do.

/** The user's mistake in a document: shown without a stack trace. */
export class FormatError extends Error {
  override readonly name: string = 'FormatError';
}

/** Text that is not JSON, with the place where reading stopped. Line and column count from 1. */
export class JsonSyntaxError extends FormatError {
  override readonly name = 'JsonSyntaxError';
  readonly line: number;
  readonly column: number;

  constructor(problem: string, line: number, column: number) {
    super(`line ${line}, column ${column}: ${problem}`);
    this.line = line;
    this.column = column;
  }
}
