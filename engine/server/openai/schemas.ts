// JSON Schemas of the OpenAI-compatible routes: what validates requests and what the OpenAPI document shows. Members that no schema names are refused;
// of members that this server cannot heed, the values that change nothing are taken.

const text = { type: 'string' } as const;
const flag = { type: ['boolean', 'null'] } as const;
const amount = (minimum: number, maximum: number) => ({ type: ['number', 'null'], minimum, maximum } as const);
const whole = (minimum: number, maximum: number) => ({ type: ['integer', 'null'], minimum, maximum } as const);
const oneOf = <const T extends readonly string[]>(...choices: T) => ({ enum: [...choices, null] });
/** Known to OpenAI, but here only what changes nothing is possible. */
const only = <const T extends object>(what: string, schema: T) => ({ ...schema, description: `only ${what} is supported` });
/** Says nothing that matters here. */
const ignored = { description: 'taken and not used' } as const;

/** Beyond doubles too, so no integer to the validator. */
const seed = { type: ['number', 'null'], minimum: 0 } as const;
const reasoningEffort = { ...oneOf('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'), description: 'beyond minimal: think in words first' } as const;
const model = { type: ['string', 'null'], description: 'a model of GET /v1/models; OpenAI\'s names stand for the server\'s own' } as const;

const imageMembers = {
  prompt: { ...text, minLength: 1 }, model,
  n: { ...whole(1, 10), description: 'pictures; the seed counts up' },
  size: { type: ['string', 'null'], pattern: '^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$', description: 'auto, or WIDTHxHEIGHT in pixels; sides are rounded to a multiple of 16' },
  quality: { ...oneOf('auto', 'low', 'medium', 'high', 'standard', 'hd'), description: 'low: half the steps; high and hd: twice the steps' },
  response_format: { ...oneOf('b64_json', 'url'), description: 'default b64_json; url: a path of this server, which needs the token too' },
  output_format: { ...oneOf('png', 'jpeg', 'webp'), description: 'default png, which holds its workflow' },
  output_compression: { ...whole(0, 100), description: 'quality of jpeg and webp; default 92' },
  seed: { ...seed, description: 'ours: 0 to 2^64 - 1; default: a new one each time, which is told' },
  steps: { ...whole(2, 1000), description: 'ours: points of the schedule' },
  reasoning_effort: reasoningEffort,
  background: only('auto and opaque', oneOf('auto', 'opaque')), moderation: ignored, stream: only('false', { enum: [false, null] }), partial_images: only('0', { enum: [0, null] }), user: ignored,
} as const;

const style = { ...oneOf('vivid', 'natural'), ...ignored } as const;

export const generationRequest = {
  type: 'object', title: 'ImageGenerationRequest', required: ['prompt'], properties: { ...imageMembers, style }, additionalProperties: false,
} as const;

const picture = { anyOf: [text, { type: 'object', required: ['image_url'], properties: { image_url: text } }], description: 'a data URL, or a URL that this server answered' } as const;

export const editRequest = {
  type: 'object', title: 'ImageEditRequest', required: ['prompt'],
  properties: {
    ...imageMembers,
    image: { anyOf: [picture, { type: 'array', items: picture }], description: 'a file of the multipart body (image, image[]), or as in images' },
    images: { type: 'array', items: picture },
    input_fidelity: oneOf('low', 'high'),
  },
  additionalProperties: false,
} as const;

const message = {
  type: 'object', required: ['role'],
  properties: {
    role: { enum: ['system', 'developer', 'user', 'assistant'] },
    content: {
      anyOf: [text, { type: 'null' }, {
        type: 'array', items: {
          type: 'object', required: ['type'],
          properties: {
            type: { enum: ['text', 'image_url'] }, text,
            image_url: { anyOf: [text, { type: 'object', required: ['url'], properties: { url: text, detail: oneOf('auto', 'low', 'high') } }] },
          },
        },
      }],
    },
    name: text, reasoning_content: { type: ['string', 'null'], description: 'not read again' }, refusal: { type: 'null' },
  },
} as const;

