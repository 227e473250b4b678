import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Device workers are child processes and run compiled JavaScript, so the build comes before the tests.
export default defineConfig({
  // Packs import the program by its name; in tests that is the sources, as for the tests themselves.
  resolve: { alias: [{ find: /^bagelgraph\/(.*)$/, replacement: fileURLToPath(new URL('./engine/$1.ts', import.meta.url)) }] },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/ui/journeys/**'], // npm run test:ui
    globalSetup: ['test/support/build.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
