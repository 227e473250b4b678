// Builds the page into dist/ui; in development serves it with reload and passes everything else on to a running server.
import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

const server = process.env['BAGELGRAPH_SERVER'] ?? 'http://127.0.0.1:8188';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/',
  plugins: [vue()],
  define: { __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
  build: {
    outDir: fileURLToPath(new URL('../dist/ui', import.meta.url)), emptyOutDir: true, target: 'es2023', chunkSizeWarningLimit: 900,
    // a data: address would need its own rule in the page's Content-Security-Policy
    assetsInlineLimit: 0,
    rolldownOptions: {
      // litegraph's number prompt, which nothing here opens, evaluates what is typed
      onwarn: (warning, warn) => { if (warning.code !== 'EVAL') warn(warning); },
    },
  },
  server: {
    proxy: { '/api': { target: server, ws: true }, '/workflow_templates': { target: server } },
  },
});
