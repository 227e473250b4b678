// The map in progress_state: every node of a prompt that has begun, with its progress. Texts are built only when someone will read them.
import type { Place } from '../../exec/events.ts';

type State = 'running' | 'finished';

interface Entry {
  readonly place: Place;
  value: number;
  max: number;
  state: State;
  /** The entry as JSON; undefined after a change. */
  text: string | undefined;
}

export class NodeStates {
  readonly #prompt: string;
  readonly #entries = new Map<string, Entry>();

  /** `prompt`: the id as JSON. */
  constructor(prompt: string) {
    this.#prompt = prompt;
  }

  get size(): number {
    return this.#entries.size;
  }

  begin(place: Place): void {
    this.#set(place, 0, 1, 'running');
  }

  progress(place: Place, value: number, max: number): void {
    this.#set(place, value, max, 'running');
  }

  finish(place: Place): void {
    const max = this.#entries.get(place.node)?.max ?? 1;
    this.#set(place, max, max, 'finished');
  }

  /** The whole map as JSON, in the order in which nodes began. */
  json(): string {
    const texts: string[] = [];
    for (const [id, entry] of this.#entries) texts.push((entry.text ??= this.#text(id, entry)));
    return `{${texts.join(',')}}`;
  }

  #set(place: Place, value: number, max: number, state: State): void {
    const entry = this.#entries.get(place.node);
    if (entry === undefined) this.#entries.set(place.node, { place, value, max, state, text: undefined });
    else Object.assign(entry, { value, max, state, text: undefined });
  }

  #text(id: string, { place, value, max, state }: Entry): string {
    const node = JSON.stringify(id);
    const display = place.display === id ? node : JSON.stringify(place.display);
    const real = place.real === id ? node : JSON.stringify(place.real);
    return `${node}:{"value":${finite(value)},"max":${finite(max)},"state":"${state}","node_id":${node},"prompt_id":${this.#prompt},"display_node_id":${display},"parent_node_id":${JSON.stringify(place.parent)},"real_node_id":${real}}`;
  }
}

/** JSON has no other numbers. */
export function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
