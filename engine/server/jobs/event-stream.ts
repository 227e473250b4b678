// The events of a job as server-sent events. A slow reader holds up only itself: nothing is buffered for it, and one that stalls is dropped.
import type { Request, Response } from 'express';
import { eventJson } from '../comfy/messages.ts';
import { queryText } from '../web.ts';
import type { EventLog } from './event-log.ts';

export interface StreamTimes {
  /** A comment is sent when nothing else was for so long. */
  readonly heartbeatMs: number;
  /** A reader that takes nothing for so long is dropped. */
  readonly stallMs: number;
}

export const streamTimes: StreamTimes = { heartbeatMs: 15_000, stallMs: 30_000 };

/** Sends events of `run` from `Last-Event-ID` (or ?after=) on until it has ended or the reader goes. */
export async function streamEvents(request: Request, response: Response, run: string, events: EventLog, { heartbeatMs, stallMs }: StreamTimes = streamTimes): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' });
  let isTaken = response.write('retry: 2000\n\n');
  const heart = setInterval(() => { if (!response.writableNeedDrain) isTaken = response.write(': still here\n\n'); }, heartbeatMs);
  try {
    const after = request.headers['last-event-id'] ?? queryText(request, 'after');
    for await (const item of events.follow(run, typeof after === 'string' ? after : undefined, gone.signal)) {
      if (!isTaken && !(await drained(response, stallMs))) return void response.destroy();
      isTaken = response.write(item.kind === 'gap'
        ? `event: gap\ndata: ${JSON.stringify({ from: item.from, to: item.to, reason: item.reason })}\n\n`
        : `id: ${item.id}\nevent: ${item.event.kind}\ndata: ${eventJson(item.event)}\n\n`);
    }
    response.end();
  } finally {
    clearInterval(heart);
  }
}

/** False when the reader took nothing for too long, or is gone. */
function drained(response: Response, stallMs: number): Promise<boolean> {
  if (!response.writableNeedDrain) return Promise.resolve(!response.destroyed);
  return new Promise((resolve) => {
    const end = (isDrained: boolean) => () => {
      clearTimeout(timer);
      response.off('drain', onDrain).off('close', onClose);
      resolve(isDrained);
    };
    const onDrain = end(true);
    const onClose = end(false);
    const timer = setTimeout(onClose, stallMs);
    response.on('drain', onDrain).on('close', onClose);
  });
}
