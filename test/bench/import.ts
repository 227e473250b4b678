// The kernels of imports: those of the add-on, on all cores and on one thread, beside those in TypeScript, in turns on the same values.
// Then the command as a whole with either.
import { spawn } from 'node:child_process';
import { copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { whyNotNative } from '../../engine/device/native.ts';
import { nativeKernels, plainKernels, type Kernels } from '../../nodes/bagel/weights/kernels.ts';
import { df11Layout, encodeDf11 } from '../support/encode-weights.ts';
import { writeModelFolder } from '../support/model-folder.ts';
import { interleave, peakMemory } from './measure.ts';
import type { Row } from './table.ts';

/** A step of an import. */
const [outputs, inputs] = [512, 2048] as const;
const count = outputs * inputs;
/** Decoding DF11 and quantising take the time of an import; the others mostly wait for memory. */
const decisive = /^int|^DF11/;

export async function benchImport(): Promise<Row[]> {
  const threads = availableParallelism();
  const [one, all] = [nativeKernels(1), nativeKernels(threads)];
  if (one === undefined || all === undefined) {
    console.error(`import: native ${whyNotNative() ?? 'was built before it had these kernels: npm run build:native'}`);
    return [];
  }
  const rows: Row[] = [];
  for (const [name, call] of Object.entries(calls())) {
    const repeated = (kernels: Kernels) => async () => { for (let i = 0; i < 5; i++) call(kernels); };
    const ms = await interleave({ script: repeated(plainKernels), one: repeated(one), all: repeated(all) });
    const each = (total: number) => (total / 5 * 1e6 / count).toFixed(2);
    rows.push({ name: `import: ${name}`, value: ms.script / ms.all, unit: '×', goal: decisive.test(name) ? '≥ 5' : '', note: `${each(ms.script)} ns a value in TypeScript, ${each(ms.all)} native on ${threads} threads; on one ${each(ms.one)}, ${(ms.script / ms.one).toFixed(1)} ×` });
  }
  return [...rows, ...(await benchCommand())];
}

/** The command as a whole on a model of random weights, with the add-on and without it, in turns. */
async function benchCommand(): Promise<Row[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-bench-'));
  try {
    const source = path.join(folder, 'source');
    await writeModelFolder(source, { dtype: 'bfloat16', hidden: 512, ffn: 2048, layers: 8, heads: 8, kvHeads: 2, vocab: 4096 });
    for (const name of ['tokenizer.json', 'tokenizer_config.json']) await copyFile(path.join('models/bagel-demo', name), path.join(source, name)).catch(() => undefined);
    const bytes = (await Promise.all((await readdir(source)).map((name) => stat(path.join(source, name))))).reduce((sum, { size }) => sum + size, 0);
    const run = (native: '0' | '1') => importOnce(source, path.join(folder, `made-${native}`), native);
    const rounds: Record<'native' | 'script', { ms: number; peak: number }>[] = [];
    for (let i = 0; i < 3; i++) rounds.push({ native: await run('1'), script: await run('0') });
    const least = (of: (round: (typeof rounds)[number]) => number) => Math.min(...rounds.map(of));
    const [native, script] = [least((round) => round.native.ms), least((round) => round.script.ms)];
    return [
      { name: 'import: the command, bf16 to int4', value: bytes / 1e3 / native, unit: 'MB/s', goal: '', note: `${(bytes / 1e6).toFixed(0)} MB of source in ${(native / 1e3).toFixed(1)} s; ${(script / native).toFixed(1)} × as fast as TypeScript, start, hashes and checks included` },
      { name: 'import: the command, peak memory', value: least((round) => round.native.peak) / 1e6, unit: 'MB', goal: '', note: `all processes (PSS); ${(least((round) => round.script.peak) / 1e6).toFixed(0)} in TypeScript` },
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function importOnce(source: string, to: string, native: '0' | '1'): Promise<{ ms: number; peak: number }> {
  const start = performance.now();
  const child = spawn(process.execPath, ['bin/bagelgraph.js', 'import', source, '--to', to, '--format', 'int4', '--quiet'], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, BAGELGRAPH_NATIVE: native } });
  const ended = new Promise<void>((resolve, reject) => child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`import ended with ${code}`)))));
  const peak = await peakMemory(child.pid!, ended);
  const ms = performance.now() - start;
  await rm(to, { recursive: true });
  return { ms, peak };
}

function calls(): Record<string, (kernels: Kernels) => unknown> {
  const shape = [outputs, inputs] as const;
  const weight = Float32Array.from({ length: count }, () => (Math.random() + Math.random() + Math.random() - 1.5) * 0.05);
  const bytes = Uint8Array.from({ length: count }, () => Math.floor(Math.random() * 256));
  const largest = Float32Array.from({ length: count / 64 }, () => Math.random());
  const table = Float32Array.from({ length: 16 }, (_, i) => i / 8 - 1);
  const [brain, half] = [plainKernels.bfloat16FromFloat32(weight), plainKernels.float16FromFloat32(weight)];
  const made = encodeDf11('w', [brain]);
  const piece = (name: string) => made.get(`w.${name}`)!.data as Uint8Array;
  const positions = new Uint32Array(piece('output_positions').slice().buffer);
  const coded = { luts: piece('luts'), codes: piece('encoded_exponent'), signs: piece('sign_mantissa'), gaps: piece('gaps'), positions };
  return {
    'int4 blocks of 128': (one) => one.quantizeBlocks(weight, shape, { bits: 4, block: 128 }),
    'int8 blocks of 32': (one) => one.quantizeBlocks(weight, shape, { bits: 8, block: 32 }),
    'int8 per channel': (one) => one.quantizeChannels(weight, shape),
    'DF11': (one) => one.decodeDf11(coded, df11Layout, 0, positions.length - 1),
    'LLM.int8': (one) => one.dequantizeInt8(new Int8Array(bytes.buffer), largest.subarray(0, outputs), inputs),
    'NF4 and FP4': (one) => one.dequantizeTable(bytes, table, largest, 64, 0, count),
    'FP8': (one) => one.float32FromFloat8(bytes),
    'float32 to bfloat16': (one) => one.bfloat16FromFloat32(weight),
    'bfloat16 to float32': (one) => one.float32FromBfloat16(brain),
    'float32 to float16': (one) => one.float16FromFloat32(weight),
    'float16 to float32': (one) => one.float32FromFloat16(half),
  };
}
