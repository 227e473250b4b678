// The DEBUG ladder: 1 tells what runs and why not, 2 every device call, 3 also what came out, 4 also the graphs (nodes/bagel prints those).
import type { RunEvent } from '../exec/events.ts';

export const debugLevel = Number(process.env['DEBUG'] ?? 0) || 0;

/** One line about an event, or nothing. */
export function debugLine(event: RunEvent): string | undefined {
  switch (event.kind) {
    case 'started': return `plan: ${event.nodes} nodes for ${event.targets.join(', ')}`;
    case 'hits': return event.nodes.length === 0 ? undefined : `known: ${event.nodes.join(', ')}`;
    case 'begun': return `begin ${event.node} ${event.type} on ${event.device}`;
    case 'attempt': return `again ${event.node} (attempt ${event.attempt})`;
    case 'expanded': return `expand ${event.node} into ${event.nodes.join(', ')}`;
    case 'reused': return `reuse ${event.node}`;
    case 'finished': return `end ${event.node} ${event.ms.toFixed(2)} ms${event.cached ? ' cached' : ''}`;
    case 'moved': return `move ${event.bytes} bytes ${event.from} → ${event.to} for ${event.node}`;
    case 'failed': return `fail ${event.node}: ${event.reason}`;
    default: return undefined;
  }
}
