// What to say when nothing runs and nothing can: expansions have made a cycle.
import type { Task } from './task.ts';

/** A cycle among tasks that wait for one another; undefined when there is none. */
export function findCycle(tasks: Iterable<Task>): readonly Task[] | undefined {
  const waitsOn = new Map<Task, Task>();
  for (const source of tasks) for (const task of source.waiting) waitsOn.set(task, source);
  const seen = new Set<Task>();
  for (const start of waitsOn.keys()) {
    const path: Task[] = [];
    let task: Task | undefined = start;
    for (; task !== undefined && !seen.has(task); task = waitsOn.get(task)) {
      seen.add(task);
      path.push(task);
    }
    const from = task === undefined ? -1 : path.indexOf(task);
    if (from >= 0) return path.slice(from);
  }
  return undefined;
}
