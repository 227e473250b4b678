// ComfyUI's main routes in the OpenAPI document (comfy-contract §1). Its wire is lenient, so these schemas describe more than they forbid.
import { json, type Answered, type Operation, type Parameter } from './document.ts';

const text = { type: 'string' } as const;
const empty: Answered = { description: 'done' };
const path = (name: string): Parameter => ({ name, in: 'path', required: true, schema: text });
const query = (name: string, schema: object = text, description?: string): Parameter => ({ name, in: 'query', schema, ...(description === undefined ? {} : { description }) });

const apiNode = { type: 'object', title: 'ApiNode', required: ['class_type', 'inputs'], properties: { class_type: text, inputs: { type: 'object', description: 'a value, or a link [node id, output]' }, _meta: { type: 'object' } } } as const;
const apiForm = { type: 'object', title: 'ApiForm', description: 'nodes by id', additionalProperties: apiNode } as const;

const promptRequest = {
  type: 'object', title: 'PromptRequest', required: ['prompt'],
  properties: {
    prompt: { anyOf: [apiForm, { type: 'object', description: 'the editor\'s form' }] }, prompt_id: { ...text, description: 'sent again it is the same job' }, client_id: { ...text, description: 'the WebSocket client that is told' },
    number: { type: 'number', description: 'smaller runs sooner' }, front: { type: 'boolean' }, partial_execution_targets: { type: 'array', items: text },
    extra_data: {
      type: 'object',
      properties: {
        extra_pnginfo: { type: 'object', description: 'for the files that are saved, such as workflow' },
        bagelgraph: { type: 'object', properties: { cache: { enum: ['use', 'bypass'] }, webhook: { anyOf: [text, { type: 'object' }], description: 'a URL that is told when the job has ended' }, secrets: { type: 'object', description: 'for the run alone: never stored' } } },
      },
    },
  },
} as const;

const promptAnswer = { type: 'object', title: 'PromptAnswer', required: ['prompt_id', 'number', 'node_errors'], properties: { prompt_id: text, number: { type: 'number' }, node_errors: { type: 'object' } } } as const;
const promptError = {
  type: 'object', title: 'PromptError', required: ['error', 'node_errors'],
  properties: { error: { type: 'object', required: ['type', 'message', 'details', 'extra_info'], properties: { type: text, message: text, details: text, extra_info: { type: 'object' } } }, node_errors: { type: 'object' } },
} as const;

const queueItem = { type: 'array', description: '[number, prompt_id, prompt, extra_data, outputs to make]', minItems: 5, maxItems: 5 } as const;
const queue = { type: 'object', title: 'Queue', required: ['queue_running', 'queue_pending'], properties: { queue_running: { type: 'array', items: queueItem }, queue_pending: { type: 'array', items: queueItem } } } as const;

const historyEntry = {
  type: 'object', title: 'HistoryEntry', required: ['prompt', 'outputs', 'status', 'meta'],
  properties: {
    prompt: queueItem, outputs: { type: 'object', description: 'what nodes showed, by node id' }, meta: { type: 'object' },
    status: { type: 'object', required: ['status_str', 'completed', 'messages'], properties: { status_str: { enum: ['success', 'error'] }, completed: { type: 'boolean' }, messages: { type: 'array' } } },
  },
} as const;
const history = { type: 'object', title: 'History', description: 'by prompt id, the oldest first', additionalProperties: historyEntry } as const;

const uploaded = { type: 'object', title: 'Uploaded', required: ['name', 'subfolder', 'type'], properties: { name: text, subfolder: text, type: { enum: ['input', 'output', 'temp'] } } } as const;
const clearOrDelete = { type: 'object', title: 'ClearOrDelete', properties: { clear: { type: 'boolean' }, delete: { type: 'array', items: text } } } as const;
const execInfo = { type: 'object', required: ['exec_info'], properties: { exec_info: { type: 'object', required: ['queue_remaining'], properties: { queue_remaining: { type: 'integer' } } } } } as const;
const order = {
  type: 'object', title: 'QueueOrder', required: ['paused', 'running', 'waiting'],
  properties: { paused: { type: 'boolean' }, running: { type: 'array', items: text }, waiting: { type: 'array', items: { type: 'object', required: ['prompt_id', 'number'], properties: { prompt_id: text, number: { type: 'number' } } } } },
} as const;

const nodeInfo = {
  type: 'object', title: 'NodeInfo', required: ['input', 'input_order', 'output', 'output_name', 'output_is_list', 'name', 'display_name', 'category', 'output_node'],
  properties: { input: { type: 'object' }, input_order: { type: 'object' }, output: { type: 'array' }, output_name: { type: 'array' }, output_is_list: { type: 'array' }, name: text, display_name: text, description: text, python_module: text, category: text, output_node: { type: 'boolean' } },
} as const;
const objectInfo = { type: 'object', title: 'ObjectInfo', description: 'by type', additionalProperties: nodeInfo } as const;

const systemStats = {
  type: 'object', title: 'SystemStats', required: ['system', 'devices'],
  properties: { system: { type: 'object' }, devices: { type: 'array', items: { type: 'object', required: ['name', 'type'], properties: { name: text, type: text } } } },
} as const;

