import { defineConfig } from 'vitest/config';

// Device workers are child processes and run compiled JavaScript, so the build comes before the tests.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
