// Short notes to the user that go by themselves; errors stay until they are dismissed.
import { shallowRef, type ShallowRef } from 'vue';

export type NoticeKind = 'note' | 'success' | 'warning' | 'error';

export interface Notice {
  readonly id: number;
  readonly kind: NoticeKind;
  readonly text: string;
  readonly action?: { readonly label: string; run(): void };
  /** How often the same was told. */
  readonly count: number;
}

export interface Notices {
  readonly all: ShallowRef<readonly Notice[]>;
  tell(kind: NoticeKind, text: string, action?: Notice['action']): void;
  dismiss(id: number): void;
}

const staysMs: Readonly<Record<NoticeKind, number>> = { note: 4000, success: 4000, warning: 9000, error: 0 };
const most = 5;

export function createNotices(): Notices {
  const all = shallowRef<readonly Notice[]>([]);
  let nextId = 1;
  const dismiss = (id: number) => { all.value = all.value.filter((notice) => notice.id !== id); };
  return {
    all, dismiss,
    tell(kind, text, action) {
      const same = all.value.find((notice) => notice.kind === kind && notice.text === text);
      const notice: Notice = { id: nextId++, kind, text, count: (same?.count ?? 0) + 1, ...(action === undefined ? {} : { action }) };
      all.value = [...all.value.filter((other) => other !== same), notice].slice(-most);
      if (staysMs[kind] > 0) setTimeout(() => dismiss(notice.id), staysMs[kind]);
    },
  };
}
