// What a browser may do with our answers: Content-Security-Policy for pages, JSON and files of users. Constants only.

const policy = (...rules: readonly string[]): string => rules.join('; ');

/** JSON and texts: nothing in them is ever run or framed elsewhere. */
export const answerPolicy = policy("default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'self'");

/** Files that users and workflows made. Sandboxed: even if a browser takes one for a page, it has no origin and runs nothing. */
export const filePolicy = policy("default-src 'none'", "style-src 'unsafe-inline'", "frame-ancestors 'self'", 'sandbox');

/** Our own page: its own scripts and styles, no inline ones, no eval. */
export const ownPagePolicy = policy(
  "default-src 'self'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "media-src 'self' data: blob:", "font-src 'self' data:",
  "connect-src 'self' data: blob:", "worker-src 'self' blob:", "object-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'self'",
);

/** Pages given with --front-end-root, made for ComfyUI: they need inline scripts and styles, eval, and pictures from elsewhere. */
export const foreignPagePolicy = policy(
  "default-src 'self'", "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:", "style-src 'self' 'unsafe-inline' https:", "img-src 'self' data: blob: https:", "media-src 'self' data: blob: https:",
  "font-src 'self' data: https:", "connect-src 'self' data: blob: ws: wss: https:", "worker-src 'self' blob:", "frame-src 'self' https:", "object-src 'none'", "base-uri 'self'", "form-action 'self'", "frame-ancestors 'self'",
);
