// The OpenAI-compatible routes: models, pictures, chat. Everything runs through forms of saved workflows; nothing here knows a model.
import type { Response } from 'express';
import { encodeJson, type Json } from '../../formats/json.ts';
import type { Site } from '../comfy/site.ts';
import { sendJson } from '../web.ts';
import { answering, nowSeconds } from './answering.ts';
import { addChatRoute } from './chat.ts';
import { OpenAiError } from './errors.ts';
import { addImageRoutes } from './images.ts';
import { TaskForms, unknownModel, type OpenAiOptions } from './workflows.ts';

export function addOpenAiRoutes(site: Site, options: OpenAiOptions = {}): void {
  const tasks = new TaskForms(site.forms, options);
  const created = nowSeconds();
  const modelJson = (id: string): Json => new Map<string, Json>([['id', id], ['object', 'model'], ['created', created], ['owned_by', 'bagelgraph']]);
  site.web.on('/v1/models', {
    get: (_request, response) => answering(response, async () => send(response, new Map<string, Json>([['object', 'list'], ['data', (await tasks.models()).map(modelJson)]]))),
  });
  site.web.on('/v1/models/:id', {
    get: (request, response) => answering(response, async () => {
      const [id, known] = [request.params['id'] as string, await tasks.models()];
      if (!known.includes(id)) throw new OpenAiError(unknownModel(id, known), { status: 404, param: 'model', code: 'model_not_found' });
      send(response, modelJson(id));
    }),
  });
  addImageRoutes(site, tasks);
  addChatRoute(site, tasks);
}

function send(response: Response, json: Json): void {
  sendJson(response, encodeJson(json));
}