export const chatRequest = {
  type: 'object', title: 'ChatCompletionRequest', required: ['messages'],
  properties: {
    model, messages: { type: 'array', minItems: 1, items: message },
    stream: flag, stream_options: { type: ['object', 'null'], properties: { include_usage: flag, include_obfuscation: flag } },
    max_tokens: whole(1, 32767), max_completion_tokens: { ...whole(1, 32767), description: 'tokens of thinking and answer together' },
    temperature: { ...amount(0, 5), description: '0: the likeliest word each time' }, top_p: amount(0, 1),
    seed, reasoning_effort: reasoningEffort,
    n: only('1', { enum: [1, null] }), frequency_penalty: only('0', { enum: [0, null] }), presence_penalty: only('0', { enum: [0, null] }), logprobs: only('false', { enum: [false, null] }), logit_bias: only('{}', { type: ['object', 'null'], maxProperties: 0 }),
    tools: only('[]', { type: ['array', 'null'], maxItems: 0 }), tool_choice: only('none and auto', oneOf('none', 'auto')), parallel_tool_calls: ignored, stop: only('[]', { type: ['array', 'null'], maxItems: 0 }),
    response_format: only('{"type": "text"}', { type: ['object', 'null'], required: ['type'], properties: { type: { const: 'text' } } }), modalities: only('["text"]', { type: ['array', 'null'], items: { const: 'text' } }),
    user: ignored, metadata: ignored, store: ignored, service_tier: ignored, safety_identifier: ignored, prompt_cache_key: ignored, prompt_cache_retention: ignored, verbosity: ignored,
  },
  additionalProperties: false,
} as const;

const nullableText = { type: ['string', 'null'] } as const;

export const openAiErrorBody = {
  type: 'object', title: 'OpenAiError', required: ['error'],
  properties: { error: { type: 'object', required: ['message', 'type', 'param', 'code'], properties: { message: text, type: text, param: nullableText, code: nullableText } } },
} as const;

export const imagesAnswer = {
  type: 'object', title: 'ImagesAnswer', required: ['created', 'data', 'output_format'],
  properties: {
    created: { type: 'integer', description: 'seconds since 1970' }, output_format: { enum: ['png', 'jpeg', 'webp'] },
    data: {
      type: 'array', items: {
        type: 'object', required: ['seed'],
        properties: { b64_json: text, url: text, seed: { type: 'number' }, reasoning_content: { ...text, description: 'what was thought before drawing' } },
      },
    },
  },
} as const;

const usage = {
  type: 'object', required: ['prompt_tokens', 'completion_tokens', 'total_tokens'],
  properties: { prompt_tokens: { type: 'integer', description: 'texts, and what the model sees of pictures' }, completion_tokens: { type: 'integer' }, total_tokens: { type: 'integer' } },
} as const;

export const chatAnswer = {
  type: 'object', title: 'ChatCompletion', required: ['id', 'object', 'created', 'model', 'choices'],
  properties: {
    id: text, object: { const: 'chat.completion' }, created: { type: 'integer' }, model: text, usage,
    choices: {
      type: 'array', items: {
        type: 'object', required: ['index', 'message', 'finish_reason'],
        properties: {
          index: { const: 0 }, finish_reason: { enum: ['stop', 'length'] }, logprobs: { type: 'null' },
          message: { type: 'object', required: ['role', 'content'], properties: { role: { const: 'assistant' }, content: text, reasoning_content: text, refusal: { type: 'null' } } },
        },
      },
    },
  },
} as const;

const modelEntry = { type: 'object', title: 'Model', required: ['id', 'object', 'created', 'owned_by'], properties: { id: text, object: { const: 'model' }, created: { type: 'integer' }, owned_by: text } } as const;
export const modelAnswer = modelEntry;
export const modelsAnswer = { type: 'object', title: 'ModelList', required: ['object', 'data'], properties: { object: { const: 'list' }, data: { type: 'array', items: modelEntry } } } as const;
