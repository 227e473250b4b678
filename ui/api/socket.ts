// The WebSocket to the server: connects again by itself after any loss, and tells when it was away, so that what was missed can be asked for.
import { readBinaryFrame, readTextFrame, type Frame } from './frames.ts';

export type Connection = 'connecting' | 'open' | 'lost';

export interface SocketOptions {
  /** The same for one window over reloads: the server tells a client of its own prompts. */
  readonly clientId: string;
  onFrame(frame: Frame): void;
  onConnection(connection: Connection): void;
}

export interface Socket {
  /** Tries at once instead of after the pause. */
  retry(): void;
  close(): void;
}

const pausesMs = [300, 1000, 2000, 4000, 8000];

export function openSocket({ clientId, onFrame, onConnection }: SocketOptions): Socket {
  let socket: WebSocket | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let isClosed = false;

  const connect = () => {
    clearTimeout(timer);
    onConnection(failures === 0 ? 'connecting' : 'lost');
    const address = new URL(`/api/ws?clientId=${encodeURIComponent(clientId)}`, location.href);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    const own = new WebSocket(address);
    socket = own;
    own.binaryType = 'arraybuffer';
    own.onopen = () => {
      failures = 0;
      own.send(JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true, run_events: true } }));
      onConnection('open');
    };
    own.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      const frame = typeof data === 'string' ? readTextFrame(data) : readBinaryFrame(data);
      if (frame !== undefined) onFrame(frame);
    };
    own.onclose = () => {
      if (isClosed || socket !== own) return;
      onConnection('lost');
      timer = setTimeout(connect, pausesMs[Math.min(failures++, pausesMs.length - 1)]!);
    };
  };
  connect();
  return {
    retry: connect,
    close() {
      isClosed = true;
      clearTimeout(timer);
      socket?.close();
    },
  };
}
