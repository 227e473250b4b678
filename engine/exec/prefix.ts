// Words in file name prefixes: %year% %month% %day% %hour% %minute% %second%, %date:yyyy-MM-dd%, and what the caller gives (width, height, batch_num).
// Pure.

/** The prefix with its words filled; unknown words stay as they are. */
export function fillPrefix(prefix: string, vars: Readonly<Record<string, string>>, now: Date): string {
  const pad = (value: number) => String(value).padStart(2, '0');
  const words: Record<string, string> = {
    year: String(now.getFullYear()), month: pad(now.getMonth() + 1), day: pad(now.getDate()),
    hour: pad(now.getHours()), minute: pad(now.getMinutes()), second: pad(now.getSeconds()),
    ...vars,
  };
  return prefix.replace(/%(?:date:([^%]+)|(\w+))%/g, (word, format: string | undefined, name: string | undefined) => {
    if (format !== undefined) return formatDate(format, now);
    return Object.hasOwn(words, name!) ? words[name!]! : word;
  });
}

/** d dd M MM yy yyyy h hh m mm s ss, as ComfyUI's editor fills them. */
function formatDate(format: string, now: Date): string {
  const parts: Record<string, number> = { d: now.getDate(), M: now.getMonth() + 1, h: now.getHours(), m: now.getMinutes(), s: now.getSeconds() };
  return format.replace(/yyyy|yy?|dd?|MM?|hh?|mm?|ss?/g, (token) => {
    if (token.startsWith('y')) return token === 'yy' ? String(now.getFullYear()).slice(2) : String(now.getFullYear());
    const value = String(parts[token[0]!]!);
    return token.length === 2 ? value.padStart(2, '0') : value;
  });
}
