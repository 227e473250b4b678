// Routes of prompts, queue and history (comfy-contract §1.2).
import type { Request } from 'express';
import { isJsonArray, isJsonObject, parseJson, type Json, type JsonObject } from '../../formats/json.ts';
import { FormatError } from '../../formats/errors.ts';
import { HttpError } from '../http-error.ts';
import { queryNumber, sendEmpty, sendJson } from '../web.ts';
import type { History } from './history.ts';
import { errorBody } from './prompt-errors.ts';
import type { Site } from './site.ts';

export function addQueueRoutes(site: Site): void {
  const { web, runner, prompts, history, engine, store } = site;
  const { queue } = runner;
  web.on('/prompt', {
    get: (_request, response) => sendJson(response, `{"exec_info":{"queue_remaining":${queue.remaining}}}`),
    post: async (request, response) => {
      const { status, body } = await prompts.post(await web.text(request));
      if (status === 429 || status === 503) response.setHeader('Retry-After', '5');
      sendJson(response, body, status);
    },
  });
  web.on('/queue', {
    get: (_request, response) => {
      const listed = (prompts: Iterable<{ readonly promptId: string }>) => [...prompts].flatMap(({ promptId }) => store.texts(promptId)?.request ?? []).join(',');
      sendJson(response, `{"queue_running":[${listed(queue.running)}],"queue_pending":[${listed(queue.pending)}]}`);
    },
    post: async (request, response) => {
      const body = await objectBody(site, request);
      if (body.get('clear') === true) await runner.drop(new Set(queue.pending.map(({ promptId }) => promptId)));
      const ids = idsOf(body.get('delete'));
      if (ids.length > 0) await runner.drop(new Set(ids));
      sendEmpty(response);
    },
  });
  addOrderRoutes(site);
  web.on('/interrupt', {
    post: async (request, response) => {
      // anything that is no object with a prompt_id interrupts all: that is what an empty body means
      const text = await web.text(request);
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
    get: async (request, response) => {
      const maxItems = queryNumber(request, 'max_items');
      const offset = queryNumber(request, 'offset');
      await settled(history);
      sendJson(response, history.page({ ...(maxItems === undefined ? {} : { maxItems }), ...(offset === undefined ? {} : { offset }) }));
    },
    post: async (request, response) => {
      const body = await objectBody(site, request);
      if (body.get('clear') === true) history.clear();
      history.delete(idsOf(body.get('delete')));
      await history.committed();
      sendEmpty(response);
    },
  });
  web.on('/history/:id', {
    get: async (request, response) => {
      await settled(history);
      sendJson(response, history.one(request.params['id'] as string));
    },
  });
}

/** What is told of an ending has survived a kill by then. A full disk is told by those who write. */
async function settled(history: History): Promise<void> {
  await history.committed().catch(() => undefined);
}

/** Ours: the order of what waits, and whether anything starts. All answers are given when the change would survive a kill. */
function addOrderRoutes(site: Site): void {
  const { web, runner } = site;
  const state = (): string => JSON.stringify({ paused: runner.queue.isPaused, running: [...runner.queue.running].map(({ promptId }) => promptId), waiting: runner.queue.pending.map(({ promptId, number }) => ({ prompt_id: promptId, number })) });
  for (const [path, isPaused] of [['/queue/pause', true], ['/queue/resume', false]] as const) {
    web.on(path, {
      post: async (_request, response) => {
        await runner.setPaused(isPaused);
        sendJson(response, state());
      },
    });
  }
  web.on('/queue/order', {
    get: (_request, response) => sendJson(response, state()),
    post: async (request, response) => {
      const ids = (await objectBody(site, request)).get('prompt_ids');
      if (!isJsonArray(ids) || !ids.every((id) => typeof id === 'string')) throw new HttpError(400, errorBody('invalid_request', 'prompt_ids must be a list of prompt ids', 'The prompts named run first, in this order; the others follow as they were.'), true);
      await runner.order(ids);
      sendJson(response, state());
    },
  });
  web.on('/queue/priority', {
    post: async (request, response) => {
      const body = await objectBody(site, request);
      const [id, number] = [body.get('prompt_id'), Number(body.get('number') ?? NaN)];
      if (typeof id !== 'string' || !Number.isFinite(number)) throw new HttpError(400, errorBody('invalid_request', 'prompt_id must be a text and number a number', 'Smaller numbers run sooner.'), true);
      if (!(await runner.renumber(id, number))) throw new HttpError(404, errorBody('not_waiting', 'No such prompt waits', `prompt_id ${JSON.stringify(id)}`), true);
      sendJson(response, state());
    },
  });
}

/** A JSON object, whatever the Content-Type. Throws 400. */
export async function objectBody(site: Pick<Site, 'web'>, request: Request): Promise<JsonObject> {
  const json = await jsonBody(site, request);
  if (!isJsonObject(json)) throw new HttpError(400, errorBody('invalid_request', 'The body must be a JSON object', ''), true);
  return json;
}

export async function jsonBody({ web }: Pick<Site, 'web'>, request: Request): Promise<Json> {
  const text = await web.text(request);
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
