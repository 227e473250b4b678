// The settings: few, each with a default and a check, so that what a browser stored or a file brought is always usable.

export const settings = {
  theme: choice(['system', 'dark', 'light', 'contrast']),
  language: choice(['system', 'en', 'zh']),
  density: choice(['comfortable', 'compact']),
  links: choice(['spline', 'straight', 'hidden']),
  wheel: choice(['auto', 'zoom', 'pan']),
  snap: choice(['off', 'grid', 'guides', 'both'], 'guides'),
  grid: toggle(true),
  minimap: toggle(true),
  outline: toggle(true),
  controlTiming: choice(['after', 'before']),
  autosave: choice(['off', 'after-delay']),
  previews: toggle(true),
  animations: choice(['system', 'on', 'off']),
  confirmClose: toggle(true),
  nodeTimes: toggle(true),
  deviceStripes: toggle(true),
  restoreTabs: toggle(true),
  startPage: choice(['cards', 'last', 'blank']),
  runCount: whole(1, 100, 1),
  historySteps: whole(100, 5000, 1000),
  previewPerSecond: whole(1, 30, 10),
} as const;

type Spec<T> = { readonly initial: T; readonly choices?: readonly T[]; readonly min?: number; readonly max?: number; accepts(value: unknown): value is T };
type ValueOf<S> = S extends Spec<infer T> ? T : never;
export type SettingName = keyof typeof settings;
export type Settings = { readonly [K in SettingName]: ValueOf<(typeof settings)[K]> };

function choice<const T extends readonly string[]>(choices: T, initial: T[number] = choices[0]!): Spec<T[number]> {
  return { initial, choices, accepts: (value): value is T[number] => choices.some((known) => known === value) };
}

function toggle(initial: boolean): Spec<boolean> {
  return { initial, accepts: (value): value is boolean => typeof value === 'boolean' };
}

function whole(min: number, max: number, initial: number): Spec<number> {
  return { initial, min, max, accepts: (value): value is number => Number.isInteger(value) && (value as number) >= min && (value as number) <= max };
}

export const defaultSettings = Object.fromEntries(Object.entries(settings).map(([name, { initial }]) => [name, initial])) as unknown as Settings;

/** Stored or imported settings; what is unknown or does not fit is left at its default. */
export function readSettings(stored: unknown): Settings {
  if (typeof stored !== 'object' || stored === null) return defaultSettings;
  const known = Object.entries(settings).flatMap(([name, { accepts }]) => {
    const value = Object.hasOwn(stored, name) ? (stored as Record<string, unknown>)[name] : undefined;
    return accepts(value) ? [[name, value] as const] : [];
  });
  return { ...defaultSettings, ...Object.fromEntries(known) } as Settings;
}

/** Only what differs from the defaults, for storing and export: new defaults reach those who never chose. */
export function changedSettings(all: Settings): Partial<Settings> {
  return Object.fromEntries(Object.entries(all).filter(([name, value]) => value !== defaultSettings[name as SettingName]));
}
