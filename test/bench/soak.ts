// A server that is left running and mistreated: jobs all the time, workers and the server itself killed at random. In the end every job that
// was accepted has one final entry, every picture is whole, and the memory has not grown.
//   npm run soak -- [--minutes 30] [--seed 1]
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decode } from '../../engine/image/decode.ts';
import { median } from './measure.ts';
import { nextJob, randomOf, type SoakJob } from './soak-jobs.ts';
import { SoakServer, type HistoryEntry } from './soak-server.ts';

/** Of 30 minutes; shorter soaks get their share. */
const perMinute = { jobs: 1000 / 30, workerKills: 50 / 30, serverKills: 10 / 30 };
const leastServerKills = 3;
const mostWaiting = 8;
const mostGrowth = 0.05;
/** Until caches and heaps are full, growth means nothing. */
const leastMinutesForMemory = 10;
const sampleMs = 2000;

interface Sample { readonly at: number; readonly all: number; readonly own: number }

interface Story {
  readonly accepted: ReadonlyMap<string, SoakJob>;
  readonly workerKills: number;
  readonly serverKills: number;
  readonly samples: readonly Sample[];
}

async function soak(server: SoakServer, minutes: number, random: () => number): Promise<Story> {
  const accepted = new Map<string, SoakJob>();
  const samples: Sample[] = [];
  const kills = { worker: 0, server: 0 };
  const began = performance.now();
  const totalMs = minutes * 60_000;
  const elapsed = () => (performance.now() - began) / totalMs;
  let isDown = false;

  async function submit(): Promise<void> {
    for (let count = 0; elapsed() < 1;) {
      await sleep((60_000 / perMinute.jobs) * (0.4 + random() * 1.1));
      const id = `soak-${count++}`;
      const job = nextJob(random);
      while (elapsed() < 1) {
        if (!isDown && (await server.remaining().catch(() => mostWaiting)) < mostWaiting && (await server.post('/prompt', { prompt: job.prompt, prompt_id: id, client_id: `c${count % 3}` }).catch(() => 0)) === 200) {
          accepted.set(id, job);
          break;
        }
        await sleep(50); // the same id again: should the server have taken it before it was killed, it is the same job
      }
    }
  }
  async function killWorkers(): Promise<void> {
    for (const at of momentsOf(minutes * perMinute.workerKills, 0.05, 0.95, random)) {
      while (elapsed() < at) await sleep(100);
      while (elapsed() < 1 && (isDown || !(await server.killWorker()))) await sleep(100);
      if (elapsed() < 1) kills.worker++;
    }
  }
  // All in the first third, so that the memory of the other two is that of one server.
  async function killServer(): Promise<void> {
    for (const at of momentsOf(Math.max(leastServerKills, minutes * perMinute.serverKills), 0.03, 0.32, random)) {
      while (elapsed() < at) await sleep(20);
      isDown = true;
      await server.end('SIGKILL');
      await server.start();
      isDown = false;
      kills.server++;
    }
  }
  async function sample(): Promise<void> {
    for (; elapsed() < 1; await sleep(sampleMs)) if (!isDown) samples.push({ at: elapsed(), all: await server.memory(), own: await server.ownMemory() });
  }
  await Promise.all([submit(), killWorkers(), killServer(), sample()]);
  while (await server.remaining() > 0) await sleep(200);
  return { accepted, workerKills: kills.worker, serverKills: kills.server, samples };
}

/** Sorted moments from `first` to `last`, one at random in each of as many equal parts. */
function momentsOf(count: number, first: number, last: number, random: () => number): readonly number[] {
  const whole = Math.round(count);
  return Array.from({ length: whole }, (_, i) => first + ((i + random()) / whole) * (last - first));
}

/** What is wrong, one line each. */
function wrongEndings({ accepted }: Story, history: Readonly<Record<string, HistoryEntry>>): { readonly wrong: readonly string[]; readonly counts: Readonly<Record<string, number>> } {
  const wrong: string[] = [];
  const counts: Record<string, number> = {};
  for (const [id, job] of accepted) {
    const entry = history[id];
    if (entry === undefined) {
      wrong.push(`${id} (${job.kind}) has no final entry`);
      continue;
    }
    const [type, last] = entry.status.messages.at(-1) ?? ['nothing', {}];
    const ending = type === 'execution_error' ? String(last['exception_type']) : type;
    const isExpected = ending === 'InterruptedTwice' || (job.fails === undefined ? type === 'execution_success' || (isModelJob(job) && isWorkerLoss(last)) : String(last['exception_message']).includes(job.fails));
    if (!isExpected) wrong.push(`${id} (${job.kind}) ended with ${ending}: ${String(last['exception_message'])}`);
    if (isWorkerLoss(last) && !entry.status.messages.some(([, data]) => data['node_id'] !== undefined && data['node_id'] !== '')) wrong.push(`${id} lost its worker, but no node is named`);
    counts[ending] = (counts[ending] ?? 0) + 1;
  }
  return { wrong, counts };
}

