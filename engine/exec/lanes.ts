// Which lanes a node takes while it runs, so that work for one device never overlaps.
import type { Devices } from '../device/device.ts';
import type { Lifetime } from './lifetime.ts';
import { hostLane } from './ready.ts';
import type { Task } from './task.ts';

/** Lanes of its device and of what its inputs hold, but for sessions that other devices have too; `host` when there is neither; none for a concurrent node. */
export function lanesOf({ node, sources }: Task, devices: Devices, lifetime: Lifetime): readonly string[] {
  if (node.definition.concurrent === true) return [];
  const lanes = new Set<string>();
  const own = node.device ?? (node.traits.usesDevice ? devices.keys().next().value : undefined);
  if (own !== undefined) lanes.add(own);
  for (const source of sources!) {
    if (source.carriers.length > 0) for (const held of lifetime.held(source.carriers)) if (!(held.kind === 'session' && held.roams)) lanes.add(held.device);
  }
  if (lanes.size === 0) lanes.add(hostLane);
  return [...lanes].sort();
}

/** The lanes as events name them. */
export function laneText({ lanes }: Task): string {
  return lanes.length === 0 ? 'concurrent' : lanes.join('+');
}
