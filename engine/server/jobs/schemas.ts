// JSON Schemas of our own routes: what validates requests, what the OpenAPI document shows and what the types of the protocol are made of.
// Plain data, so that nothing is loaded for it.

const text = { type: 'string' } as const;
const textOrNull = { type: ['string', 'null'] } as const;
const count = { type: 'integer', minimum: 0 } as const;
const milliseconds = { type: ['number', 'null'], description: 'milliseconds since 1970' } as const;

export const jobStatus = { enum: ['pending', 'in_progress', 'completed', 'failed', 'cancelled'] } as const;

export const executionError = {
  type: 'object', title: 'ExecutionError', description: 'why a job failed', required: ['node_id', 'node_type', 'exception_type', 'exception_message'],
  properties: { node_id: { ...text, description: 'empty where no node is to blame' }, node_type: text, exception_type: text, exception_message: text },
} as const;

export const outputFile = {
  type: 'object', title: 'OutputFile', required: ['filename', 'subfolder', 'type', 'url'],
  properties: {
    filename: text, subfolder: text, type: { enum: ['output', 'temp', 'input'] }, url: { ...text, description: 'path on this server' },
    media_type: { ...text, description: 'such as image/png; where it is inline' }, data_url: { ...text, description: 'the file itself, where outputs are inline' },
  },
} as const;

export const namedOutput = {
  type: 'object', title: 'NamedOutput', required: ['name', 'node', 'files', 'texts'],
  properties: { name: { ...text, description: 'in the form; the node id where the workflow has no form' }, node: text, files: { type: 'array', items: outputFile }, texts: { type: 'array', items: text } },
} as const;

export const problem = {
  type: 'object', title: 'Problem', required: ['message'],
  properties: { message: text, node: text, title: { ...text, description: 'of the node' }, input: { ...text, description: 'of the node' }, form_input: { ...text, description: 'the name in the form' } },
} as const;

export const runError = {
  type: 'object', title: 'RunError', required: ['error'],
  properties: {
    error: {
      type: 'object', required: ['type', 'message'],
      properties: { type: { ...text, description: 'a code such as unknown_input' }, message: text, input: { ...text, description: 'the form input to blame' }, problems: { type: 'array', items: problem } },
    },
  },
} as const;

export const webhook = {
  anyOf: [
    { type: 'string', description: 'a URL' },
    { type: 'object', title: 'Webhook', required: ['url'], properties: { url: text, outputs: { enum: ['files', 'none'], description: 'files (default): references of what was made' } }, additionalProperties: false },
  ],
  description: 'is told when the job has ended, by POST',
} as const;

export const runRequest = {
  type: 'object', title: 'RunRequest', required: ['workflow'],
  properties: {
    workflow: { anyOf: [{ type: 'string', description: 'the name of a saved workflow' }, { type: 'object', description: 'a workflow: the editor\'s form or the API form' }] },
    inputs: { type: 'object', description: 'by their names in the form, or NODE.INPUT; pictures as data URLs, as names of uploads, or as an upload answers' },
    id: { type: 'string', minLength: 1, maxLength: 1000, description: 'an id of your own: sent again it is the same job, which does not run again' },
    client_id: { type: 'string', description: 'a WebSocket client that is told of the run too' },
    wait: { type: 'boolean', description: 'default true; false: answer at once with 202' },
    timeout_seconds: { type: 'number', exclusiveMinimum: 0, maximum: 86400, description: 'how long to wait; then 202, and the run goes on' },
    outputs: { enum: ['inline', 'files'], description: 'inline (default): pictures as data URLs; files: references' },
    on_disconnect: { enum: ['cancel', 'continue'], description: 'what becomes of the run when the client goes away while it waits; default cancel' },
    first: { type: 'boolean', description: 'before all that wait' },
    cache: { enum: ['use', 'bypass'], description: 'bypass: every node runs, whatever is known' },
    webhook,
  },
  additionalProperties: false,
} as const;

