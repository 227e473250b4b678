// Mistakes of the user that only show at run time: shown without a stack trace.

/** What was wrong, where, and what to do about it. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
}

/** A wrong word on the command line. */
export class UsageError extends UserError {
  override readonly name = 'UsageError';
}
