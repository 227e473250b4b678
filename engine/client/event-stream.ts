// Server-sent events of a run as a stream of RunEvents. Browser-safe.
import { isJsonArray, isJsonObject, parseJson, plainOf, type Json } from '../formats/json.ts';
import type { GapBody, RunEvent } from '../server/jobs/protocol.ts';

/** Events that the server does not keep any more. */
export type GapEvent = GapBody & { readonly kind: 'gap' };

export interface StreamedEvent {
  /** Where to go on from; absent on gaps. */
  readonly id: string | undefined;
  readonly event: RunEvent | GapEvent;
}

/** The events in a body of text/event-stream. Leaving the loop closes the connection. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamedEvent> {
  const reader = body.getReader(); // not every browser iterates streams
  try {
    yield* parseEvents(reader);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function* parseEvents(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<StreamedEvent> {
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { value: chunk, done } = await reader.read();
    if (done) return;
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(text.slice(0, end).split('\n').filter((line) => !line.startsWith(':')).map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
      }));
      text = text.slice(end + 2);
      const data = fields.get('data');
      if (data !== undefined) yield { id: fields.get('id'), event: eventOf(fields.get('event') ?? '', parseJson(data)) };
    }
  }
}

/** What nodes show stays lossless JSON, as in the engine; seeds are bigints. */
function eventOf(kind: string, data: Json): RunEvent | GapEvent {
  if (!isJsonObject(data)) throw new Error('the server sent an event that is no object');
  const members = [...data].map(([name, value]) => [name, name === 'ui' || name === 'seed' ? value : name === 'seeds' && isJsonArray(value) ? value.map(seedOf) : plainOf(value)]);
  return { ...Object.fromEntries(members), kind } as RunEvent | GapEvent;
}

function seedOf(entry: Json): unknown {
  return isJsonObject(entry) ? Object.fromEntries([...entry].map(([name, value]) => [name, name === 'seed' ? value : plainOf(value)])) : entry;
}
