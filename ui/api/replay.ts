// The events of a run from a point on, as the server keeps them: for what a lost connection or a reload has missed.
import { readRunEventText } from '../state/run-events.ts';
import type { RunEvent } from '../state/run.ts';
import { request } from './http.ts';

/** Gives every event from number `from` on, until the run has ended or `signal` aborts. Missing ones are left out. Throws an ApiError. */
export async function* replayEvents(run: string, from: number, signal: AbortSignal): AsyncGenerator<RunEvent> {
  const response = await request(`/jobs/${encodeURIComponent(run)}/events${from > 0 ? `?after=${from - 1}` : ''}`, { signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const messages = text.split('\n\n');
    text = messages.pop()!;
    for (const message of messages) {
      const lines = message.split('\n');
      const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6)).join('\n');
      if (data === '' || lines.includes('event: gap')) continue;
      const event = readRunEventText(data);
      if (event !== undefined) yield event;
    }
  }
}
