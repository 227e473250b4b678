import { defineConfig, mergeConfig } from 'vitest/config';
import base from './vitest.config.ts';

// Journeys through the page in a real Chromium; `npm run test:ui`. One after the other: they compute on the CPU and look at the clock of the page.
export default mergeConfig({ ...base, test: { ...base.test, include: [], exclude: [], globalSetup: [] } }, defineConfig({
  test: {
    include: ['test/ui/journeys/**/*.test.ts'],
    globalSetup: ['test/support/build.ts', 'test/ui/journeys/build-page.ts'],
    maxWorkers: 1,
    // what a page shows may take long on a busy machine
    expect: { poll: { timeout: 20_000, interval: 30 } },
    testTimeout: 90_000,
  },
}));
