// Routes that open and close a browser's session.
import type { Request } from 'express';
import { isJsonObject, parseJson } from '../formats/json.ts';
import type { Gate } from './gate.ts';
import { sendLoginPage } from './login-page.ts';
import { sendJson, sendText, type Web } from './web.ts';

/** `POST /login` with `{"token"}` or the form's field, `POST /logout`. Without a token there is nothing to log in to: both say so by 404. */
export function addLoginRoutes(web: Web, gate: Gate): void {
  const { login } = gate;
  if (login === undefined) return;
  web.on('/login', {
    get: (_request, response) => sendLoginPage(response, 200),
    post: async (request, response) => {
      const { token, isForm } = readToken(request, await web.text(request));
      const refusal = token === undefined ? { status: 400, reason: 'send {"token": "…"}' } : login.guess(token, gate.addressOf(request));
      if (refusal === undefined) {
        response.setHeader('Set-Cookie', login.openCookie(gate.isSecure(request)));
        if (isForm) return void response.writeHead(303, { Location: '/', 'Content-Length': 0 }).end();
        return sendJson(response, '{"ok":true}');
      }
      if ('retryAfterSeconds' in refusal && refusal.retryAfterSeconds !== undefined) response.setHeader('Retry-After', refusal.retryAfterSeconds);
      if (isForm) return sendLoginPage(response, refusal.status, refusal.status === 429 ? 'Too many wrong tokens. Wait a moment.' : 'That is not the token.');
      sendText(response, refusal.status, refusal.reason);
    },
  });
  web.on('/logout', {
    post: (request, response) => {
      response.setHeader('Set-Cookie', login.closeCookie(request, gate.isSecure(request)));
      sendJson(response, '{"ok":true}');
    },
  });
}

function readToken(request: Request, body: string): { readonly token?: string | undefined; readonly isForm: boolean } {
  if (/^application\/x-www-form-urlencoded/i.test(request.headers['content-type'] ?? '') && !body.trimStart().startsWith('{')) return { token: new URLSearchParams(body).get('token')?.trim() || undefined, isForm: true };
  try {
    const json = parseJson(body);
    const token = isJsonObject(json) ? json.get('token') : undefined;
    return { token: typeof token === 'string' && token !== '' ? token : undefined, isForm: false };
  } catch {
    return { isForm: false };
  }
}
