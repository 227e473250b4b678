// Reads multipart/form-data bodies (RFC 7578) that are wholly in memory. Knows no HTTP server.

export interface FormPart {
  /** Absent: a plain field. */
  readonly filename?: string;
  readonly bytes: Buffer;
}

const mostHeadBytes = 16 * 2 ** 10;
const mostParts = 1000;

/** Parts by name; of equal names the last counts. Undefined when `contentType` is another type or the body is broken or beyond all sense. */
export function parseMultipart(body: Buffer, contentType: string | undefined): ReadonlyMap<string, FormPart> | undefined {
  const parts = listMultipart(body, contentType);
  return parts === undefined ? undefined : new Map(parts);
}

/** All parts in their order, with their names; else the same. */
export function listMultipart(body: Buffer, contentType: string | undefined): readonly (readonly [name: string, part: FormPart])[] | undefined {
  const [, quoted, plain] = /^multipart\/form-data\s*;.*?boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType ?? '') ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) return undefined;
  const delimiter = Buffer.from(`--${boundary}`);
  const parts: (readonly [string, FormPart])[] = [];
  let at = body.indexOf(delimiter);
  while (at >= 0) {
    const start = at + delimiter.length;
    if (body.toString('latin1', start, start + 2) === '--') return parts;
    const headersEnd = body.indexOf('\r\n\r\n', start);
    const next = body.indexOf(`\r\n--${boundary}`, headersEnd < 0 ? start : headersEnd + 2);
    if (headersEnd < 0 || next < 0 || headersEnd - start > mostHeadBytes || parts.length >= mostParts) return undefined;
    const disposition = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(body.toString('utf8', start, headersEnd))?.[1] ?? '';
    const name = parameter(disposition, 'name');
    const filename = extended(disposition) ?? parameter(disposition, 'filename');
    if (name !== undefined) parts.push([name, { bytes: body.subarray(headersEnd + 4, next), ...(filename === undefined ? {} : { filename }) }]);
    at = next + 2;
  }
  return undefined;
}

function parameter(disposition: string, name: string): string | undefined {
  const [, quoted, plain] = new RegExp(`(?:^|;|\\s)${name}=(?:"((?:\\\\.|[^"\\\\])*)"|([^;\\s]+))`, 'i').exec(disposition) ?? [];
  return quoted === undefined ? plain : quoted.replace(/\\(["\\])/g, '$1').replace(/%22/g, '"');
}

/** `filename*=UTF-8''name%20here.png` */
function extended(disposition: string): string | undefined {
  const encoded = /filename\*=utf-8'[^']*'([^;\s]+)/i.exec(disposition)?.[1];
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
