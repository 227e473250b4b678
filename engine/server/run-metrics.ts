// What runs tell, as numbers over time: a fold of run events. Keeps nothing of a run that has ended.
import type { RunEvent } from '../exec/events.ts';
import type { Metrics } from './metrics.ts';

/** Seconds, from a node that only hands on a value to a picture of the large model on a CPU. */
const nodeBounds = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const runBounds = [0.01, 0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200];

/** Returns what takes every event of every run. */
export function countRuns(metrics: Metrics): (event: RunEvent) => void {
  const runs = metrics.counter('bagelgraph_runs_total', 'Runs that have ended, by how.');
  const runTimes = metrics.histogram('bagelgraph_run_duration_seconds', 'Duration of runs, from their first event to their last.', runBounds);
  const nodeTimes = metrics.histogram('bagelgraph_node_duration_seconds', 'Time of a node\'s own calls, by type.', nodeBounds);
  const hits = metrics.counter('bagelgraph_cache_hits_total', 'Nodes whose result was known.');
  const misses = metrics.counter('bagelgraph_cache_misses_total', 'Nodes that had to run.');
  const failures = metrics.counter('bagelgraph_node_failures_total', 'Nodes that failed, by type.');
  const moved = metrics.counter('bagelgraph_moved_bytes_total', 'Bulk data that crossed between the host and devices.');
  const counted = metrics.counter('bagelgraph_counted_total', 'What nodes count, such as passes of the model.');
  for (const counter of [hits, misses]) counter.add({}, 0);
  for (const status of ['success', 'error', 'interrupted']) runs.add({ status }, 0);
  /** Types of the nodes that are at work, by run and node. */
  const open = new Map<string, Map<string, string>>();

  return (event) => {
    switch (event.kind) {
      case 'started': open.set(event.run, new Map()); break;
      case 'hits': hits.add({}, event.nodes.length); break;
      case 'begun': open.get(event.run)?.set(event.node, event.type); break;
      case 'reused': hits.add(); break;
      case 'finished': {
        const type = open.get(event.run)?.get(event.node);
        open.get(event.run)?.delete(event.node);
        if (event.cached || type === undefined) break; // a node that is known from the start is told by `hits`, one that turns out to be by `reused`
        misses.add();
        nodeTimes.observe({ type }, event.ms / 1000);
        break;
      }
      case 'failed': failures.add({ type: event.type }); break;
      case 'moved': moved.add({ from: event.from, to: event.to }, event.bytes); break;
      case 'counted': counted.add({ name: event.name }, event.by); break;
      case 'ended':
        open.delete(event.run);
        runs.add({ status: event.status });
        runTimes.observe({ status: event.status }, event.ms / 1000);
        break;
      default: break;
    }
  };
}
