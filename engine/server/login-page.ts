// The page on which a browser gives the token. No scripts: a plain form that posts to /api/login.
import { createHash } from 'node:crypto';
import type { Response } from 'express';
import type { RequestHead } from './access.ts';

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { min-height: 100vh; margin: 0; display: grid; place-items: center; }
form { width: min(22rem, 90vw); display: grid; gap: .75rem; }
h1 { font-size: 1.25rem; margin: 0; }
input, button { font: inherit; padding: .5rem .75rem; border-radius: .375rem; border: 1px solid #8888; }
p { margin: 0; }
.wrong { color: light-dark(#b00020, #ff8a80); }
`;
const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`;

/** Answers a visit of a browser that has no session. */
export function sendLoginPage(response: Response, status: number, problem?: string): void {
  const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>bagelgraph: log in</title><style>${style}</style>
<form method="post" action="/api/login"><h1>bagelgraph</h1>
<label for="token">The token of this server (the text in its --auth-token-file)</label>
<input id="token" name="token" type="password" required autofocus autocomplete="current-password">
${problem === undefined ? '' : `<p class="wrong" role="alert">${problem}</p>\n`}<button>Log in</button></form></html>
`;
  response.setHeader('Content-Security-Policy', policy);
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store', 'Content-Length': Buffer.byteLength(page) }).end(page);
}

/** True for a browser that opens a page, as opposed to a program that asks for an answer. */
export function isPageVisit({ method, headers }: Pick<RequestHead, 'method' | 'headers'>): boolean {
  return (method === 'GET' || method === 'HEAD') && /\btext\/html\b/.test(String(headers['accept'] ?? '')) && (headers['sec-fetch-mode'] ?? 'navigate') === 'navigate';
}
