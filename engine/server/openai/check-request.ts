// Checks a request of an OpenAI client against its schema, and names the member that is wrong.
import { describeJson, encodeJson, isJsonObject, parseJson, plainOf, type Json, type JsonObject } from '../../formats/json.ts';
import { FormatError } from '../../formats/errors.ts';
import { nearestNames } from '../../graph/nearest.ts';
import { OpenAiError } from './errors.ts';

export interface RequestSchema {
  readonly properties: Readonly<Record<string, object>>;
  readonly required: readonly string[];
}

interface Found { readonly instancePath: string; readonly message: string; readonly keyword: string; readonly params: Readonly<Record<string, unknown>> }
type Validator = { Check(value: unknown): boolean; Errors(value: unknown): [boolean, readonly Found[]] };

const validators = new Map<object, Promise<Validator>>();

export function parseBody(bytes: Buffer): Json {
  try {
    return parseJson(bytes.toString('utf8'));
  } catch (error) {
    throw error instanceof FormatError ? new OpenAiError(`the body is no JSON: ${error.message}`, { code: 'invalid_json' }) : error;
  }
}

/** The body without members that are null, which OpenAI's clients send for "not given". Throws an OpenAiError. */
export async function checkRequest(body: Json, schema: RequestSchema): Promise<JsonObject> {
  if (!isJsonObject(body)) throw new OpenAiError(`the body must be a JSON object, got ${describeJson(body)}`, { code: 'invalid_json' });
  const given = new Map([...body].filter(([, value]) => value !== null));
  for (const name of given.keys()) if (!Object.hasOwn(schema.properties, name)) refuseUnknown(name, schema);
  const missing = schema.required.find((name) => !given.has(name));
  if (missing !== undefined) throw new OpenAiError(`${missing} is missing`, { param: missing, code: 'missing_required_parameter' });
  for (const [name, value] of given) await checkMember(name, value, schema.properties[name]!);
  return given;
}

function refuseUnknown(name: string, schema: RequestSchema): never {
  const [near] = nearestNames(name, Object.keys(schema.properties), 1);
  throw new OpenAiError(`${JSON.stringify(name)} is not supported here${near === undefined ? '.' : `; did you mean ${near}?`} There are ${Object.keys(schema.properties).join(', ')}`, { param: name, code: 'unsupported_parameter' });
}

async function checkMember(name: string, value: Json, schema: object): Promise<void> {
  const validator = await validatorOf(schema);
  const plain = typeof value === 'bigint' ? Number(value) : plainOf(value);
  if (validator.Check(plain)) return;
  const { description = '' } = schema as { readonly description?: string };
  if (description.startsWith('only ')) throw new OpenAiError(`${name}: ${description}`, { param: name, code: 'unsupported_value' });
  const [, errors] = validator.Errors(plain);
  const deepest = errors.reduce<Found | undefined>((best, error) => (best === undefined || error.instancePath.length > best.instancePath.length ? error : best), undefined);
  const where = `${name}${(deepest?.instancePath ?? '').replace(/\/(\d+)/g, '[$1]').replaceAll('/', '.')}`;
  const allowed = choicesIn(schema) ?? choicesIn(deepest?.params ?? {});
  const isWhole = (deepest?.instancePath ?? '') === '';
  const shown = encodeJson(value);
  const given = isWhole ? ` is ${shown.length > 80 ? `${shown.slice(0, 80)}…` : shown}:` : '';
  const wanted = isWhole && allowed !== undefined ? `give ${allowed}` : choicesIn(deepest?.params ?? {}) === undefined ? deepest?.message.replace(/^must be either (.*) or null$/, 'must be $1') ?? 'is wrong' : `must be one of ${choicesIn(deepest!.params)!}`;
  throw new OpenAiError(`${where}${given} ${wanted}`, { param: name, code: 'invalid_value' });
}

function choicesIn(schema: object): string | undefined {
  const { enum: choices, allowedValues } = schema as { readonly enum?: readonly unknown[]; readonly allowedValues?: readonly unknown[] };
  const found = choices ?? allowedValues;
  return found === undefined ? undefined : found.filter((choice) => choice !== null).map((choice) => JSON.stringify(choice)).join(', ');
}

function validatorOf(schema: object): Promise<Validator> {
  let validator = validators.get(schema);
  if (validator === undefined) validators.set(schema, (validator = import('typebox/schema').then(({ Compile }) => Compile(schema) as unknown as Validator)));
  return validator;
}