export const runAnswer = {
  type: 'object', title: 'RunAnswer', required: ['id', 'status', 'outputs'],
  properties: { id: text, status: jobStatus, outputs: { type: 'array', items: namedOutput }, error: problem },
} as const;

const jobMembers = {
  id: text, status: jobStatus, priority: { type: 'number', description: 'smaller runs sooner' }, create_time: { type: 'number', description: 'milliseconds since 1970' },
  execution_start_time: milliseconds, execution_end_time: milliseconds, execution_error: { anyOf: [executionError, { type: 'null' }] },
  outputs_count: count, preview_output: { anyOf: [{ type: 'object', description: 'the first picture: filename, subfolder, type, nodeId, mediaType' }, { type: 'null' }] }, workflow_id: textOrNull,
} as const;

const jobRequired = ['id', 'status', 'priority', 'create_time', 'execution_start_time', 'execution_end_time', 'execution_error', 'outputs_count', 'preview_output', 'workflow_id'] as const;

export const job = { type: 'object', title: 'Job', required: jobRequired, properties: jobMembers } as const;

export const jobDetail = {
  type: 'object', title: 'JobDetail', required: [...jobRequired, 'outputs', 'execution_status', 'workflow'],
  properties: {
    ...jobMembers,
    outputs: { type: 'object', description: 'what nodes showed, by node id' },
    execution_status: { anyOf: [{ type: 'object', description: 'as in /history' }, { type: 'null' }] },
    workflow: { type: 'object', required: ['prompt', 'extra_data'], properties: { prompt: { type: 'object' }, extra_data: { type: 'object' } } },
  },
} as const;

export const jobList = {
  type: 'object', title: 'JobList', required: ['jobs', 'pagination'],
  properties: {
    jobs: { type: 'array', items: job },
    pagination: { type: 'object', required: ['offset', 'limit', 'total', 'has_more'], properties: { offset: count, limit: { type: ['integer', 'null'] }, total: count, has_more: { type: 'boolean' } } },
  },
} as const;

export const cancelRequest = {
  type: 'object', title: 'CancelRequest', required: ['job_ids'], properties: { job_ids: { type: 'array', items: text, maxItems: 10000 } }, additionalProperties: false,
} as const;

export const cancelAnswer = { type: 'object', title: 'CancelAnswer', required: ['cancelled'], properties: { cancelled: { type: 'boolean', description: 'false where nothing waited or ran any more' } } } as const;

export const simpleError = { type: 'object', title: 'Error', required: ['error'], properties: { error: text } } as const;

export const formInput = {
  type: 'object', title: 'FormInput', required: ['name', 'node', 'input', 'type', 'is_picture'],
  properties: {
    name: text, node: text, input: text, type: { ...text, description: 'INT, FLOAT, STRING, BOOLEAN, COMBO, …' }, is_picture: { type: 'boolean' }, value: { description: 'what it is when it is not given' },
    minimum: { type: 'number' }, maximum: { type: 'number' }, choices: { type: 'array' },
  },
} as const;

export const savedWorkflow = {
  type: 'object', title: 'SavedWorkflow', required: ['name', 'source', 'inputs', 'outputs'],
  properties: {
    name: text, source: { ...text, description: 'user, or the group of a ready one' }, inputs: { type: 'array', items: formInput },
    outputs: { type: 'array', items: { type: 'object', required: ['name', 'node'], properties: { name: text, node: text } } },
    problem: { ...text, description: 'why it cannot be run' },
  },
} as const;

export const savedWorkflows = { type: 'array', items: savedWorkflow } as const;

export const gap = {
  type: 'object', title: 'Gap', description: 'events that are not kept any more', required: ['from', 'to', 'reason'], properties: { from: count, to: { type: ['integer', 'null'] }, reason: text },
} as const;

export const webhookBody = {
  type: 'object', title: 'WebhookBody', required: ['event', 'delivery', 'job'],
  properties: { event: { const: 'job.ended' }, delivery: { ...text, description: 'the same for every attempt' }, job, outputs: { type: 'array', items: namedOutput } },
} as const;
