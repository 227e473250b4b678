// Routes of jobs: lists, one, its events, cancelling (comfy-contract §1.2, the later clients; events are ours).
import type { Request } from 'express';
import { FormatError } from '../../formats/errors.ts';
import { encodeJson, parseJson, type Json } from '../../formats/json.ts';
import type { JobQuery, JobState } from '../../store/store.ts';
import type { Site } from '../comfy/site.ts';
import { HttpError } from '../http-error.ts';
import { queryNumber, queryText, sendJson } from '../web.ts';
import { checkBody } from './check-body.ts';
import { FormRunError } from './errors.ts';
import { streamEvents } from './event-stream.ts';
import { jobDetailJson, jobJson, statesOf } from './job-json.ts';
import { addRunRoutes, answering } from './run-routes.ts';
import { cancelRequest, jobStatus } from './schemas.ts';

/** More are given on further pages. */
const mostListed = 1000;

export function addJobRoutes(site: Site): void {
  const { web, store, runner, events } = site;
  web.on('/jobs', {
    get: (request, response) => {
      const query = queryOf(request);
      const { jobs, total } = store.list(query);
      const { offset = 0, limit } = query;
      const pagination = new Map<string, Json>([['offset', BigInt(offset)], ['limit', BigInt(limit!)], ['total', BigInt(total)], ['has_more', offset + jobs.length < total]]);
      sendJson(response, encodeJson(new Map<string, Json>([['jobs', jobs.map(jobJson)], ['pagination', pagination]])));
    },
  });
  web.on('/jobs/cancel', {
    post: (request, response) => answering(response, async () => {
      const body = await checkBody(await bodyOf(site, request), cancelRequest);
      const cancelled = await Promise.all((body.get('job_ids') as readonly string[]).map((id) => runner.cancel(id)));
      sendJson(response, `{"cancelled":${cancelled.includes(true)}}`);
    }),
  });
  web.on('/jobs/:id', {
    get: (request, response) => {
      const job = store.get(idOf(request));
      if (job === undefined) throw notFound();
      sendJson(response, encodeJson(jobDetailJson(job, store.texts(job.id))));
    },
  });
  web.on('/jobs/:id/cancel', {
    post: async (request, response) => {
      if (store.get(idOf(request)) === undefined) throw notFound();
      sendJson(response, `{"cancelled":${await runner.cancel(idOf(request))}}`);
    },
  });
  web.on('/jobs/:id/events', {
    get: async (request, response) => {
      if (store.get(idOf(request)) === undefined) throw notFound();
      if (request.method === 'HEAD') return void response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' }).end();
      await streamEvents(request, response, idOf(request), events);
    },
  });
  addRunRoutes(site);
}

function queryOf(request: Request): JobQuery {
  const one = (name: string, choices: readonly string[]): string | undefined => {
    const value = queryText(request, name);
    if (value !== undefined && !choices.includes(value)) throw mistake(`${name} is ${JSON.stringify(value)}: give ${choices.join(' or ')}`);
    return value;
  };
  const whole = (name: string, least: number): number | undefined => {
    const value = queryNumber(request, name);
    if (value !== undefined && value < least) throw mistake(`${name} is ${value}: give a whole number from ${least}`);
    return value;
  };
  const states = statesIn(queryText(request, 'status'));
  const [workflowId, clientId] = [queryText(request, 'workflow_id'), queryText(request, 'client_id')];
  return {
    ...(states === undefined ? {} : { states }), ...(workflowId === undefined ? {} : { workflowId }), ...(clientId === undefined ? {} : { clientId }),
    sortBy: one('sort_by', ['created_at', 'execution_duration']) === 'execution_duration' ? 'duration' : 'createdAt', ascending: one('sort_order', ['asc', 'desc']) === 'asc',
    offset: whole('offset', 0) ?? 0, limit: Math.min(mostListed, whole('limit', 1) ?? mostListed),
  };
}

/** `status=completed,failed` */
function statesIn(text: string | undefined): ReadonlySet<JobState> | undefined {
  if (text === undefined || text === '') return undefined;
  return new Set(text.split(',').flatMap((status) => {
    const states = statesOf(status.trim());
    if (states === undefined) throw mistake(`status is ${JSON.stringify(status)}: give some of ${jobStatus.enum.join(', ')}`);
    return states;
  }));
}

async function bodyOf({ web }: Site, request: Request): Promise<Json> {
  try {
    return parseJson(await web.text(request));
  } catch (error) {
    throw error instanceof FormatError ? new FormRunError('invalid_request', `the body is no JSON: ${error.message}`) : error;
  }
}

function idOf(request: Request): string {
  return request.params['id'] as string;
}

function mistake(message: string): HttpError {
  return new HttpError(400, JSON.stringify({ error: message }), true);
}

function notFound(): HttpError {
  return new HttpError(404, '{"error":"Job not found"}', true);
}
