// Values of number fields: what was typed, stepped or dragged becomes a value that the widget takes. Integers are exact at any size.
import type { Json } from '../../engine/formats/json.ts';
import { calculate, readInteger } from './arithmetic.ts';
import type { Widget } from './node-types.ts';

export type IntegerWidget = Extract<Widget, { kind: 'integer' }>;
export type FloatWidget = Extract<Widget, { kind: 'float' }>;
export type NumberWidget = IntegerWidget | FloatWidget;

/** The value for a typed text, within bounds and on its step; undefined where the text is no number. */
export function parseNumber(widget: NumberWidget, text: string, current?: Json): Json | undefined {
  const exact = widget.kind === 'integer' ? readInteger(text) : undefined;
  if (exact !== undefined) return clampInteger(widget as IntegerWidget, exact);
  const result = calculate(text, typeof current === 'number' || typeof current === 'bigint' ? Number(current) : undefined);
  return result.ok ? numberFor(widget, result.value) : undefined;
}

/** The nearest value that the widget takes. */
export function numberFor(widget: NumberWidget, value: number): Json {
  if (widget.kind === 'float') return clampFloat(widget, value);
  const { min, step } = widget;
  const rounded = BigInt(Math.round(Math.min(Number.MAX_VALUE, value)));
  // dragged and calculated values keep to the step, counted from the minimum as ComfyUI does
  return clampInteger(widget, step <= 1n ? rounded : min + divideRounded(rounded - min, step) * step);
}

function divideRounded(value: bigint, by: bigint): bigint {
  const twice = 2n * value + by;
  const quotient = twice / (2n * by);
  return twice < 0n && twice % (2n * by) !== 0n ? quotient - 1n : quotient;
}

export function clampInteger({ min, max }: IntegerWidget, value: bigint): bigint {
  return value < min ? min : value > max ? max : value;
}

export function clampFloat({ min, max, round, digits }: FloatWidget, value: number): number {
  const unit = round ?? 10 ** -Math.max(digits, 0);
  const rounded = Math.round(value / unit) * unit;
  // a sum of binary fractions has digits that nobody typed
  const plain = Number(rounded.toFixed(Math.min(12, Math.max(0, Math.ceil(-Math.log10(unit)) + 2))));
  return Math.min(max, Math.max(min, plain)) + 0;
}

/** One step up or down (`by` steps; Shift means 10, Alt a tenth for floats). */
export function stepNumber(widget: NumberWidget, value: Json | undefined, by: number): Json {
  if (widget.kind === 'integer') {
    const before = typeof value === 'bigint' ? value : BigInt(Math.round(Number(value ?? 0)) || 0);
    return clampInteger(widget, before + BigInt(Math.round(by)) * widget.step);
  }
  const finer = { ...widget, digits: widget.digits + 1, round: undefined };
  return clampFloat(Number.isInteger(by) ? widget : finer, Number(value ?? 0) + by * widget.step);
}

/** How a value is shown: floats with the digits of their step, more where the value has more. */
export function formatNumber(widget: NumberWidget, value: Json | undefined): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'number') return value === undefined ? '' : String(value);
  const fixed = value.toFixed(widget.kind === 'float' ? widget.digits : 0);
  return Number(fixed) === value ? fixed : String(value);
}
