// Names that look like a mistyped one, for hints. Knows words only.

/** Up to `limit` of `names` that are close to `wanted`: equal but for case, one inside the other, or few edits away; best first. */
export function nearestNames(wanted: string, names: Iterable<string>, limit = 3): readonly string[] {
  const word = wanted.toLowerCase();
  const scored: { readonly name: string; readonly distance: number }[] = [];
  for (const name of names) {
    const other = name.toLowerCase();
    const isPart = word.length >= 3 && other.length >= 3 && (other.includes(word) || word.includes(other));
    const distance = isPart ? Math.min(1, Math.abs(other.length - word.length)) : editDistance(word, other);
    if (distance <= Math.max(1, Math.floor(word.length / 3))) scored.push({ name, distance });
  }
  return scored.sort((a, b) => a.distance - b.distance).slice(0, limit).map(({ name }) => name);
}

/** Insertions, deletions, replacements and swaps of neighbours between two words (Damerau-Levenshtein). */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const kept = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, kept, isSwap ? rows[i - 2]![j - 2]! + 1 : Infinity));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
