// An answer that is no success, given by throwing: whoever serves the request turns it into a response.

export class HttpError extends Error {
  readonly status: number;
  /** The message is JSON. */
  readonly isJson: boolean;

  constructor(status: number, message: string, isJson = false) {
    super(message);
    this.status = status;
    this.isJson = isJson;
  }
}
