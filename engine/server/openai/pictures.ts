// Pictures as OpenAI's clients send them: files, data URLs, and URLs that this server has answered. Nothing is fetched from elsewhere.
import type { Request } from 'express';
import { isJsonObject, type Json } from '../../formats/json.ts';
import type { FormValue } from '../jobs/form-inputs.ts';
import { OpenAiError } from './errors.ts';

/** `given` is a URL or {image_url}. Throws an OpenAiError that names `where`. */
export function pictureOf(given: Json, where: string, param: string, request: Request): FormValue {
  const url = isJsonObject(given) ? given.get('image_url') : given;
  const refuse = (why: string): never => {
    throw new OpenAiError(`${where}: ${why}`, { param, code: 'invalid_image_url' });
  };
  if (typeof url !== 'string' || url === '') return refuse('give a data URL, such as data:image/png;base64,…');
  if (/^data:/i.test(url)) return url;
  return ownFile(url, request) ?? refuse(/^https?:/i.test(url) ? 'pictures are not fetched from the network: send a data URL' : 'it is no data URL: send data:image/png;base64,…');
}

/** A file of this server from the URL under which it was answered. */
function ownFile(url: string, request: Request): FormValue | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || parsed.host !== request.headers.host || !/^(?:\/api)?\/view$/.test(parsed.pathname)) return undefined;
  const one = (name: string, initial: string) => parsed.searchParams.get(name) ?? initial;
  return new Map<string, Json>([['filename', one('filename', '')], ['subfolder', one('subfolder', '')], ['type', one('type', 'output')]]);
}