const upload = { 'multipart/form-data': { schema: { type: 'object', required: ['image'], properties: { image: { type: 'string', contentMediaType: 'application/octet-stream' }, overwrite: text, type: { enum: ['input', 'output', 'temp'] }, subfolder: text } } } } as const;

export const comfyOperations: readonly Operation[] = [
  { method: 'get', path: '/api/prompt', id: 'promptInfo', tag: 'queue', summary: 'How many prompts wait or run', answers: { 200: { description: 'the number', content: json(execInfo) } } },
  {
    method: 'post', path: '/api/prompt', id: 'prompt', tag: 'queue', summary: 'Queue a workflow', body: json(promptRequest),
    answers: { 200: { description: 'accepted and stored; node_errors tells of outputs that were dropped', content: json(promptAnswer) }, 400: { description: 'nothing of it can run', content: json(promptError) }, 503: { description: 'the server stops, or cannot store it', content: json(promptError) } },
  },
  { method: 'get', path: '/api/queue', id: 'queue', tag: 'queue', summary: 'What runs and waits', answers: { 200: { description: 'both', content: json(queue) } } },
  { method: 'post', path: '/api/queue', id: 'changeQueue', tag: 'queue', summary: 'Drop waiting prompts', body: json(clearOrDelete), answers: { 200: empty } },
  { method: 'get', path: '/api/queue/order', id: 'queueOrder', tag: 'queue', summary: 'The order of what waits', answers: { 200: { description: 'the order', content: json(order) } } },
  { method: 'post', path: '/api/queue/order', id: 'orderQueue', tag: 'queue', summary: 'These run first, in this order', body: json({ type: 'object', required: ['prompt_ids'], properties: { prompt_ids: { type: 'array', items: text } } }), answers: { 200: { description: 'the order', content: json(order) }, 400: { description: 'what is wrong', content: json(promptError) } } },
  { method: 'post', path: '/api/queue/priority', id: 'prioritize', tag: 'queue', summary: 'Give a waiting prompt another number', body: json({ type: 'object', required: ['prompt_id', 'number'], properties: { prompt_id: text, number: { type: 'number' } } }), answers: { 200: { description: 'the order', content: json(order) }, 400: { description: 'what is wrong', content: json(promptError) }, 404: { description: 'it does not wait', content: json(promptError) } } },
  { method: 'post', path: '/api/queue/pause', id: 'pauseQueue', tag: 'queue', summary: 'Start nothing more', answers: { 200: { description: 'the order', content: json(order) } } },
  { method: 'post', path: '/api/queue/resume', id: 'resumeQueue', tag: 'queue', summary: 'Go on', answers: { 200: { description: 'the order', content: json(order) } } },
  { method: 'post', path: '/api/interrupt', id: 'interrupt', tag: 'queue', summary: 'Interrupt what runs, or one prompt', body: json({ type: 'object', properties: { prompt_id: text } }), answers: { 200: empty } },
  { method: 'post', path: '/api/free', id: 'free', tag: 'queue', summary: 'Unload models, drop results', body: json({ type: 'object', properties: { unload_models: { type: 'boolean' }, free_memory: { type: 'boolean' } } }), answers: { 200: empty } },
  { method: 'get', path: '/api/history', id: 'history', tag: 'history', summary: 'What ran', parameters: [query('max_items', { type: 'integer' }), query('offset', { type: 'integer' })], answers: { 200: { description: 'entries', content: json(history) } } },
  { method: 'post', path: '/api/history', id: 'changeHistory', tag: 'history', summary: 'Forget entries', body: json(clearOrDelete), answers: { 200: empty } },
  { method: 'get', path: '/api/history/{id}', id: 'historyEntry', tag: 'history', summary: 'One entry, or an empty object', parameters: [path('id')], answers: { 200: { description: 'the entry', content: json(history) } } },
  {
    method: 'get', path: '/api/view', id: 'view', tag: 'files', summary: 'A file', parameters: [{ ...query('filename'), required: true }, query('type', { enum: ['output', 'input', 'temp'] }), query('subfolder'), query('preview', text, 'such as webp;90'), query('channel', { enum: ['rgb', 'a', 'rgba'] })],
    answers: { 200: { description: 'its bytes', content: { '*/*': { schema: {} } } }, 400: { description: 'a wrong name' }, 403: { description: 'outside the folder' }, 404: { description: 'no such file' } },
  },
  { method: 'post', path: '/api/upload/image', id: 'uploadImage', tag: 'files', summary: 'Upload a picture', body: upload, answers: { 200: { description: 'its name, which may be numbered', content: json(uploaded) }, 400: { description: 'what is wrong' } } },
  { method: 'get', path: '/api/object_info', id: 'objectInfo', tag: 'nodes', summary: 'Definitions of all nodes', answers: { 200: { description: 'by type', content: json(objectInfo) } } },
  { method: 'get', path: '/api/object_info/{type}', id: 'nodeInfo', tag: 'nodes', summary: 'The definition of one node, or an empty object', parameters: [path('type')], answers: { 200: { description: 'by type', content: json(objectInfo) } } },
  { method: 'get', path: '/api/system_stats', id: 'systemStats', tag: 'system', summary: 'Memory and devices', answers: { 200: { description: 'of this machine', content: json(systemStats) } } },
  { method: 'get', path: '/api/features', id: 'features', tag: 'system', summary: 'What this server can do', answers: { 200: { description: 'flags', content: json({ type: 'object' }) } } },
];
