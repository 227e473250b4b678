// The settings as the page uses them, kept in this browser.
import { shallowRef, type ShallowRef } from 'vue';
import { changedSettings, readSettings, type SettingName, type Settings } from '../../state/settings.ts';

const key = 'bagelgraph.settings';

export interface SettingsStore {
  readonly all: ShallowRef<Settings>;
  set<K extends SettingName>(name: K, value: Settings[K]): void;
  /** Takes over what another file or browser has. */
  replace(settings: Settings): void;
}

export function createSettings(): SettingsStore {
  const all = shallowRef(readSettings(stored(key)));
  const keep = (settings: Settings) => {
    all.value = settings;
    store(key, changedSettings(settings));
  };
  return { all, set: (name, value) => keep({ ...all.value, [name]: value }), replace: keep };
}

/** What this browser keeps under a name; undefined where it keeps nothing or forbids it. */
export function stored(name: string, storage: Storage = localStorage): unknown {
  try {
    return JSON.parse(storage.getItem(name) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps something; a browser that forbids it forgets. */
export function store(name: string, value: unknown, storage: Storage = localStorage): void {
  try {
    storage.setItem(name, JSON.stringify(value));
  } catch {
    // full or forbidden: the page works without
  }
}
