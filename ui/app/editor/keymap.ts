// Keys → actions. Keys are told by their place (so that layouts do not matter) or by the sign they make; what is typed into a field is the
// field's. Space held moves the canvas instead of its content.
import type { Editor } from '../editor.ts';
import { actions, type Action } from './actions.ts';
import { fileActions } from './file-actions.ts';
import { copied, pastePicture, pasteText, removeSelection } from './clipboard.ts';

const isMac = /mac|iphone|ipad/i.test(navigator.platform);

/** Listens until `signal` aborts. */
export function bindKeys(editor: Editor, signal: AbortSignal): void {
  const byKey = new Map<string, Action>();
  for (const action of [...fileActions, ...actions]) for (const key of action.keys) byKey.set(key, action);
  const isAway = () => editor.dialog.value !== undefined || editor.menu.value !== undefined || editor.search.value !== undefined || editor.rename.value !== undefined || editor.viewer.value !== undefined || editor.mode.value !== 'graph';
  let pointer = { x: 0, y: 0 };
  let spaceAt = 0;
  const isOverCanvas = () => editor.canvas.value !== undefined && document.elementFromPoint(pointer.x, pointer.y) === editor.canvas.value.surface;
  const pastePoint = () => (isOverCanvas() ? editor.canvas.value!.toGraph(pointer) : editor.middle());

  window.addEventListener('pointermove', ({ clientX, clientY }) => { pointer = { x: clientX, y: clientY }; }, { signal, passive: true });
  window.addEventListener('keydown', (event) => {
    if (event.isComposing || event.defaultPrevented) return;
    const action = byKey.get(comboOf(event)) ?? (event.ctrlKey || event.metaKey || event.altKey ? undefined : byKey.get(event.key));
    if (action === undefined || (action.isEnabled?.(editor) === false)) return;
    const isTyping = isField(event.target);
    if (isTyping && action.whileTyping !== true) return;
    if (isAway() && action.whileTyping !== true) return;
    if (isControl(event.target) && /^(Space|Enter|Escape|Arrow|Home|Delete|Backspace)/.test(event.code) && action.whileTyping !== true) return;
    event.preventDefault();
    if (event.code !== 'Space') return action.run(editor);
    if (event.repeat) return;
    spaceAt = event.timeStamp;
    editor.canvas.value?.setPanHeld(true);
  }, { signal });
  window.addEventListener('keyup', (event) => {
    if (event.code !== 'Space' || spaceAt === 0) return;
    editor.canvas.value?.setPanHeld(false);
    // held for a drag it opens nothing
    if (event.timeStamp - spaceAt < 350 && !isAway()) byKey.get('Space')?.run(editor);
    spaceAt = 0;
  }, { signal });
  window.addEventListener('blur', () => editor.canvas.value?.setPanHeld(false), { signal });

  for (const kind of ['copy', 'cut'] as const) {
    document.addEventListener(kind, (event) => {
      if (isField(event.target) || isAway() || String(getSelection()) !== '') return;
      const text = copied(editor);
      if (text === undefined) return;
      event.clipboardData?.setData('text/plain', text);
      event.preventDefault();
      if (kind === 'cut') removeSelection(editor);
    }, { signal });
  }
  let withInputs = false;
  window.addEventListener('keydown', (event) => { if (event.code === 'KeyV') withInputs = event.shiftKey; }, { signal, capture: true });
  document.addEventListener('paste', (event) => {
    if (isField(event.target) || isAway()) return;
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
    if (file !== undefined) void pastePicture(editor, file, file.name, pastePoint());
    else if (!pasteText(editor, event.clipboardData?.getData('text/plain') ?? '', pastePoint(), withInputs)) return;
    event.preventDefault();
  }, { signal });
}

function comboOf({ ctrlKey, metaKey, shiftKey, altKey, code }: KeyboardEvent): string {
  return `${ctrlKey || metaKey ? 'Ctrl+' : ''}${altKey ? 'Alt+' : ''}${shiftKey ? 'Shift+' : ''}${code === 'NumpadEnter' ? 'Enter' : code}`;
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input:not([type="checkbox"], [type="range"]), textarea, select, [contenteditable="true"]') !== null;
}

/** Buttons, lists and trees have keys of their own. */
function isControl(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('button, a, [role="tree"], [role="listbox"], [role="tablist"], [role="menu"], [role="slider"], input') !== null;
}

/** A key as people read it: `Ctrl+Shift+KeyZ` → `Ctrl+Shift+Z`. */
export function keyText(key: string): string {
  const names: Readonly<Record<string, string>> = { Period: '.', Comma: ',', Equal: '+', Minus: '−', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', NumpadAdd: '+', NumpadSubtract: '−', Ctrl: isMac ? '⌘' : 'Ctrl', Alt: isMac ? '⌥' : 'Alt', Shift: isMac ? '⇧' : 'Shift', Delete: 'Del' };
  return key.split('+').map((part) => names[part] ?? part.replace(/^(Key|Digit)/, '')).join(isMac ? '' : '+');
}
