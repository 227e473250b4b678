// Widget values of a node between file and document: by position with the control entries between, or by name.
// The positions are those of engine/formats/widgets.ts, so that the conversion reads what is written here.
import { equalJson, isJsonArray, isJsonObject, type Json, type JsonObject } from '../../engine/formats/json.ts';
import { placesOf, withoutForcedEntries, type WidgetPlace } from '../../engine/formats/widgets.ts';
import { emptyRecord, type Control, type DocNode } from './document.ts';
import { isControlMode, type NodeType, type NodeTypes, type Widget } from './node-types.ts';

export interface Values {
  readonly values: Readonly<Record<string, Json>>;
  readonly controls: Readonly<Record<string, Control>>;
  /** By name and by position the file says different things; by name counts. */
  readonly disagrees: boolean;
}

interface WidgetInput extends WidgetPlace {
  readonly widget: Widget | undefined;
  /** Promoted from a node inside. */
  readonly isOwned?: true;
}

/** Values of a saved node; of a type that nobody knows only those that the file names. */
export function readValues(raw: JsonObject, type: NodeType | undefined, types: NodeTypes): Values {
  const values = emptyRecord<Json>();
  const controls = emptyRecord<Control>();
  const saved = raw.get('widgets_values');
  const named = raw.get('widgets_values_named');
  const byName = isJsonObject(named) ? named : isJsonObject(saved) ? saved : undefined;
  const widgets = widgetsOf(raw, type);
  if (widgets === undefined) {
    for (const [name, value] of byName ?? []) if (isSafeKey(name)) values[name] = value;
    return { values, controls, disagrees: false };
  }
  const entries = isJsonArray(saved) ? withoutForced(saved, raw, types) : [];
  const places = placesOf(entries, widgets);
  let disagrees = false;
  for (const { name, controls: count, widget } of widgets) {
    if (!isSafeKey(name)) continue;
    const at = places.get(name);
    const placed = at === undefined ? undefined : entries[at];
    const given = byName?.get(name);
    if (given !== undefined && placed !== undefined && !equalJson(given, placed)) disagrees = true;
    const value = given ?? placed;
    if (value !== undefined && value !== null) values[name] = value;
    // an instance without a value of its own has that of its inside, whatever it becomes
    else if (widget !== undefined && widget.initial !== null && type?.isSubgraph !== true) values[name] = widget.initial;
    if (count > 0 && (widget !== undefined || at !== undefined)) controls[name] = readControl(at === undefined ? [] : entries.slice(at + 1, at + 1 + count), widget);
  }
  return { values, controls, disagrees };
}

function readControl([mode, filter]: readonly Json[], widget: Widget | undefined): Control {
  const read = isControlMode(mode) ? mode : mode === true ? 'randomize' : mode === false ? 'fixed' : widget?.initialMode ?? 'fixed';
  return { mode: read, ...(isControlMode(mode) && typeof filter === 'string' && filter !== '' ? { filter } : {}) };
}

/** The members `widgets_values` and `widgets_values_named` of a node; undefined where the file's own still say the same. */
export function writeValues(node: DocNode, type: NodeType | undefined, types: NodeTypes): readonly (readonly [string, Json])[] | undefined {
  const raw = node.raw ?? new Map<string, Json>();
  const before = node.raw === undefined ? undefined : readValues(raw, type, types);
  const isChanged = (name: string) => !equalJson(before?.values[name], node.values[name]) || !isSameControl(before?.controls[name], node.controls[name]);
  const widgets: readonly WidgetInput[] = widgetsOf(raw, type) ?? Object.keys(node.values).map((name) => ({ name, controls: 0, widget: undefined }));
  const changed = new Set(widgets.filter(({ name }) => node.values[name] !== undefined && isChanged(name)).map(({ name }) => name));
  if (node.raw !== undefined && changed.size === 0) return undefined;
  if (widgets.length === 0) return [];
  const saved = raw.get('widgets_values');
  const named = raw.get('widgets_values_named');
  const names = new Map(isJsonObject(named) ? named : []);
  for (const { name } of widgets) if (node.values[name] !== undefined) names.set(name, node.values[name]);
  const controlled = widgets.find(({ name, controls }) => controls > 0 && node.controls[name] !== undefined);
  if (controlled !== undefined && !widgets.some(({ name }) => name === 'control_after_generate')) names.set('control_after_generate', node.controls[controlled.name]!.mode);
  const isPlaced = type !== undefined && !isJsonObject(saved);
  const entries: Json = isPlaced ? writeEntries(isJsonArray(saved) ? withoutForced(saved, raw, types) : [], widgets, changed, node) : isJsonObject(saved) ? new Map([...saved, ...names]) : saved ?? [];
  // of an instance that promotes widgets by their owners, names alone would not say whose they are
  return widgets.some(({ isOwned }) => isOwned === true) && named === undefined ? [['widgets_values', entries]] : [['widgets_values', entries], ['widgets_values_named', names]];
}

