// A device on which programs of equal keys are one session: a model that is loaded twice, placed in two ways, holds its weights once.
// Whoever frees such a session frees it for all: values that hold one are counted by exec/lifetime.ts. Knows no model.
import type { Device, Program, Session } from './device.ts';
import { forward } from './forward.ts';
import type { Port } from './move.ts';

/** Programs without a key are loaded as often as they are asked for. A load that fails is tried again by the next who asks. */
export function sharing(device: Device & Port): Device & Port {
  const sessions = new Map<string, Promise<Session>>();

  async function load(program: Program): Promise<Session> {
    const { key } = program;
    if (key === undefined) return device.load(program);
    const known = sessions.get(key);
    if (known !== undefined) {
      const session = await known.catch(() => undefined);
      if (session !== undefined && device.holds(session)) return session;
      // freed, or lost with its worker: the first who sees it loads for all
      if (sessions.get(key) !== known) return load(program);
    }
    const loading = device.load(program);
    sessions.set(key, loading);
    return loading;
  }

  return Object.assign(forward(device), { load });
}
