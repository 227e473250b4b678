// What the server says of itself: devices with their memory, and its log.
import { isJsonArray, isJsonObject, type Json } from '../../engine/formats/json.ts';
import { readLogEntries, type LogEntry } from './frames.ts';
import { getJson, request } from './http.ts';

export interface DeviceMemory {
  readonly name: string;
  readonly type: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** What it may use; absent where no limit was set. */
  readonly budgetBytes?: number;
  /** Resident memory of its worker; absent before the worker starts, or where the system does not tell. */
  readonly residentBytes?: number;
  /** Tensors and row buffers that it holds. */
  readonly valueBytes?: number;
  /** Programs loaded: parts of models. */
  readonly parts?: number;
}
export interface SystemStats { readonly version: string; readonly ramTotalBytes: number; readonly ramFreeBytes: number; readonly devices: readonly DeviceMemory[] }

export async function getSystemStats(): Promise<SystemStats> {
  const json = await getJson('/system_stats');
  const system = isJsonObject(json) ? json.get('system') : undefined;
  const devices = isJsonObject(json) ? json.get('devices') : undefined;
  const of = (name: string): Json | undefined => (isJsonObject(system) ? system.get(name) : undefined);
  return {
    version: String(of('bagelgraph_version') ?? of('comfyui_version') ?? ''), ramTotalBytes: Number(of('ram_total') ?? 0), ramFreeBytes: Number(of('ram_free') ?? 0),
    devices: (isJsonArray(devices) ? devices : []).filter(isJsonObject).map((device) => ({ name: String(device.get('name')), type: String(device.get('type')), totalBytes: Number(device.get('vram_total') ?? 0), freeBytes: Number(device.get('vram_free') ?? 0), ...readOwn(device.get('bagelgraph')) })),
  };
}

/** What only our own server tells of a device. */
function readOwn(json: Json | undefined): Partial<DeviceMemory> {
  const own = new Map<string, number>();
  for (const [name, value] of isJsonObject(json) ? json : []) if (typeof value === 'number' || typeof value === 'bigint') own.set(name, Number(value));
  const member = <K extends keyof DeviceMemory>(key: K, name: string) => (own.has(name) ? { [key]: own.get(name) } : {}) as Partial<DeviceMemory>;
  return { ...member('budgetBytes', 'budget_bytes'), ...member('residentBytes', 'resident_bytes'), ...member('valueBytes', 'handle_bytes'), ...member('parts', 'sessions') };
}

export async function getLog(): Promise<readonly LogEntry[]> {
  const json = await getJson('/internal/logs/raw');
  return readLogEntries(isJsonObject(json) ? json.get('entries') : undefined);
}

/** New entries come over the socket of this client from now on. */
export async function followLog(clientId: string, isOn: boolean): Promise<void> {
  await request('/internal/logs/subscribe', { method: 'PATCH', body: JSON.stringify({ enabled: isOn, clientId }), headers: { 'Content-Type': 'application/json' } });
}
