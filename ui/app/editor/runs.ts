// Runs as the page follows them: events over the socket, replayed where some were missed, the lists of the server's jobs, previews, and
// which workflow each run belongs to. Sends nothing by itself but questions.
import { computed, shallowRef, triggerRef, type ComputedRef, type ShallowRef } from 'vue';
import type { NodeId } from '../../state/document.ts';
import { applyEvent, applyPreview, applyQueue, hasGap, noRuns, skipGap, type Run, type RunEvent, type RunState } from '../../state/run.ts';
import { totalsAfter, type RunTotals } from '../../state/run-view.ts';
import type { Frame, LogEntry } from '../../api/frames.ts';
import { getJob, getQueueOrder, listJobs, orderQueue, type Job, type JobDetail, type QueueOrder } from '../../api/jobs.ts';
import { replayEvents } from '../../api/replay.ts';
import { openSocket, type Connection } from '../../api/socket.ts';
import { readShown, type Shown } from './shown.ts';
import { store, stored } from './settings.ts';

export interface RunsOptions {
  readonly clientId: string;
  /** A node of a run showed something. */
  onShown(tab: string | undefined, run: string, node: NodeId, shown: Shown): void;
  onPreview(tab: string | undefined, run: string, node: NodeId, picture: Blob): void;
  onEnded(tab: string | undefined, run: Run): void;
  onLog(entries: readonly LogEntry[]): void;
  onFailure(error: unknown): void;
}

export interface Runs {
  readonly state: ShallowRef<RunState>;
  readonly connection: ShallowRef<Connection>;
  /** The newest first. */
  readonly jobs: ShallowRef<readonly Job[]>;
  /** The server keeps older ones. */
  readonly hasOlder: ShallowRef<boolean>;
  readonly order: ShallowRef<QueueOrder>;
  /** Of listed jobs that have ended. */
  readonly details: ShallowRef<ReadonlyMap<string, JobDetail>>;
  /** The run under way, of any workflow. */
  readonly current: ComputedRef<Run | undefined>;
  readonly totals: ComputedRef<RunTotals | undefined>;
  /** The latest preview of the run under way, as an address. */
  readonly preview: ShallowRef<string | undefined>;
  /** Milliseconds of the server's clock; ticks while something runs. */
  readonly now: ShallowRef<number>;
  /** Says which workflow a run belongs to. */
  claim(run: string, tab: string): void;
  /** The latest run of a workflow. */
  latestOf(tab: string): Run | undefined;
  tabOf(run: string): string | undefined;
  refresh(): void;
  /** Puts what waits into another order, here at once and on the server. */
  reorder(waiting: readonly string[]): Promise<void>;
  /** Lists older jobs too, from now on. */
  listOlder(): Promise<void>;
  detail(id: string): Promise<JobDetail | undefined>;
  retry(): void;
}

const claimsKey = 'bagelgraph.runs';
const mostClaims = 100;
/** Jobs that are listed at first, and how many more at a time. */
const listed = 100;

function readClaims(): Map<string, string> {
  const found = stored(claimsKey);
  return new Map((Array.isArray(found) ? found : []).flatMap((entry: unknown) => (Array.isArray(entry) ? [[String(entry[0]), String(entry[1])] as const] : [])));
}

