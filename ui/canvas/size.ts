// Watches the size of an element and the density of the screen it is on, which changes when a window goes to another monitor.

/** Tells at once and after each change: CSS pixels, and device pixels a CSS pixel. Returns how to stop. */
export function watchSize(element: HTMLElement, onSize: (width: number, height: number, dpr: number) => void): () => void {
  const view = element.ownerDocument.defaultView!;
  let abort = new AbortController();
  const tell = () => onSize(Math.max(1, element.clientWidth), Math.max(1, element.clientHeight), view.devicePixelRatio);
  const watchDensity = () => {
    abort.abort();
    abort = new AbortController();
    view.matchMedia(`(resolution: ${view.devicePixelRatio}dppx)`).addEventListener('change', () => { tell(); watchDensity(); }, { signal: abort.signal });
  };
  const observer = new ResizeObserver(tell);
  observer.observe(element);
  watchDensity();
  tell();
  return () => {
    observer.disconnect();
    abort.abort();
  };
}
