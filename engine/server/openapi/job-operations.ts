// Our own routes in the OpenAPI document.
import * as schemas from '../jobs/schemas.ts';
import { json, type Answered, type Operation, type Parameter } from './document.ts';

const id: Parameter = { name: 'id', in: 'path', required: true, description: 'of the job', schema: { type: 'string' } };
const query = (name: string, schema: object, description?: string): Parameter => ({ name, in: 'query', schema, ...(description === undefined ? {} : { description }) });

const mistake: Answered = { description: 'what is wrong with the request', content: json(schemas.runError) };
const noJob: Answered = { description: 'no such job', content: json(schemas.simpleError) };
const wrongQuery: Answered = { description: 'what is wrong with the query', content: json(schemas.simpleError) };
const picture = { 'image/png': { schema: { type: 'string', contentMediaType: 'image/png' } } };
const outcome = {
  202: { description: 'it waits or runs', content: json(schemas.runAnswer) },
  409: { description: 'it was cancelled', content: json(schemas.runAnswer) },
  422: { description: 'a node failed; error says which and why', content: json(schemas.runAnswer) },
} as const;

const events = 'One event of the run a message: `id` (send it as Last-Event-ID to go on after it), `event` (its kind), `data` (JSON). `gap` tells of events that are not kept any more. Ends after `ended`; by then the job\'s outputs can be fetched.';

export const jobOperations: readonly Operation[] = [
  {
    method: 'post', path: '/api/run', id: 'run', tag: 'run', summary: 'Run a workflow by its form and wait for what it makes',
    description: 'Accept: image/png (or image/jpeg, image/webp) answers the first picture itself. As multipart, members are fields, and every other field or file is an input of the form. The header X-Bagelgraph-Job tells the id.',
    body: { ...json(schemas.runRequest), 'multipart/form-data': { schema: { type: 'object', required: ['workflow'], properties: { workflow: { type: 'string' } }, additionalProperties: true } } },
    answers: { 200: { description: 'what it made', content: { ...json(schemas.runAnswer), ...picture } }, ...outcome, 400: mistake, 404: mistake, 406: mistake, 503: mistake },
  },
  {
    method: 'get', path: '/api/run/{id}', id: 'runResult', tag: 'run', summary: 'What a job has made, by the names of its form',
    parameters: [id, query('wait_seconds', { type: 'integer', minimum: 0, maximum: 86400 }, 'how long to wait for its end'), query('outputs', { enum: ['inline', 'files'] })],
    answers: { 200: { description: 'what it made', content: { ...json(schemas.runAnswer), ...picture } }, ...outcome, 404: mistake },
  },
  { method: 'get', path: '/api/workflows', id: 'listWorkflows', tag: 'run', summary: 'Saved workflows and what their forms take', answers: { 200: { description: 'all of them', content: json(schemas.savedWorkflows) } } },
  {
    method: 'get', path: '/api/jobs', id: 'listJobs', tag: 'jobs', summary: 'Jobs: waiting, running, ended',
    parameters: [
      query('status', { type: 'string' }, `some of ${schemas.jobStatus.enum.join(', ')}, with commas between`), query('sort_by', { enum: ['created_at', 'execution_duration'] }), query('sort_order', { enum: ['asc', 'desc'] }, 'default desc'),
      query('limit', { type: 'integer', minimum: 1 }), query('offset', { type: 'integer', minimum: 0 }), query('workflow_id', { type: 'string' }), query('client_id', { type: 'string' }),
    ],
    answers: { 200: { description: 'a page of them', content: json(schemas.jobList) }, 400: wrongQuery },
  },
  { method: 'get', path: '/api/jobs/{id}', id: 'getJob', tag: 'jobs', summary: 'One job, what was asked and what it made', parameters: [id], answers: { 200: { description: 'the job', content: json(schemas.jobDetail) }, 404: noJob } },
  {
    method: 'get', path: '/api/jobs/{id}/events', id: 'followJob', tag: 'jobs', summary: 'Follow a job as server-sent events', description: events,
    parameters: [id, { name: 'Last-Event-ID', in: 'header', schema: { type: 'string' }, description: 'go on after this event' }, query('after', { type: 'string' }, 'the same, for those who cannot send headers')],
    answers: { 200: { description: 'events', content: { 'text/event-stream': { schema: { type: 'string' } } } }, 404: noJob },
  },
  { method: 'post', path: '/api/jobs/{id}/cancel', id: 'cancelJob', tag: 'jobs', summary: 'End a job, waiting or running', parameters: [id], answers: { 200: { description: 'whether it still waited or ran', content: json(schemas.cancelAnswer) }, 404: noJob } },
  { method: 'post', path: '/api/jobs/cancel', id: 'cancelJobs', tag: 'jobs', summary: 'End several jobs', body: json(schemas.cancelRequest), answers: { 200: { description: 'whether one of them still waited or ran', content: json(schemas.cancelAnswer) }, 400: mistake } },
];
