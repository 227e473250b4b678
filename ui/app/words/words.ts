// The words of the page in the language chosen: `t('key')` for its own, `messageWords()` for messages of ui/state.
import { shallowRef } from 'vue';
import { english, type Words as MessageWords } from '../../state/messages.ts';
import { en } from './en.ts';
import { enViews } from './en-views.ts';

export const englishWords = { ...en, ...enViews } as const;

export type WordKey = keyof typeof englishWords;
export type Words = Readonly<Record<WordKey, string>>;
export interface Language { readonly words: Words; readonly messages: MessageWords }

/** Read in templates and computed values, so that a change shows at once. */
export const language = shallowRef<Language>({ words: englishWords, messages: english });

/** The words for a key; `{name}` is replaced. */
export function t(key: WordKey, params: Readonly<Record<string, string | number>> = {}): string {
  return language.value.words[key].replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(params, name) ? String(params[name]) : whole));
}

export function messageWords(): MessageWords {
  return language.value.messages;
}

/** Shows the page in a language; `system` is the browser's. Other languages than English come when they are wanted. */
export async function setLanguage(wanted: 'system' | 'en' | 'zh'): Promise<void> {
  const isChinese = wanted === 'zh' || (wanted === 'system' && /^zh\b/i.test(navigator.language));
  document.documentElement.lang = isChinese ? 'zh-CN' : 'en';
  if (!isChinese) {
    language.value = { words: englishWords, messages: english };
    return;
  }
  const [{ zh }, { zhViews }, { chinese }] = await Promise.all([import('./zh.ts'), import('./zh-views.ts'), import('./zh-messages.ts')]);
  // another language may have been chosen meanwhile
  if (document.documentElement.lang === 'zh-CN') language.value = { words: { ...zh, ...zhViews }, messages: chinese };
}