export function createRuns(options: RunsOptions): Runs {
  const state = shallowRef<RunState>(noRuns);
  const connection = shallowRef<Connection>('connecting');
  const jobs = shallowRef<readonly Job[]>([]);
  const hasOlder = shallowRef(false);
  let mostListed = listed;
  const order = shallowRef<QueueOrder>({ isPaused: false, running: [], waiting: [] });
  const details = shallowRef(new Map<string, JobDetail>());
  const preview = shallowRef<string>();
  const now = shallowRef(Date.now());
  const claims = readClaims();
  const replays = new Map<string, AbortController>();
  let clockOffsetMs = 0;
  let refreshTimer: ReturnType<typeof setTimeout> | undefined;
  let tick: ReturnType<typeof setInterval> | undefined;

  const current = computed(() => {
    const run = state.value.current === undefined ? undefined : state.value.runs[state.value.current];
    return run?.status === 'running' ? run : undefined;
  });
  const totals = computed<RunTotals | undefined>((before) => current.value && totalsAfter(before, current.value, now.value, state.value));

  const receive = (event: RunEvent) => {
    const before = state.value;
    state.value = applyEvent(before, event);
    const run = state.value.runs[event.run]!;
    if (run === before.runs[event.run]) return;
    clockOffsetMs = event.at - Date.now();
    now.value = event.at;
    if (hasGap(run)) void catchUp(event.run, run.nextSeq);
    if ('ui' in event) {
      const shown = readShown(event.ui);
      if (shown !== undefined) options.onShown(claims.get(event.run), event.run, event.real, shown);
    }
    if (event.kind === 'started') refreshSoon();
    if (run.status !== 'running' && before.runs[event.run]?.status !== run.status) end(run);
    watchClock();
  };
  const end = (run: Run) => {
    showPreview(undefined);
    refreshSoon();
    options.onEnded(claims.get(run.id), run);
  };
  const showPreview = (picture: Blob | undefined) => {
    if (preview.value !== undefined) URL.revokeObjectURL(preview.value);
    preview.value = picture && URL.createObjectURL(picture);
  };
  const watchClock = () => {
    if (current.value !== undefined && tick === undefined) tick = setInterval(() => { now.value = Date.now() + clockOffsetMs; watchClock(); }, 500);
    else if (current.value === undefined && tick !== undefined) {
      clearInterval(tick);
      tick = undefined;
    }
  };

  /** Asks for the events of a run from a number on, until it has ended. */
  const catchUp = async (run: string, from: number) => {
    if (replays.has(run)) return;
    const abort = new AbortController();
    replays.set(run, abort);
    try {
      for await (const event of replayEvents(run, from, abort.signal)) receive(event);
    } catch (error) {
      if (!abort.signal.aborted && connection.value === 'open') options.onFailure(error);
    } finally {
      replays.delete(run);
      const known = state.value.runs[run];
      if (known !== undefined && hasGap(known)) state.value = skipGap(state.value, run);
    }
  };

  /** A detail holds a whole workflow: those of jobs that are listed no more are asked for anew. */
  const forgetDetails = () => {
    const ids = new Set(jobs.value.map(({ id }) => id));
    const kept = [...details.value].filter(([id]) => ids.has(id));
    if (kept.length < details.value.size) details.value = new Map(kept);
  };

  /** Orders that the server is being told, and that it was told: an answer that was asked for before knows nothing of them. */
  let [telling, told] = [0, 0];
  const refresh = async () => {
    const before = told;
    try {
      const [found, queued] = await Promise.all([listJobs(mostListed), getQueueOrder()]);
      jobs.value = found.jobs;
      forgetDetails();
      hasOlder.value = found.hasMore;
      if (telling === 0 && told === before) order.value = queued;
      state.value = applyQueue(state.value, queued.running.length + queued.waiting.length);
      for (const id of queued.running) {
        const known = state.value.runs[id];
        if (known === undefined) void catchUp(id, 0);
      }
      // a run that ended while nobody listened
      for (const { id, status } of found.jobs) {
        const known = state.value.runs[id];
        if (known?.status === 'running' && status !== 'in_progress' && status !== 'pending') void catchUp(id, known.nextSeq);
      }
    } catch (error) {
      if (connection.value === 'open') options.onFailure(error);
    }
  };
  const refreshSoon = () => {
    clearTimeout(refreshTimer);
    refreshTimer = setTimeout(() => void refresh(), 60);
  };

  const onFrame = (frame: Frame) => {
    if (frame.kind === 'event') return receive(frame.event);
    if (frame.kind === 'logs') return options.onLog(frame.entries);
    if (frame.kind === 'queue') {
      state.value = applyQueue(state.value, frame.remaining);
      return refreshSoon();
    }
    state.value = applyPreview(state.value, frame.run, frame.node, { key: `${frame.run} ${frame.node}`, at: Date.now() });
    if (state.value.runs[frame.run]?.status !== 'running') return;
    if (!document.hidden) showPreview(frame.picture);
    options.onPreview(claims.get(frame.run), frame.run, frame.node, frame.picture);
  };
  const socket = openSocket({
    clientId: options.clientId, onFrame,
    onConnection(next) {
      const isBack = next === 'open' && connection.value !== 'open';
      connection.value = next;
      if (!isBack) return;
      for (const run of Object.values(state.value.runs)) if (run.status === 'running') void catchUp(run.id, 0); // from the start: it may have begun anew
      void refresh();
    },
  });

  return {
    state, connection, jobs, hasOlder, order, details, current, totals, preview, now,
    claim(run, tab) {
      claims.set(run, tab);
      for (const old of [...claims.keys()].slice(0, Math.max(0, claims.size - mostClaims))) claims.delete(old);
      // other windows have claims of their own
      store(claimsKey, [...readClaims(), ...claims].slice(-2 * mostClaims));
      triggerRef(state);
    },
    latestOf(tab) {
      const id = state.value.order.findLast((run) => claims.get(run) === tab);
      return id === undefined ? undefined : state.value.runs[id];
    },
    tabOf: (run) => claims.get(run),
    refresh: refreshSoon,
    async reorder(waiting) {
      order.value = { ...order.value, waiting };
      telling++;
      try {
        await orderQueue(waiting);
      } finally {
        telling--;
        told++;
      }
    },
    async listOlder() {
      mostListed = jobs.value.length + listed;
      await refresh();
    },
    async detail(id) {
      const known = details.value.get(id);
      if (known !== undefined) return known;
      try {
        const found = await getJob(id);
        if (found.endedAt !== undefined) details.value = new Map(details.value).set(id, found);
        return found;
      } catch {
        return undefined; // deleted meanwhile
      }
    },
    retry: socket.retry,
  };
}
