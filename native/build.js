// Builds the add-on with cargo and puts it at native/bagelgraph.node, where the engine looks for it.
import { spawnSync } from 'node:child_process';
import { copyFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const libraries = { darwin: 'libbagelgraph_native.dylib', win32: 'bagelgraph_native.dll' };

const built = spawnSync('cargo', ['build', '--release', '--locked', '--target-dir', 'target', ...process.argv.slice(2)], { cwd: folder, stdio: 'inherit' });
if (built.error !== undefined) {
  console.error(`cargo could not be started (${built.error.message}): install Rust 1.92 or newer from https://rustup.rs. The add-on is optional: without it onnxruntime-node computes.`);
  process.exit(1);
}
if (built.status !== 0) process.exit(built.status ?? 1);

// moved into place in one step: a process may have the old one loaded
const target = `${folder}bagelgraph.node`;
copyFileSync(`${folder}target/release/${libraries[process.platform] ?? 'libbagelgraph_native.so'}`, `${target}.new`);
renameSync(`${target}.new`, target);
console.log('native/bagelgraph.node is built');
