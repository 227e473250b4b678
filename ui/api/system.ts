// What the server says of itself: devices with their memory, and its log.
import { isJsonArray, isJsonObject, type Json } from '../../engine/formats/json.ts';
import { readLogEntries, type LogEntry } from './frames.ts';
import { getJson, request } from './http.ts';

export interface DeviceMemory { readonly name: string; readonly type: string; readonly totalBytes: number; readonly freeBytes: number }
export interface SystemStats { readonly version: string; readonly ramTotalBytes: number; readonly ramFreeBytes: number; readonly devices: readonly DeviceMemory[] }

export async function getSystemStats(): Promise<SystemStats> {
  const json = await getJson('/system_stats');
  const system = isJsonObject(json) ? json.get('system') : undefined;
  const devices = isJsonObject(json) ? json.get('devices') : undefined;
  const of = (name: string): Json | undefined => (isJsonObject(system) ? system.get(name) : undefined);
  return {
    version: String(of('bagelgraph_version') ?? of('comfyui_version') ?? ''), ramTotalBytes: Number(of('ram_total') ?? 0), ramFreeBytes: Number(of('ram_free') ?? 0),
    devices: (isJsonArray(devices) ? devices : []).filter(isJsonObject).map((device) => ({ name: String(device.get('name')), type: String(device.get('type')), totalBytes: Number(device.get('vram_total') ?? 0), freeBytes: Number(device.get('vram_free') ?? 0) })),
  };
}

export async function getLog(): Promise<readonly LogEntry[]> {
  const json = await getJson('/internal/logs/raw');
  return readLogEntries(isJsonObject(json) ? json.get('entries') : undefined);
}

/** New entries come over the socket of this client from now on. */
export async function followLog(clientId: string, isOn: boolean): Promise<void> {
  await request('/internal/logs/subscribe', { method: 'PATCH', body: JSON.stringify({ enabled: isOn, clientId }), headers: { 'Content-Type': 'application/json' } });
}
