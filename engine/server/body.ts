// Reads the body of a request into memory, within limits of size, time, and of all bodies together.
import type { IncomingMessage } from 'node:http';
import { HttpError } from './http-error.ts';
import { ByteBudget } from './limits.ts';

export interface BodyLimits {
  /** Of one body. */
  readonly bytes: number;
  /** A body of which nothing comes for so long is given up. */
  readonly idleMs: number;
  /** Of all bodies that are being read or used. */
  readonly budget: ByteBudget;
}

export interface Body {
  readonly bytes: Buffer;
  /** Gives its bytes back to the budget; call it when they are no longer used. More than once does no harm. */
  free(): void;
}

export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Body> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    request.resume();
    throw new HttpError(415, `the body is encoded as ${encoding}; send it as it is`);
  }
  let held = 0;
  const free = () => {
    limits.budget.free(held);
    held = 0;
  };
  const hold = (bytes: number) => {
    if (!limits.budget.take(bytes)) throw new HttpError(503, 'too many large bodies are being read; send it again in a moment');
    held += bytes;
  };
  try {
    const bytes = await collect(request, limits, hold);
    return { bytes, free };
  } catch (error) {
    free();
    throw error;
  }
}

function collect(request: IncomingMessage, { bytes: most, idleMs }: BodyLimits, hold: (bytes: number) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const refuse = (error: unknown) => {
      clearTimeout(timer);
      request.removeAllListeners('data').resume();
      reject(error);
    };
    const tooLarge = () => new HttpError(413, `the body is larger than ${most} bytes; raise --max-upload-size`);
    const timer = setTimeout(() => refuse(new HttpError(408, `nothing of the body came for ${idleMs / 1000} s`)), idleMs);
    if (Number(request.headers['content-length'] ?? 0) > most) return refuse(tooLarge());
    request.on('data', (chunk: Buffer) => {
      timer.refresh();
      bytes += chunk.length;
      if (bytes > most) return refuse(tooLarge());
      try {
        hold(chunk.length);
      } catch (error) {
        return refuse(error);
      }
      chunks.push(chunk);
    });
    request.on('end', () => {
      clearTimeout(timer);
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
    });
    const brokenOff = () => refuse(new HttpError(400, 'the body broke off'));
    request.on('error', brokenOff);
    request.on('close', () => { if (!request.complete) brokenOff(); });
  });
}
