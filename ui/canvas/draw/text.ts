// Text that fits: shortened to a width or broken into lines, measured once and remembered. Nothing of a file is ever markup here.

type Context = CanvasRenderingContext2D;
const mostRemembered = 8000;
/** Longer text than this is cut before it is measured: a file may hold megabytes in one value. */
const mostChars = 4000;
const shortened = new Map<string, string>();
const broken = new Map<string, readonly string[]>();

export function forgetTexts(): void {
  shortened.clear();
  broken.clear();
}

/** The text, or as much of it as fits, with `…`. The context's font must be set. */
export function fitText(ctx: Context, given: string, width: number): string {
  if (width <= 0 || given === '') return '';
  const text = firstLine(given.length > mostChars ? given.slice(0, mostChars) : given);
  if (text.length * 2 > width && ctx.measureText(text.slice(0, 3)).width > width) return '';
  const key = `${ctx.font}|${Math.round(width)}|${text}`;
  const known = shortened.get(key);
  if (known !== undefined) return known;
  const made = shorten(ctx, text, width);
  if (shortened.size > mostRemembered) shortened.clear();
  shortened.set(key, made);
  return made;
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
export function breakText(ctx: Context, given: string, width: number, most: number): readonly string[] {
  if (width <= 0 || most <= 0 || given === '') return [];
  const key = `${ctx.font}|${Math.round(width)}|${most}|${given.length > mostChars ? given.slice(0, mostChars) : given}`;
  const known = broken.get(key);
  if (known !== undefined) return known;
  const lines = breakLines(ctx, given.slice(0, mostChars), width, most);
  if (broken.size > mostRemembered / 8) broken.clear();
  broken.set(key, lines);
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
