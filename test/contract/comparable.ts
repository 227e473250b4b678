// What of an answer, a frame or a history entry is the same in every run: ids, times, names of temp files, texts of exceptions
// and progress values are taken out; what the original leaves to chance is put in order.
import type { Frame } from './client.ts';

const texts = new Set(['exception_message', 'exception_type', 'traceback', 'current_inputs']);

/** A copy without what differs from run to run. */
export function comparable(value: unknown, key = ''): unknown {
  if (key === 'timestamp') return 0;
  if (key === 'prompt_id') return 'id';
  if (texts.has(key)) return 'text';
  if (typeof value === 'string') return value.replace(/^ComfyUI_temp_[a-z]{5}_\d{5}_\.png$/, 'temp.png').replace(uuid, 'id');
  if (Array.isArray(value)) {
    const items = value.map((item) => comparable(item));
    // the original collects these from sets
    return key === 'errors' || key === 'current_outputs' ? items.sort(byText) : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const isException = 'type' in value && typeof value.type === 'string' && value.type.startsWith('exception_');
  const entries = Object.entries(value).sort(([a], [b]) => byText(a, b));
  return Object.fromEntries(entries.map(([name, item]) => [name, isException && name === 'details' ? 'text' : comparable(item, name)]));
}

const uuid = /\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g;

/** Progress without its values, a row of ticks as one. */
export function comparableFrames(frames: readonly Frame[]): readonly unknown[] {
  const kept: unknown[] = [];
  for (const frame of frames) {
    const tick = comparable(withoutProgress(frame));
    const isRepeated = frame.type === 'progress' && same(kept.at(-2), tick);
    if (isRepeated) kept.pop();
    else kept.push(tick);
  }
  return kept;
}

function withoutProgress({ type, data }: Frame): Frame {
  if (type === 'progress') return { type, data: { ...data, value: 'value' } };
  if (type !== 'progress_state') return { type, data };
  const nodes = Object.entries(data['nodes'] as Readonly<Record<string, { readonly state: string }>>);
  // the number is known where a node has ended; while it runs it is progress
  return { type, data: { ...data, nodes: Object.fromEntries(nodes.map(([id, node]) => [id, node.state === 'finished' ? node : { ...node, value: 'value' }])) } };
}

/** The same with two nodes in each other's place. */
export function withNodesSwapped<T>(value: T, a: string, b: string): T {
  const swap = (text: string) => (text === a ? b : text === b ? a : text);
  const walk = (one: unknown, key = ''): unknown => {
    if (typeof one === 'string') return swap(one);
    if (Array.isArray(one)) return one.map((item) => walk(item));
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([name, item]) => [key === 'nodes' ? swap(name) : name, walk(item, name)]));
  };
  return walk(value) as T;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function byText(a: unknown, b: unknown): number {
  const [first, second] = [JSON.stringify(a), JSON.stringify(b)];
  return first < second ? -1 : first > second ? 1 : 0;
}
