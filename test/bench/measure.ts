// Timing that survives a shared machine: rounds that interleave what is compared, medians, and the memory of a process tree.
import { readFile, readdir } from 'node:fs/promises';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Milliseconds of each candidate: medians over rounds in which all run one after another. The first round only warms up. */
export async function interleave<K extends string>(candidates: Readonly<Record<K, () => Promise<unknown>>>, rounds = 7): Promise<Record<K, number>> {
  const names = Object.keys(candidates) as K[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const start = performance.now();
      await candidates[name]();
      if (round > 0) times[name].push(performance.now() - start);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times[name])])) as Record<K, number>;
}

/** Proportional set size of a process and all below it, in bytes; 0 where the system does not tell. */
export async function treeMemory(pid: number): Promise<number> {
  const own = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').then((text) => Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024, () => 0);
  const children = await childrenOf(pid);
  const below = await Promise.all(children.map(treeMemory));
  return below.reduce((sum, bytes) => sum + bytes, own);
}

async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')));
  return lists.join(' ').split(/\s+/).filter(Boolean).map(Number);
}

/** Samples the memory of a process tree until `work` ends. Gives its peak in bytes. */
export async function peakMemory(pid: number, work: Promise<unknown>): Promise<number> {
  let peak = 0;
  let isDone = false;
  const end = work.finally(() => { isDone = true; });
  while (!isDone) {
    peak = Math.max(peak, await treeMemory(pid));
    await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 25))]);
  }
  return peak;
}
