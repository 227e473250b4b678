// Routes of prompts, queue and history (comfy-contract §1.2).
import type { Request } from 'express';
import { isJsonArray, isJsonObject, parseJson, type Json, type JsonObject } from '../../formats/json.ts';
import { FormatError } from '../../formats/errors.ts';
import { queryNumber, sendEmpty, sendJson, HttpError } from '../web.ts';
import { errorBody } from './prompt-errors.ts';
import type { Site } from './site.ts';

export function addQueueRoutes(site: Site): void {
  const { web, runner, prompts, history, engine } = site;
  const { queue } = runner;
  web.on('/prompt', {
    get: (_request, response) => sendJson(response, `{"exec_info":{"queue_remaining":${queue.remaining}}}`),
    post: async (request, response) => {
      const { status, body } = await prompts.post((await web.body(request)).toString('utf8'));
      sendJson(response, body, status);
    },
  });
  web.on('/queue', {
    get: (_request, response) => {
      const listed = (prompts: Iterable<{ readonly listed: string }>) => [...prompts].map((prompt) => prompt.listed).join(',');
      sendJson(response, `{"queue_running":[${listed(queue.running)}],"queue_pending":[${listed(queue.pending)}]}`);
    },
    post: async (request, response) => {
      const body = await objectBody(site, request);
      if (body.get('clear') === true) queue.clear();
      const ids = idsOf(body.get('delete'));
      if (ids.length > 0) queue.delete(new Set(ids));
      sendEmpty(response);
    },
  });
  web.on('/interrupt', {
    post: async (request, response) => {
      // anything that is no object with a prompt_id interrupts all: that is what an empty body means
      const text = (await web.body(request)).toString('utf8');
      const promptId = promptIdIn(text);
      runner.interrupt(promptId);
      sendEmpty(response);
    },
  });
  web.on('/free', {
    post: async (request, response) => {
      const body = await objectBody(site, request);
      const values = body.get('free_memory') === true;
      const models = values || body.get('unload_models') === true;
      if (models) void engine.clear({ models, values }).catch((error: unknown) => site.logbook.log(`freeing memory failed: ${String(error)}`));
      sendEmpty(response);
    },
  });
  web.on('/history', {
    get: (request, response) => {
      const maxItems = queryNumber(request, 'max_items');
      const offset = queryNumber(request, 'offset');
      sendJson(response, history.page({ ...(maxItems === undefined ? {} : { maxItems }), ...(offset === undefined ? {} : { offset }) }));
    },
    post: async (request, response) => {
      const body = await objectBody(site, request);
      if (body.get('clear') === true) history.clear();
      history.delete(idsOf(body.get('delete')));
      sendEmpty(response);
    },
  });
  web.on('/history/:id', { get: (request, response) => sendJson(response, history.one(request.params['id'] as string)) });
}

/** A JSON object, whatever the Content-Type. Throws 400. */
export async function objectBody(site: Pick<Site, 'web'>, request: Request): Promise<JsonObject> {
  const json = await jsonBody(site, request);
  if (!isJsonObject(json)) throw new HttpError(400, errorBody('invalid_request', 'The body must be a JSON object', ''), true);
  return json;
}

export async function jsonBody({ web }: Pick<Site, 'web'>, request: Request): Promise<Json> {
  const text = (await web.body(request)).toString('utf8');
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof FormatError) throw new HttpError(400, errorBody('invalid_request', 'The body is no JSON', error.message), true);
    throw error;
  }
}

function promptIdIn(text: string): string | undefined {
  try {
    const body = parseJson(text);
    const id = isJsonObject(body) ? body.get('prompt_id') : undefined;
    return typeof id === 'string' && id !== '' ? id : undefined;
  } catch {
    return undefined;
  }
}

function idsOf(json: Json | undefined): readonly string[] {
  return isJsonArray(json) ? json.map(String) : [];
}
