// Builds the page into dist/ui before the journeys.
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

export default async function buildPage(): Promise<void> {
  await build({ configFile: fileURLToPath(new URL('../../../ui/vite.config.ts', import.meta.url)), logLevel: 'warn' });
}
