// Text that fits: shortened to a width or broken into lines, measured once and remembered. Nothing of a file is ever markup here.

type Context = CanvasRenderingContext2D;
const mostRemembered = 8000;
/** Longer text than this is cut before it is measured: a file may hold megabytes in one value. */
const mostChars = 4000;
/** Found by the text alone, for its hash is kept with it; building a key of several parts would cost more than drawing. */
interface Fitted { readonly font: string; readonly width: number; readonly shown: string }
interface Broken { readonly font: string; readonly width: number; readonly most: number; readonly lines: readonly string[] }
const fitted = new Map<string, Fitted[]>();
const broken = new Map<string, Broken[]>();
let font = '';

/** Sets the font of what is measured and drawn next. */
export function setFont(ctx: Context, wanted: string): void {
  ctx.font = wanted;
  font = wanted;
}

export function forgetTexts(): void {
  fitted.clear();
  broken.clear();
}

/** The text, or as much of it as fits, with `…`; in the font set by `setFont`. */
export function fitText(ctx: Context, text: string, width: number): string {
  if (width < 6 || text === '') return '';
  const whole = Math.round(width);
  const known = fitted.get(text);
  const found = known?.find((one) => one.width === whole && one.font === font);
  if (found !== undefined) return found.shown;
  const shown = shorten(ctx, firstLine(text.length > mostChars ? text.slice(0, mostChars) : text), width);
  if (fitted.size > mostRemembered) fitted.clear();
  // a node that is resized asks for one width after the other
  if (known === undefined || known.length > 16) fitted.set(text, [{ font, width: whole, shown }]);
  else known.push({ font, width: whole, shown });
  return shown;
}

function firstLine(text: string): string {
  const end = text.search(/[\r\n]/);
  return end < 0 ? text : `${text.slice(0, end)}…`;
}

function shorten(ctx: Context, text: string, width: number): string {
  if (ctx.measureText(text).width <= width) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ctx.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? '' : `${text.slice(0, low)}…`;
}

/** Lines of a text in a width, broken at spaces where there are any; at most `most`. */
export function breakText(ctx: Context, text: string, width: number, most: number): readonly string[] {
  if (width < 6 || most <= 0 || text === '') return [];
  const whole = Math.round(width);
  const known = broken.get(text);
  const found = known?.find((one) => one.width === whole && one.most === most && one.font === font);
  if (found !== undefined) return found.lines;
  const lines = breakLines(ctx, text.slice(0, mostChars), width, most);
  if (broken.size > mostRemembered / 8) broken.clear();
  if (known === undefined || known.length > 16) broken.set(text, [{ font, width: whole, most, lines }]);
  else known.push({ font, width: whole, most, lines });
  return lines;
}

function breakLines(ctx: Context, text: string, width: number, most: number): readonly string[] {
  const lines: string[] = [];
  for (const paragraph of text.split(/\r?\n/)) {
    let line = '';
    for (const word of paragraph.split(/(?<=\s)/)) {
      if (line !== '' && ctx.measureText(line + word.trimEnd()).width > width) {
        lines.push(line.trimEnd());
        line = '';
        if (lines.length >= most) return lines;
      }
      line += word;
      while (ctx.measureText(line.trimEnd()).width > width && line.length > 1) {
        const fitting = Math.max(1, charsThatFit(ctx, line, width));
        lines.push(line.slice(0, fitting));
        line = line.slice(fitting);
        if (lines.length >= most) return lines;
      }
    }
    lines.push(line.trimEnd());
    if (lines.length >= most) return lines;
  }
  return lines;
}

function charsThatFit(ctx: Context, text: string, width: number): number {
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ctx.measureText(text.slice(0, middle)).width <= width) low = middle;
    else high = middle - 1;
  }
  return low;
}
