// Tells a URL that a job has ended: `extra_data.bagelgraph.webhook`. Signed, tried again for a while, and kept out of private networks.
import { createHmac, randomUUID } from 'node:crypto';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeJson, isJsonObject, type Json } from '../../formats/json.ts';
import type { Job, Store } from '../../store/store.ts';
import { readRequest } from '../comfy/requests.ts';
import { FormRunError } from './errors.ts';
import { jobJson, outputJson } from './job-json.ts';
import { addressOf, isPublicAddress, lookupPublic } from './public-address.ts';
import type { FormRuns } from './run-form.ts';

export interface WebhookOptions {
  /** Signs what is sent. */
  readonly secret?: string | undefined;
  /** Targets in private networks and on this machine are allowed. */
  readonly allowsPrivate?: boolean;
  /** Waits between attempts, milliseconds; one attempt more than there are waits. */
  readonly retryMs?: readonly number[];
}

export interface WebhooksOptions extends WebhookOptions {
  readonly store: Pick<Store, 'texts'>;
  readonly forms: Pick<FormRuns, 'result'>;
  readonly log: (line: string) => void;
}

const defaultRetryMs = [1000, 5000, 30_000, 120_000, 600_000];
const answerTimeoutMs = 15_000;
/** Deliveries under way and waiting; further ones are dropped and logged. */
const mostPending = 1000;

interface Target { readonly url: URL; readonly hasOutputs: boolean }

/** An answer that trying again will not change. */
class Refused extends Error {}

export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #stop = new AbortController();
  #pending = 0;

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  /** Throws a FormRunError for what will never be called. Names are looked up only when they are called. */
  check(webhook: Json | undefined): void {
    if (webhook !== undefined && webhook !== null) this.#targetOf(webhook);
  }

  /** Call it with every job that has its final entry. Never throws. */
  tell(job: Job): void {
    const request = this.#options.store.texts(job.id)?.request;
    if (request === undefined || !request.includes('"webhook"')) return;
    const own = readRequest(request).extraData.get('bagelgraph');
    const webhook = isJsonObject(own) ? own.get('webhook') : undefined;
    if (webhook === undefined || webhook === null) return;
    void this.#deliver(job, webhook).catch((error: unknown) => this.#options.log(`webhook of prompt ${job.id}: ${(error as Error).message}`));
  }

  /** Gives up what waits. */
  close(): void {
    this.#stop.abort();
  }

  #targetOf(webhook: Json): Target {
    const written = isJsonObject(webhook) ? webhook.get('url') : webhook;
    const refuse = (why: string): never => {
      throw new FormRunError('webhook_refused', `webhook ${typeof written === 'string' ? JSON.stringify(written.slice(0, 200)) : ''}: ${why}`);
    };
    if (typeof written !== 'string' || !URL.canParse(written)) return refuse('give a URL, such as https://example.org/hook');
    const url = new URL(written);
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return refuse('give an http or https URL');
    const address = addressOf(url.hostname);
    const isLocal = address === undefined ? /(^|\.)localhost\.?$/i.test(url.hostname) : !isPublicAddress(address);
    if (isLocal && this.#options.allowsPrivate !== true) return refuse('it leads to this machine or a private network, which the server allows only with --webhook-allow-private');
    return { url, hasOutputs: !isJsonObject(webhook) || webhook.get('outputs') !== 'none' };
  }

  async #deliver(job: Job, webhook: Json): Promise<void> {
    const { url, hasOutputs } = this.#targetOf(webhook);
    if (this.#pending >= mostPending) throw new Error(`not sent to ${url.host}: ${mostPending} deliveries wait already`);
    const outputs = hasOutputs ? this.#options.forms.result(job.id)?.outputs ?? [] : [];
    const delivery = randomUUID();
    const body = encodeJson(new Map<string, Json>([['event', 'job.ended'], ['delivery', delivery], ['job', jobJson(job)], ...(hasOutputs ? [['outputs', outputs.map((output) => outputJson(output))] as const] : [])]));
    const waits = this.#options.retryMs ?? defaultRetryMs;
    this.#pending++;
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          return await this.#send(url, body, delivery);
        } catch (error) {
          const wait = waits[attempt];
          if (this.#stop.signal.aborted) throw new Error(`not sent to ${url.host}: the server stops`, { cause: error });
          if (error instanceof Refused || wait === undefined) throw new Error(`not sent to ${url.host} after ${attempt + 1} attempt${attempt === 0 ? '' : 's'}: ${(error as Error).message}`, { cause: error });
          await sleep(wait, undefined, { signal: this.#stop.signal, ref: false });
        }
      }
    } finally {
      this.#pending--;
    }
  }

  /** Redirects are not followed: they could lead anywhere. */
  #send(url: URL, body: string, delivery: string): Promise<void> {
    const { secret, allowsPrivate } = this.#options;
    const at = Math.floor(Date.now() / 1000);
    const headers = {
      'Content-Type': 'application/json; charset=utf-8', 'Content-Length': Buffer.byteLength(body), 'User-Agent': 'bagelgraph', 'X-Bagelgraph-Event': 'job.ended', 'X-Bagelgraph-Delivery': delivery,
      ...(secret === undefined ? {} : { 'X-Bagelgraph-Signature': signatureOf(secret, at, body) }),
    };
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
        method: 'POST', headers, agent: false, signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(answerTimeoutMs)]), ...(allowsPrivate === true ? {} : { lookup: lookupPublic }),
      }, (response) => {
        const status = response.statusCode ?? 0;
        response.destroy(); // what it says is not read
        if (status >= 200 && status < 300) return resolve();
        const mayPass = status >= 500 || [408, 425, 429].includes(status);
        reject(mayPass ? new Error(`it answered ${status}`) : new Refused(`it answered ${status}${status >= 300 && status < 400 ? '; redirects are not followed' : ''}`));
      });
      request.on('error', (error: NodeJS.ErrnoException) => reject(error.code === 'EPRIVATE' ? new Refused(error.message) : error));
      request.end(body);
    });
  }
}

/** `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`. */
export function signatureOf(secret: string, at: number, body: string): string {
  return `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}`;
}
