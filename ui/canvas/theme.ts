// Colours and fonts of the canvas, read from CSS variables of an element; what a page does not set is as in the dark theme here.
import { slotColors, type SlotColor } from './slot-look.ts';

export interface Theme {
  readonly background: string;
  readonly grid: string;
  readonly node: string;
  readonly nodeTitle: string;
  readonly nodeBorder: string;
  readonly text: string;
  readonly textMuted: string;
  readonly field: string;
  readonly fieldBorder: string;
  readonly accent: string;
  readonly onAccent: string;
  readonly focus: string;
  readonly error: string;
  readonly warning: string;
  readonly running: string;
  readonly success: string;
  readonly muted: string;
  readonly bypass: string;
  readonly group: string;
  readonly link: string;
  readonly shadow: string;
  readonly fontFamily: string;
  readonly monoFamily: string;
  readonly slots: Readonly<Record<SlotColor, string>>;
  /** By place in the list of devices; colours repeat. */
  readonly devices: readonly string[];
}

/** The dark theme: each value under its CSS variable. */
const tokens = {
  background: ['--c-canvas', '#17181b'],
  grid: ['--c-canvas-grid', '#26282d'],
  node: ['--c-node', '#24262b'],
  nodeTitle: ['--c-node-title', '#2e3137'],
  nodeBorder: ['--c-node-border', '#3c4048'],
  text: ['--c-node-text', '#e6e8ec'],
  textMuted: ['--c-node-text-muted', '#a8adb7'],
  field: ['--c-node-field', '#1b1d21'],
  fieldBorder: ['--c-node-field-border', '#3c4048'],
  accent: ['--c-accent', '#e0a458'],
  onAccent: ['--c-on-accent', '#1b1408'],
  focus: ['--c-focus', '#8ab8ff'],
  error: ['--c-error', '#f0716a'],
  warning: ['--c-warning', '#e5b454'],
  running: ['--c-running', '#6cb6f0'],
  success: ['--c-success', '#6cc28a'],
  muted: ['--c-muted', '#7d828c'],
  bypass: ['--c-bypass', '#a78bda'],
  group: ['--c-group', '#3f5a78'],
  link: ['--c-link', '#8f96a3'],
  shadow: ['--c-shadow', 'rgba(0,0,0,0.35)'],
  fontFamily: ['--font-ui', 'system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif'],
  monoFamily: ['--font-mono', 'ui-monospace, "SF Mono", Consolas, monospace'],
} as const;

const slotDefaults: Readonly<Record<SlotColor, string>> = {
  model: '#b39ddb', image: '#64b5f6', mask: '#81c784', latent: '#f48fb1', context: '#ffb74d', text: '#aed581', number: '#4dd0c4',
  toggle: '#e0a3a3', choice: '#9fa8da', any: '#b0b6c0', 'other-1': '#e57373', 'other-2': '#ffd54f', 'other-3': '#ba8fd8', 'other-4': '#90a4ae',
};
const deviceDefaults = ['#5cc8bd', '#9bd06c', '#e5b454', '#d98ad0', '#e08a6c', '#8fd0c8'];

/** Reads the variables that hold for an element. */
export function readTheme(element: Element): Theme {
  const style = element.ownerDocument.defaultView!.getComputedStyle(element);
  const read = (name: string, otherwise: string) => style.getPropertyValue(name).trim() || otherwise;
  const plain = Object.fromEntries(Object.entries(tokens).map(([key, [name, value]]) => [key, read(name, value)])) as Readonly<Record<keyof typeof tokens, string>>;
  return {
    ...plain,
    slots: Object.fromEntries(slotColors.map((color) => [color, read(`--c-slot-${color}`, slotDefaults[color])])) as Record<SlotColor, string>,
    devices: deviceDefaults.map((color, i) => read(`--c-device-${i + 1}`, color)),
  };
}

/** Only what cannot be anything but a colour is taken from a file: a canvas ignores others, but keeps the colour before. */
export function isColor(text: string | undefined): text is string {
  return text !== undefined && /^#([\da-f]{3,4}|[\da-f]{6}|[\da-f]{8})$|^(rgb|hsl)a?\([\d\s.,%/]+\)$|^[a-z]{3,20}$/i.test(text);
}
