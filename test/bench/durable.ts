// What it costs that a kill loses nothing: the same bursts against a server that keeps its queue on disk and one that does not, in turns.
import { median } from './measure.ts';
import { burst, Caller, sixNodes, withServer } from './serve.ts';
import type { Row } from './table.ts';

const rounds = 30;
const warmUps = 5;

export async function benchDurable(): Promise<Row[]> {
  const [onDisk, inMemory] = await withServer([], (disk) => withServer(['--state', 'memory'], async (memory) => {
    const callers = [await Caller.open(disk.port, true), await Caller.open(memory.port, true)] as const;
    const times: [number[], number[]] = [[], []];
    for (let round = -warmUps; round < rounds; round++) {
      for (const [i, caller] of callers.entries()) {
        const ms = await caller.run(Array.from({ length: burst }, sixNodes));
        if (round >= 0) times[i]!.push(ms);
      }
    }
    for (const caller of callers) caller.close();
    return times.map(median) as [number, number];
  }));
  return [{ name: `burst of ${burst} six-node prompts, --state DIR over --state memory`, value: onDisk / inMemory, unit: '×', goal: '≤ 1.5', note: `${onDisk.toFixed(0)} ms over ${inMemory.toFixed(0)} ms` }];
}
