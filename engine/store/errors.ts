// What can be wrong with a place where jobs are kept. Every message names the file or folder and says what to do.

export class StoreError extends Error {
  override readonly name = 'StoreError';
}
