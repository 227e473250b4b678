// Which drafts are this window's own. Windows of one browser profile share the store of drafts: a lock for each open workflow, which the
// browser frees when its window goes, keeps two of them from writing the same one. Knows nothing of what drafts hold.

/** How long a page that is reloaded waits for the lock of the page it was. */
const handOverMs = 1000;

/** By workflow: what frees its lock. */
const held = new Map<string, () => void>();

/** Browsers give locks only to pages of this machine or over HTTPS. */
const locks = (): LockManager | undefined => navigator.locks as LockManager | undefined;
const lockName = (id: string) => `bagelgraph.draft.${id}`;

/**
 * Takes the draft of a workflow for this window; false where another window has it open. `isOwn`: this window had it before a reload, so it
 * may take a moment to come free.
 */
export function takeDraft(id: string, isOwn = false): Promise<boolean> {
  const all = locks();
  if (all === undefined || held.has(id)) return Promise.resolve(true);
  return new Promise((resolve) => {
    all.request(lockName(id), isOwn ? { signal: AbortSignal.timeout(handOverMs) } : { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock === null ? undefined : new Promise<void>((free) => held.set(id, free));
    }).catch(() => resolve(false)); // it did not come free in time
  });
}

/** The workflow was closed here: others may have its draft. */
export function leaveDraft(id: string): void {
  held.get(id)?.();
  held.delete(id);
}

/** Which of these drafts other windows have open. */
export async function openElsewhere(ids: readonly string[]): Promise<readonly string[]> {
  const taken = new Set((await locks()?.query())?.held?.map(({ name }) => name));
  return ids.filter((id) => !held.has(id) && taken.has(lockName(id)));
}
