// Main of a device's worker process. It knows the order of calls, nothing of models; the backend computes.
// Calls are worked one at a time in the order they came; it ends when its host is gone.
import { setImmediate as turn } from 'node:timers/promises';
import type { Backend, WorkerOptions } from './backend.ts';
import type { FromHost, FromWorker, SentCall } from './protocol.ts';
import { Staging } from './staging.ts';

const options = JSON.parse(process.argv[2]!) as WorkerOptions;
const staging = new Staging(options.hostPid, options.tag, 'worker');
const queue: SentCall[] = [];
const cancelled = new Set<number>();
let isWorking = false;
/** The call that has begun. */
let current: number | undefined;

/** Only the backend in use is loaded: the other one's libraries cost time and memory. */
async function openBackend(): Promise<Backend> {
  if (options.backend === 'native') return (await import('./worker-native.ts')).nativeBackend(options, staging);
  return new (await import('./worker-node.ts')).NodeBackend(options, staging);
}

async function work(): Promise<void> {
  isWorking = true;
  for (let call = queue.shift(); call !== undefined; call = queue.shift()) {
    const { id } = call;
    // a turn of the event loop, so that a cancellation or the host's end that waits in the channel is seen before a long call begins
    current = id;
    await turn();
    if (call.freed !== undefined) await backend.free(call.freed).catch((error: unknown) => { process.stderr.write(`${(error as Error).message}\n`); });
    send(cancelled.has(id) ? { id, error: 'cancelled', cancelled: true } : await answerTo(call));
    cancelled.delete(id);
    current = undefined;
  }
  isWorking = false;
}

async function answerTo(call: SentCall): Promise<FromWorker> {
  const { id } = call;
  try {
    return { id, answer: await backend.answerTo(call) };
  } catch (error) {
    return { id, error: (error as Error).message, ...(cancelled.has(id) ? { cancelled: true } : {}) };
  }
}

function cancel(id: number): void {
  if (id === current) {
    cancelled.add(id);
    backend.terminate?.();
  } else if (queue.some((call) => call.id === id)) cancelled.add(id);
}

function send(message: FromWorker): void {
  process.send!(message);
}

process.on('disconnect', () => {
  staging.discardAll();
  // not process.exit(): it would tear down a runtime that computes on other threads
  process.kill(process.pid, 'SIGKILL');
});
// Ctrl-C reaches the whole process group; when to end is the host's decision
process.on('SIGINT', () => undefined);

const backend = await openBackend().catch((error: unknown) => {
  // the host tells a worker's last words
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
});
process.on('message', (message: FromHost) => {
  if (message.call === 'cancel') {
    cancel(message.id);
    return;
  }
  queue.push(message);
  if (!isWorking) void work();
});
send({ ready: true });