const isModelJob = ({ kind }: SoakJob) => kind === 'draw' || kind === 'ask';
const isWorkerLoss = (message: Readonly<Record<string, unknown>>) => /worker|device/i.test(`${String(message['exception_type'])} ${String(message['exception_message'])}`);

/** Every picture in the folder that does not decode, or is named by an entry but missing. */
async function wrongPictures(folder: string, history: Readonly<Record<string, HistoryEntry>>): Promise<{ readonly wrong: readonly string[]; readonly count: number; readonly partial: number }> {
  const wrong: string[] = [];
  let count = 0;
  let partial = 0;
  for (const kind of ['output', 'temp']) {
    for (const name of await readdir(path.join(folder, kind), { recursive: true }).catch(() => [])) {
      if (name.endsWith('.partial')) partial++;
      if (!name.endsWith('.png')) continue;
      count++;
      await decode(path.join(folder, kind, name)).catch((error: unknown) => wrong.push(`${kind}/${name} is torn: ${(error as Error).message}`));
    }
  }
  for (const [id, { outputs }] of Object.entries(history)) {
    for (const shown of Object.values(outputs).flatMap((ui) => Object.values(ui).flat()) as Partial<Record<'filename' | 'subfolder' | 'type', string>>[]) {
      if (typeof shown?.filename !== 'string') continue;
      await decode(path.join(folder, shown.type!, shown.subfolder!, shown.filename)).catch((error: unknown) => wrong.push(`${id} names ${shown.filename}, which cannot be read: ${(error as Error).message}`));
    }
  }
  return { wrong, count, partial };
}

function growth(samples: readonly Sample[], of: 'all' | 'own'): { readonly second: number; readonly last: number; readonly share: number } {
  const bytes = (from: number, to: number) => median(samples.filter(({ at }) => at >= from && at < to).map((sample) => sample[of]));
  const [second, last] = [bytes(1 / 3, 2 / 3), bytes(2 / 3, 1)];
  return { second, last, share: last / second - 1 };
}

function flag(name: string, initial: number): number {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? initial : Number(process.argv[at + 1]);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} is ${JSON.stringify(process.argv[at + 1])}: give a number above 0`);
  return value;
}

const minutes = flag('minutes', 30);
const seed = flag('seed', 1);
const folder = await mkdtemp(path.join(tmpdir(), 'bagelgraph-soak-'));
const server = new SoakServer(folder);
try {
  await server.start();
  const story = await soak(server, minutes, randomOf(seed));
  const history = await server.history();
  const endings = wrongEndings(story, history);
  const pictures = await wrongPictures(folder, history);
  const [all, own] = [growth(story.samples, 'all'), growth(story.samples, 'own')];
  // The server's own share is shown, not judged: its bounded texts of recent jobs still fill (5 KB a job, measured after collection).
  const grown = minutes >= leastMinutesForMemory && all.share > mostGrowth ? [`memory has grown by more than ${mostGrowth * 100} %`] : [];
  const shown = ({ second, last, share }: typeof all) => `${(second / 1e6).toFixed(0)} → ${(last / 1e6).toFixed(0)} MB (${(share * 100).toFixed(1)} %)`;
  console.log(`${story.accepted.size} jobs in ${minutes} minutes, ${story.workerKills} workers and ${story.serverKills} servers killed, seed ${seed}`);
  console.log(`endings: ${Object.entries(endings.counts).map(([ending, count]) => `${ending} ${count}`).join(', ')}`);
  console.log(`pictures: ${pictures.count} whole or told below; ${pictures.partial} unfinished files of killed servers`);
  console.log(`memory, second third → last third: server ${shown(own)}, with workers ${shown(all)}`);
  const wrong = [...endings.wrong, ...pictures.wrong, ...grown];
  console.log(wrong.length === 0 ? 'nothing is wrong' : `WRONG:\n${wrong.join('\n')}\n\nlast lines of the server:\n${server.lines.slice(-30).join('\n')}`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  await server.end('SIGKILL');
  await rm(folder, { recursive: true, force: true });
}
