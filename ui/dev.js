// `npm run dev`: compiles on change, runs the server on the demo model (again after each change), and serves the page with reload.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const port = process.env.PORT ?? '8188';
const children = [];

function start(name, command, environment = {}) {
  const child = spawn(process.execPath, command, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...environment } });
  child.on('exit', (code) => {
    console.error(`${name} ended with code ${code}`);
    stop();
  });
  children.push(child);
}

function stop() {
  for (const child of children) if (child.exitCode === null) child.kill();
}

process.on('SIGINT', stop);
process.on('SIGTERM', stop);
if (!existsSync(`${root}dist/engine/main.js`)) spawn(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' }).on('exit', run);
else run();

function run() {
  start('tsc', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--watch', '--preserveWatchOutput']);
  start('the server', ['--watch-path=dist/engine', '--watch-path=dist/nodes', '--watch-preserve-output', 'bin/bagelgraph.js', 'serve', '--port', port, ...process.argv.slice(2)]);
  start('vite', ['node_modules/vite/bin/vite.js', '-c', 'ui/vite.config.ts'], { BAGELGRAPH_SERVER: `http://127.0.0.1:${port}` });
}
