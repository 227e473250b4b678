// Module hooks for the packs of others: TypeScript is transformed as it is loaded, and `bagelgraph/…` means this program.
// Runs on Node's loader thread; the transformer is loaded when the first TypeScript file is. Knows no packs.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { InitializeHook, LoadHook, ResolveHook } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Options, TransformOutput } from '@swc/wasm-typescript';

let engine = '';
let extension = '.js';

/** `engine` is the URL of the engine's folder; its files end in `extension`. */
export const initialize: InitializeHook<{ readonly engine: string; readonly extension: string }> = (given) => {
  ({ engine, extension } = given);
};

export const resolve: ResolveHook = (specifier, context, next) => {
  if (specifier.startsWith('bagelgraph/')) return { url: `${engine}${specifier.slice('bagelgraph/'.length)}${extension}`, shortCircuit: true };
  // TypeScript is often written with the names its files will have once compiled
  if (/^\.{1,2}\/.*\.m?js$/.test(specifier) && context.parentURL !== undefined && isTypeScript(context.parentURL)) {
    const written = new URL(specifier.replace(/js$/, 'ts'), context.parentURL);
    if (!existsSync(new URL(specifier, context.parentURL)) && existsSync(written)) return next(written.href, context);
  }
  return next(specifier, context);
};

export const load: LoadHook = async (url, context, next) => {
  if (!isTypeScript(url)) return next(url, context);
  const file = fileURLToPath(url);
  return { format: 'module', shortCircuit: true, source: await transformed(await readFile(file, 'utf8'), file) };
};

function isTypeScript(url: string): boolean {
  return url.startsWith('file:') && /\.m?ts$/.test(new URL(url).pathname);
}

/** JavaScript with its source map. Throws naming file, line and column. */
async function transformed(source: string, filename: string): Promise<string> {
  const transform = (await import('@swc/wasm-typescript')).default.transformSync as (source: string, options: Options) => TransformOutput;
  try {
    const { code, map } = transform(source, { mode: 'transform', filename, module: true, sourceMap: true });
    return map === undefined ? code : `${code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString('base64')}`;
  } catch (error) {
    const { message, startLine, startColumn } = error as { readonly message?: string; readonly startLine?: number; readonly startColumn?: number };
    throw new SyntaxError(`${filename}${startLine === undefined ? '' : `, line ${startLine}, column ${startColumn}`}: ${message ?? String(error)}`);
  }
}
