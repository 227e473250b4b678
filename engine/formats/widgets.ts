// Which value each widget of a saved node has: `widgets_values` by name or by position, with the extra entries that stand between.
import type { InputShape, NodeShape } from './object-info.ts';
import { isJsonArray, type Json } from './json.ts';
import type { UiNode } from './workflow-file.ts';

/** Values by input name, in the order declared. A null, or a value that the file lacks and no default fills, is left out. */
export function widgetValues(node: UiNode, shape: NodeShape): Map<string, Json> {
  const widgets = shape.inputs.filter((input) => input.widget !== undefined);
  const positional = isJsonArray(node.values) ? byPosition(withoutForcedEntries(node.values, shape), widgets.map(({ name, widget }) => ({ name, controls: widget!.controls }))) : node.values;
  const values = new Map<string, Json>();
  for (const { name, widget } of widgets) {
    const value = positional.has(name) ? positional.get(name) : widget!.initial;
    if (value !== undefined && value !== null) values.set(name, value);
  }
  return values;
}

/** Hands out positional entries. What is left over (an upload button, widgets of older versions) is ignored. */
export function byPosition(entries: readonly Json[], widgets: readonly WidgetPlace[]): Map<string, Json> {
  return new Map([...placesOf(entries, widgets)].map(([name, at]) => [name, entries[at]!]));
}

export interface WidgetPlace {
  readonly name: string;
  /** Entries that follow its value. */
  readonly controls: number;
}

/** Where in `entries` each widget's value stands; those beyond the end have no place. */
export function placesOf(entries: readonly Json[], widgets: readonly WidgetPlace[]): Map<string, number> {
  const places = new Map<string, number>();
  let at = 0;
  for (const { name, controls } of widgets) {
    if (at >= entries.length) break;
    places.set(name, at++);
    // files from before the control existed go straight on
    if (controls > 0 && isControlEntry(entries[at])) {
      at++;
      if (controls > 1 && typeof entries[at] === 'string') at++;
    }
  }
  return places;
}

function isControlEntry(entry: Json | undefined): boolean {
  return typeof entry === 'boolean' || entry === null || (typeof entry === 'string' && ['fixed', 'increment', 'increment-wrap', 'decrement', 'randomize'].includes(entry));
}

/** Older files keep an entry for inputs that are sockets by force; it is one when the count fits that layout. */
export function withoutForcedEntries(entries: readonly Json[], { inputs }: NodeShape): readonly Json[] {
  const isForced = (input: InputShape) => input.widget === undefined && input.options.get('forceInput') === true;
  const layout = inputs.filter((input) => input.widget !== undefined || isForced(input))
    .flatMap((input) => [isForced(input), ...Array<boolean>(input.widget?.controls ?? 0).fill(false)]);
  return layout.includes(true) && layout.length === entries.length ? entries.filter((_, i) => !layout[i]) : entries;
}
