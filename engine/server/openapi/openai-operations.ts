// The OpenAI-compatible routes in the OpenAPI document.
import * as schemas from '../openai/schemas.ts';
import { json, type Answered, type Operation } from './document.ts';

const mistake: Answered = { description: 'what is wrong with the request, or what a node refused', content: json(schemas.openAiErrorBody) };
const noModel: Answered = { description: 'no such model', content: json(schemas.openAiErrorBody) };
const failed: Answered = { description: 'the run failed', content: json(schemas.openAiErrorBody) };
const ended: Answered = { description: 'the run was cancelled', content: json(schemas.openAiErrorBody) };
const refusals = { 400: mistake, 404: noModel, 409: ended, 500: failed, 503: { ...failed, description: 'the server stops or cannot store the job' } } as const;

const file = { type: 'string', contentMediaType: 'image/*' } as const;
const { image: _image, images: _images, ...fields } = schemas.editRequest.properties;
const parts = { type: 'object', required: ['prompt', 'image'], properties: { ...fields, image: { anyOf: [file, { type: 'array', items: file }], description: 'image, or image[] several times' } } } as const;

export const openAiOperations: readonly Operation[] = [
  { method: 'get', path: '/v1/models', id: 'listModels', tag: 'openai', summary: 'Models that the server has', answers: { 200: { description: 'all of them', content: json(schemas.modelsAnswer) } } },
  {
    method: 'get', path: '/v1/models/{model}', id: 'retrieveModel', tag: 'openai', summary: 'One model', parameters: [{ name: 'model', in: 'path', required: true, schema: { type: 'string' } }],
    answers: { 200: { description: 'the model', content: json(schemas.modelAnswer) }, 404: noModel },
  },
  { method: 'post', path: '/v1/images/generations', id: 'createImage', tag: 'openai', summary: 'Pictures from text', body: json(schemas.generationRequest), answers: { 200: { description: 'the pictures', content: json(schemas.imagesAnswer) }, ...refusals } },
  {
    method: 'post', path: '/v1/images/edits', id: 'createImageEdit', tag: 'openai', summary: 'A picture changed, or one made from several', body: { 'multipart/form-data': { schema: parts }, ...json(schemas.editRequest) },
    answers: { 200: { description: 'the pictures', content: json(schemas.imagesAnswer) }, ...refusals },
  },
  {
    method: 'post', path: '/v1/chat/completions', id: 'createChatCompletion', tag: 'openai', summary: 'Answers a conversation of texts and pictures',
    description: 'With stream: server-sent events of chat.completion.chunk objects, thinking as delta.reasoning_content, then [DONE]; an error after the start is an event {error}. A client that goes ends its run.',
    body: json(schemas.chatRequest), answers: { 200: { description: 'the answer', content: { ...json(schemas.chatAnswer), 'text/event-stream': { schema: { type: 'string' } } } }, ...refusals },
  },
];