/** Only what changed is set; nulls, upload buttons and what older versions left stay where they are. */
function writeEntries(saved: readonly Json[], widgets: readonly WidgetInput[], changed: ReadonlySet<string>, node: DocNode): readonly Json[] {
  const entries: Json[] = [];
  const places = placesOf(saved, widgets);
  const last = widgets.findLastIndex(({ name }) => changed.has(name));
  let done = 0;
  widgets.forEach(({ name, controls, widget }, i) => {
    const at = places.get(name);
    const value = node.values[name] ?? widget?.initial ?? null;
    if (at === undefined) {
      if (i <= last) entries.push(value, ...controlEntries(node.controls[name], controls));
      return;
    }
    entries.push(...saved.slice(done, at));
    const end = widgets.slice(i + 1).map((other) => places.get(other.name)).find((place) => place !== undefined);
    const kept = controls === 0 ? 1 : Math.min(1 + controls, (end ?? saved.length) - at);
    if (!changed.has(name)) entries.push(...saved.slice(at, at + kept));
    else {
      const written = controlEntries(node.controls[name], controls);
      // a list of choices may have a mode alone
      entries.push(value, ...(kept === 2 && controls === 2 && node.controls[name]?.filter === undefined ? written.slice(0, 1) : written));
    }
    done = at + kept;
  });
  return [...entries, ...saved.slice(done)];
}

function controlEntries(control: Control | undefined, count: number): readonly Json[] {
  return [control?.mode ?? 'fixed', control?.filter ?? ''].slice(0, count);
}

function isSameControl(a: Control | undefined, b: Control | undefined): boolean {
  return a?.mode === b?.mode && a?.filter === b?.filter;
}

/** The widgets of a node in the order of their entries; undefined where the type is unknown. */
function widgetsOf(raw: JsonObject, type: NodeType | undefined): readonly WidgetInput[] | undefined {
  if (raw.get('type') === 'PrimitiveNode' || type?.type === 'PrimitiveNode') return [{ name: 'value', controls: 2, widget: undefined }];
  if (type === undefined) return undefined;
  const properties = raw.get('properties');
  const promoted = isJsonObject(properties) && type.isSubgraph ? properties.get('proxyWidgets') : undefined;
  const widgets = new Map(type.inputs.flatMap(({ name, widget }) => (widget === undefined ? [] : [[name, widget] as const])));
  if (!isJsonArray(promoted)) return [...widgets].map(([name, widget]) => ({ name, controls: widget.controls, widget }));
  // promoted widgets are listed one by one: those of the inside by its node's id, ports by -1
  return promoted.map((entry, i) => {
    const [owner, name] = isJsonArray(entry) ? entry : [];
    const isPort = String(owner) === '-1' && typeof name === 'string';
    return isPort ? { name, controls: 0, widget: widgets.get(name) } : { name: `${String(owner)} ${typeof name === 'string' ? name : i}`, controls: 0, widget: undefined, isOwned: true };
  });
}

function withoutForced(entries: readonly Json[], raw: JsonObject, types: NodeTypes): readonly Json[] {
  const type = raw.get('type');
  const shape = typeof type === 'string' ? types.definitions(type) : undefined;
  return shape === undefined ? entries : withoutForcedEntries(entries, shape);
}

/** Keys that patches cannot hold. They stay in the file as they are. */
export function isSafeKey(key: string): boolean {
  return key !== '__proto__' && key !== 'constructor' && key !== 'prototype';
}
