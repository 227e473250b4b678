// The OpenAPI 3.1 document of this server, from tables of operations whose schemas validate the requests. Knows no route in particular.
import type { Web } from '../web.ts';
import { sendJson } from '../web.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required?: true;
  readonly description?: string;
  readonly schema: object;
}

/** What a route takes or gives: schemas by media type. */
export type Content = Readonly<Record<string, { readonly schema: object }>>;

export interface Answered {
  readonly description: string;
  readonly content?: Content;
}

export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** With {names}. */
  readonly path: string;
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly body?: Content;
  /** By status. */
  readonly answers: Readonly<Record<string, Answered>>;
}

export function json(schema: object): Content {
  return { 'application/json': { schema } };
}

/** Shows the document at /openapi.json. */
export function addOpenApi(web: Web, operations: readonly Operation[], isTokenNeeded: boolean): void {
  let text: string | undefined;
  web.on('/openapi.json', { get: (_request, response) => sendJson(response, (text ??= JSON.stringify(openApi(operations, isTokenNeeded)))) });
}

/** Schemas with a title stand among the components, once, and are referred to. */
export function openApi(operations: readonly Operation[], isTokenNeeded = false): object {
  const schemas: Record<string, object> = {};
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) (paths[operation.path] ??= {})[operation.method] = operationObject(operation, schemas);
  return {
    openapi: '3.1.0',
    info: {
      title: 'bagelgraph', version: '1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description: 'Runs node graph workflows for BAGEL. ComfyUI\'s routes exist with and without /api in front; further members of their requests and answers are allowed.',
    },
    paths,
    components: { schemas, securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'the server\'s token, where it was started with one' } } },
    ...(isTokenNeeded ? { security: [{ bearer: [] }] } : {}),
  };
}

function operationObject({ id, tag, summary, description, parameters = [], body, answers }: Operation, schemas: Record<string, object>): object {
  return {
    operationId: id, tags: [tag], summary, ...(description === undefined ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentObject(body, schemas) } }),
    responses: Object.fromEntries(Object.entries(answers).map(([status, { description: told, content }]) => [status, { description: told, ...(content === undefined ? {} : { content: contentObject(content, schemas) }) }])),
  };
}

function contentObject(content: Content, schemas: Record<string, object>): object {
  return Object.fromEntries(Object.entries(content).map(([type, { schema }]) => [type, { schema: referring(schema, schemas) }]));
}

/** A copy in which every titled schema is a reference. Two that differ may not share a title. */
function referring(schema: unknown, schemas: Record<string, object>): unknown {
  if (Array.isArray(schema)) return schema.map((item) => referring(item, schemas));
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, referring(value, schemas)]));
  const title = (schema as { readonly title?: unknown }).title;
  if (typeof title !== 'string') return copy;
  const known = schemas[title];
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(copy)) throw new Error(`two schemas have the title ${title}`);
  schemas[title] = copy;
  return { $ref: `#/components/schemas/${title}` };
}
