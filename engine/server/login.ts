// Who has shown the token: in the Authorization header, or as a session whose cookie a browser got for it. Wrong guesses are slowed down
// by address. Sessions are signed, not stored, so that they outlive a restart; a new token ends them all. Knows headers only.
import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { changesState, headerOf, isFromOwnPage, type Refusal, type RequestHead } from './access.ts';
import { Buckets } from './limits.ts';

/** Shorter tokens could be guessed. */
export const leastTokenCharacters = 16;
const sessionMs = 30 * 86_400_000;
/** Wrong tokens that an address may send at once, and one more each two seconds. */
const guesses = { burst: 10, perSecond: 0.5 };
const mostRevoked = 100_000;

export class Login {
  readonly #token: Buffer;
  readonly #key: Buffer;
  readonly #guesses = new Buckets(guesses);
  /** Sessions that were logged out, until they end by themselves. */
  readonly #revoked = new Map<string, number>();
  readonly #now: () => number;

  /** `now` gives milliseconds since the epoch. */
  constructor(token: string, now: () => number = Date.now) {
    this.#token = digestOf(token);
    this.#key = Buffer.from(hkdfSync('sha256', token, '', 'bagelgraph sessions', 32));
    this.#now = now;
  }

  /** Why the request may not pass, or undefined. `address` is the client's. */
  refusalOf(head: RequestHead, address: string): Refusal | undefined {
    const [, bearer] = /^bearer +(.+)$/i.exec(headerOf(head, 'authorization') ?? '') ?? [];
    if (bearer !== undefined) return this.guess(bearer, address);
    const session = this.sessionOf(head);
    if (session === undefined) return { status: 401, reason: 'a token is needed: send the header Authorization: Bearer TOKEN, or log in with a browser at /' };
    if (changesState(head) && !isFromOwnPage(head)) return { status: 403, reason: 'a cookie is taken from pages of this server only; send Authorization: Bearer TOKEN instead' };
    return undefined;
  }

  /** Compares a token in constant time. 429 without looking after too many wrong ones from an address. */
  guess(token: string, address: string): Refusal | undefined {
    const waitSeconds = this.#guesses.waitSeconds(address);
    if (waitSeconds > 0) return { status: 429, reason: 'too many wrong tokens came from this address; wait a moment', retryAfterSeconds: waitSeconds };
    if (timingSafeEqual(digestOf(token), this.#token)) return undefined;
    this.#guesses.take(address);
    return { status: 401, reason: 'the token is wrong' };
  }

  /** The value of a Set-Cookie header: what a browser is known by from now on. */
  openCookie(isSecure: boolean): string {
    const claim = `${(this.#now() + sessionMs).toString(36)}.${randomBytes(16).toString('base64url')}`;
    return cookie(isSecure, `${claim}.${this.#sign(claim)}`, sessionMs / 1000);
  }

  /** Ends the session of the request; gives the Set-Cookie that removes it. */
  closeCookie(head: RequestHead, isSecure: boolean): string {
    const session = this.sessionOf(head);
    if (session !== undefined) {
      for (const [id, end] of this.#revoked) if (end < this.#now() || this.#revoked.size >= mostRevoked) this.#revoked.delete(id);
      this.#revoked.set(session.id, session.end);
    }
    return cookie(isSecure, '', 0);
  }

  /** The session that a request's cookie names, if it is one of ours and has not ended. */
  sessionOf(head: RequestHead): { readonly id: string; readonly end: number } | undefined {
    const all = headerOf(head, 'cookie') ?? '';
    for (const [, value = ''] of all.matchAll(new RegExp(`(?:^|;)\\s*(?:${cookieName})=([^;\\s]*)`, 'g'))) {
      const [end = '', id = '', signature = ''] = value.split('.');
      const expected = Buffer.from(this.#sign(`${end}.${id}`));
      const given = Buffer.from(signature);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) continue;
      if (Number.parseInt(end, 36) > this.#now() && !this.#revoked.has(id)) return { id, end: Number.parseInt(end, 36) };
    }
    return undefined;
  }

  #sign(claim: string): string {
    return createHmac('sha256', this.#key).update(claim).digest('base64url');
  }
}

const cookieName = 'bagelgraph_session';

function cookie(isSecure: boolean, value: string, seconds: number): string {
  return `${cookieName}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
}

/** Equal lengths, whatever was sent: the comparison tells nothing of the token's. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
