// POST /v1/chat/completions: a conversation with pictures, answered at once or as it is written (server-sent events).
import type { Response } from 'express';
import { encodeJson, isJsonObject, type Json, type JsonObject } from '../../formats/json.ts';
import type { Site } from '../comfy/site.ts';
import type { FormResult, FormRun } from '../jobs/run-form.ts';
import { sendJson } from '../web.ts';
import { answering, goneSignal, isThinking, newSeed, nowSeconds, resultsOf, seedOf, submitAll } from './answering.ts';
import { checkRequest, parseBody } from './check-request.ts';
import { failureError } from './errors.ts';
import { setMessages } from './messages.ts';
import { chatRequest } from './schemas.ts';
import { splitThinking, ThinkingSplitter, type Said } from './thinking.ts';
import type { TaskForm, TaskForms } from './workflows.ts';

const heartbeatMs = 15_000;

export function addChatRoute(site: Site, tasks: TaskForms): void {
  site.web.on('/v1/chat/completions', {
    post: (request, response) => answering(response, async () => {
      const gone = goneSignal(response);
      const asked = await checkRequest(parseBody(await site.web.body(request)), chatRequest);
      const form = await tasks.open('chat', asked.get('model') as string | undefined);
      await setMessages(form, site.forms, asked.get('messages') as readonly Json[], request);
      setWriting(form, asked);
      const [run] = await submitAll(site, form, [undefined], response);
      const head: readonly [string, Json][] = [['id', `chatcmpl-${run!.id}`], ['created', nowSeconds()], ['model', form.model]];
      if (asked.get('stream') === true) return stream(site, run!, form, head, asked, response, gone);
      await answer(site, run!, form, head, response, gone);
    }),
  });
}

function setWriting(form: TaskForm, asked: JsonObject): void {
  const tokens = asked.get('max_completion_tokens') ?? asked.get('max_tokens');
  if (tokens !== undefined) form.set('max_tokens', BigInt(tokens as bigint) + 1n); // the form counts the begin token too
  const temperature = asked.get('temperature');
  if (temperature !== undefined) {
    form.set('sample', Number(temperature) > 0);
    form.set('temperature', temperature);
  }
  form.set('top_p', asked.get('top_p'));
  if (isThinking(asked.get('reasoning_effort')) || form.has('think')) form.set('think', isThinking(asked.get('reasoning_effort')));
  const seed = seedOf(asked) ?? (Number(temperature ?? 0) > 0 && form.has('seed') ? newSeed() : undefined);
  form.set('seed', seed);
}

async function answer(site: Site, run: FormRun, form: TaskForm, head: readonly [string, Json][], response: Response, gone: AbortSignal): Promise<void> {
  let result: FormResult;
  try {
    [result] = await resultsOf(site, [run], gone) as [FormResult];
  } catch (error) {
    if (gone.aborted) return;
    throw error;
  }
  const { reasoning, content } = splitThinking(textOf(result));
  const message = new Map<string, Json>([['role', 'assistant'], ['content', content], ...(reasoning === '' ? [] : [['reasoning_content', reasoning] as const]), ['refusal', null]]);
  const choice = new Map<string, Json>([['index', 0n], ['message', message], ['logprobs', null], ['finish_reason', finishOf(result, form)]]);
  const usage = usageOf(result);
  sendJson(response, encodeJson(new Map<string, Json>([...head, ['object', 'chat.completion'], ['choices', [choice]], ...(usage === undefined ? [] : [['usage', usage] as const])])));
}

async function stream(site: Site, run: FormRun, form: TaskForm, head: readonly [string, Json][], asked: JsonObject, response: Response, gone: AbortSignal): Promise<void> {
  const chunk = (delta: Readonly<Record<string, string>>, finish: string | null = null) => new Map<string, Json>([
    ...head, ['object', 'chat.completion.chunk'], ['choices', [new Map<string, Json>([['index', 0n], ['delta', new Map(Object.entries(delta))], ['finish_reason', finish]])]],
  ]);
  const send = (text: string) => write(response, `data: ${text}\n\n`, gone);
  const sendSaid = async (pieces: readonly Said[]) => {
    for (const { kind, text } of pieces) await send(encodeJson(chunk(kind === 'content' ? { content: text } : { reasoning_content: text })));
  };
  response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' });
  const heartbeat = setInterval(() => { if (!response.writableNeedDrain) response.write(': waiting\n\n'); }, heartbeatMs);
  try {
    await send(encodeJson(chunk({ role: 'assistant', content: '' })));
    const splitter = new ThinkingSplitter();
    let written = '';
    for await (const event of run.events(gone)) {
      if (event.kind !== 'text') continue;
      written += event.delta;
      await sendSaid(splitter.push(event.delta));
    }
    const result = await run.ended(gone);
    if (result.state !== 'success') {
      await send(encodeJson(failureError(result, site.store.get(run.id)?.failure).json()));
      return;
    }
    const whole = textOf(result);
    await sendSaid([...splitter.push(whole.startsWith(written) ? whole.slice(written.length) : ''), ...splitter.end()]); // an answer that was known before comes in one piece
    await send(encodeJson(chunk({}, finishOf(result, form))));
    const [options, usage] = [asked.get('stream_options'), usageOf(result)];
    if (isJsonObject(options) && options.get('include_usage') === true && usage !== undefined) await send(encodeJson(new Map<string, Json>([...head, ['object', 'chat.completion.chunk'], ['choices', []], ['usage', usage]])));
    await send('[DONE]');
  } catch (error) {
    if (!gone.aborted) throw error;
  } finally {
    clearInterval(heartbeat);
    if (gone.aborted) await run.cancel();
    response.end();
  }
}

/** Resolves when the client has taken it. Rejects when it has gone. */
async function write(response: Response, text: string, gone: AbortSignal): Promise<void> {
  gone.throwIfAborted();
  if (response.write(text)) return;
  await new Promise<void>((resolve, reject) => {
    response.once('drain', resolve);
    gone.addEventListener('abort', () => reject(gone.reason as Error), { once: true });
  });
}

/** The form's first text that is no count. */
function textOf({ outputs }: FormResult): string {
  return outputs.filter(({ name }) => !name.endsWith('_tokens')).flatMap(({ texts }) => texts).join('\n');
}

function countOf({ outputs }: FormResult, name: string): number | undefined {
  const text = outputs.find((output) => output.name === name)?.texts[0];
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
}

/** Undefined where the form has no outputs that tell. */
function usageOf(result: FormResult): Json | undefined {
  const [read, written] = [countOf(result, 'prompt_tokens'), countOf(result, 'completion_tokens')];
  if (read === undefined || written === undefined) return undefined;
  return new Map([['prompt_tokens', BigInt(read)], ['completion_tokens', BigInt(written)], ['total_tokens', BigInt(read + written)]]);
}

function finishOf(result: FormResult, form: TaskForm): 'stop' | 'length' {
  const most = Number(form.values.get('max_tokens') ?? form.standing('max_tokens') ?? Infinity);
  return (countOf(result, 'completion_tokens') ?? 0) >= most - 1 ? 'length' : 'stop';
}
