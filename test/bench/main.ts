// npm run bench [-- --keep] [--only pass|decode|codec|call|draw|nodes|serve|devices|durable|torch|native|import]: measures this machine and prints ratios. Nothing here is asserted: machines are noisy.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { benchCodec } from './codec.ts';
import { benchDecode } from './decode.ts';
import { benchDevices } from './devices.ts';
import { benchDurable } from './durable.ts';
import { benchImport } from './import.ts';
import { median, peakMemory } from './measure.ts';
import { benchNative } from './native.ts';
import { benchNodes } from './nodes.ts';
import { benchCall, benchPass } from './pass.ts';
import { benchServe } from './serve.ts';
import { printTable, type Row } from './table.ts';
import { benchTorch } from './torch.ts';

/** `draw` from command to picture, whole processes. */
async function benchDraw(): Promise<Row[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-bench-'));
  const times: number[] = [];
  let peak = 0;
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    const child = spawn(process.execPath, ['bin/bagelgraph.js', 'draw', 'a large red circle on a blue background', '--steps', '25', '--seed', '1', '--quiet', '--output', folder], { stdio: 'ignore' });
    const ended = new Promise<void>((resolve, reject) => child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`draw ended with ${code}`)))));
    // Sampling costs time on two cores: the last run alone is watched.
    if (i === 4) peak = await peakMemory(child.pid!, ended);
    else await ended;
    if (i < 4) times.push(performance.now() - start);
  }
  await rm(folder, { recursive: true });
  return [
    { name: 'draw, command to picture', value: median(times) / 1000, unit: 's', goal: '< 5', note: 'demo model, 25 steps' },
    { name: 'draw, peak memory', value: peak / 1e6, unit: 'MB', goal: '< 700', note: 'all processes (PSS)' },
  ];
}

const sections: Record<string, () => Promise<Row[]>> = { pass: benchPass, decode: benchDecode, codec: benchCodec, call: benchCall, draw: benchDraw, nodes: benchNodes, serve: benchServe, durable: benchDurable, devices: benchDevices, torch: benchTorch, native: benchNative, import: benchImport };
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
const rows: Row[] = [];
for (const [name, run] of Object.entries(sections)) if (only === undefined || only === name) rows.push(...(await run()));
await printTable(rows, process.argv.includes('--keep'));
