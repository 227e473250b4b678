// Checks a request against its schema and says in words what is wrong. The validator is loaded at the first request that needs it.
import { isJsonArray, isJsonObject, plainOf, type Json, type JsonObject } from '../../formats/json.ts';
import { nearestNames } from '../../graph/nearest.ts';
import { FormRunError } from './errors.ts';

export interface ObjectSchema {
  readonly type: 'object';
  readonly properties: Readonly<Record<string, object>>;
  readonly additionalProperties?: boolean;
}

type Validator = { Check(value: unknown): boolean; Errors(value: unknown): [boolean, readonly { readonly instancePath: string; readonly message: string; readonly keyword: string; readonly schemaPath: string }[]] };

const validators = new Map<object, Promise<Validator>>();

/** Throws a FormRunError that names the member. What the schema calls just an object or a list is not looked into. */
export async function checkBody(body: Json, schema: ObjectSchema): Promise<JsonObject> {
  if (!isJsonObject(body)) throw new FormRunError('invalid_request', 'the body must be a JSON object');
  const unknown = schema.additionalProperties === false ? [...body.keys()].find((name) => !Object.hasOwn(schema.properties, name)) : undefined;
  if (unknown !== undefined) {
    const [near] = nearestNames(unknown, Object.keys(schema.properties), 1);
    throw new FormRunError('invalid_request', `the body has an unknown member ${JSON.stringify(unknown)}${near === undefined ? '.' : `; did you mean ${near}?`} It may have ${Object.keys(schema.properties).join(', ')}`);
  }
  const value = Object.fromEntries([...body].map(([name, member]) => [name, isDeep(schema.properties[name]) ? outline(member) : plainOf(member)]));
  const validator = await validatorOf(schema);
  if (validator.Check(value)) return body;
  const [, errors] = validator.Errors(value);
  const found = errors.find(({ keyword }) => keyword !== 'anyOf' && keyword !== 'boolean') ?? errors[0];
  const alternatives = errors.filter(({ instancePath, keyword }) => instancePath === found?.instancePath && keyword === 'type').map(({ message }) => message.replace('must be ', ''));
  const where = found === undefined || found.instancePath === '' ? 'the body' : found.instancePath.slice(1).replaceAll('/', '.');
  const allowed = allowedOf(schema, found?.instancePath ?? '');
  throw new FormRunError('invalid_request', `${where} ${allowed ?? (alternatives.length > 1 ? `must be ${alternatives.join(' or ')}` : found?.message ?? 'is wrong')}`);
}

function validatorOf(schema: object): Promise<Validator> {
  let validator = validators.get(schema);
  if (validator === undefined) validators.set(schema, (validator = import('typebox/schema').then(({ Compile }) => Compile(schema) as unknown as Validator)));
  return validator;
}

/** Workflows and inputs are checked by those who know them. */
function isDeep(schema: object | undefined): boolean {
  const text = JSON.stringify(schema ?? {});
  return text.includes('"type":"object"') && !text.includes('"properties"');
}

function outline(json: Json): unknown {
  return isJsonArray(json) ? [] : isJsonObject(json) ? {} : plainOf(json);
}

/** The choices of an enum, which the validator does not tell. */
function allowedOf(schema: ObjectSchema, instancePath: string): string | undefined {
  const member = schema.properties[instancePath.slice(1)] as { readonly enum?: readonly unknown[] } | undefined;
  return member?.enum === undefined ? undefined : `must be one of ${member.enum.map((choice) => JSON.stringify(choice)).join(', ')}`;
}
