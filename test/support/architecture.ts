// Checks sources against rules of structure: who imports whom, cycles, barrels, `any` in exported signatures, opening comments, length.
// Works on texts by path, so that the checks can themselves be tested. The rules stand in test/architecture.test.ts.
import { posix } from 'node:path';
import ts from 'typescript';

/** What the files below a folder (or one file) may import. Folders of ours by path, packages by name. */
export interface Rule {
  /** Folders of ours; a folder's own files are always allowed. */
  readonly may: readonly string[];
  /** Folders of ours of which only types may be imported. */
  readonly types?: readonly string[];
  /** No Node modules: these files also run in a browser. */
  readonly browser?: true;
}

export interface Architecture {
  /** By folder or file; the longest that fits counts. */
  readonly rules: Readonly<Record<string, Rule>>;
  /** Where each package may be imported. */
  readonly packages: Readonly<Record<string, readonly string[]>>;
  readonly maxLines: number;
}

interface Import {
  readonly line: number;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

interface Source {
  readonly path: string;
  readonly text: string;
  readonly ast: ts.SourceFile;
  readonly imports: readonly Import[];
}

/** Every violation as `file:line: rule`, for files by path (forward slashes, relative to the root). */
export function findViolations(files: ReadonlyMap<string, string>, architecture: Architecture): string[] {
  const sources = [...files].map(([path, text]) => parse(path, text));
  return [
    ...sources.flatMap((source) => [
      ...importViolations(source, files, architecture),
      ...barrelViolations(source),
      ...anyViolations(source),
      ...formViolations(source, architecture),
    ]),
    ...cycles(sources),
  ];
}

function parse(path: string, text: string): Source {
  const ast = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean) => {
    if (specifier !== undefined && ts.isStringLiteralLike(specifier)) imports.push({ line: lineOf(ast, node), specifier: specifier.text, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, importsTypesOnly(node.importClause));
    else if (ts.isExportDeclaration(node)) add(node, node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node, node.arguments[0], false);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node, node.argument.literal, true);
    ts.forEachChild(node, visit);
  };
  visit(ast);
  return { path, text, ast, imports };
}

function importsTypesOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = clause;
  return name === undefined && namedBindings !== undefined && ts.isNamedImports(namedBindings) && namedBindings.elements.length > 0 && namedBindings.elements.every((one) => one.isTypeOnly);
}

function lineOf(ast: ts.SourceFile, node: ts.Node): number {
  return ast.getLineAndCharacterOfPosition(node.getStart(ast)).line + 1;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function ruleFor(path: string, rules: Architecture['rules']): [string, Rule] | undefined {
  return Object.entries(rules).filter(([folder]) => isWithin(path, folder)).sort(([a], [b]) => b.length - a.length)[0];
}

function importViolations({ path, imports }: Source, files: ReadonlyMap<string, string>, { rules, packages }: Architecture): string[] {
  const found = ruleFor(path, rules);
  if (found === undefined) return [`${path}:1: lies in no folder of the import table: add the folder to it, or move the file`];
  const [folder, { may, types = [], browser }] = found;
  return imports.flatMap(({ line, specifier, typeOnly }) => {
    const fail = (why: string) => [`${path}:${line}: ${why}`];
    if (specifier.startsWith('node:')) return browser === true ? fail(`${folder} also runs in a browser, so it may not import ${specifier}`) : [];
    if (!specifier.startsWith('.')) return packageViolation(path, specifier, packages).flatMap(fail);
    const target = posix.join(posix.dirname(path), specifier);
    if (!files.has(target)) return fail(`imports ${specifier}, which is no source file (relative imports are written with .ts)`);
    if (isWithin(target, folder) || may.some((one) => isWithin(target, one))) return [];
    if (types.some((one) => isWithin(target, one))) return typeOnly ? [] : fail(`${folder} may import only types from ${target}: write "import type"`);
    return fail(`${folder} may not import ${target}; it may import ${[...may, ...types.map((one) => `types of ${one}`)].join(', ') || 'nothing of ours'}`);
  });
}

function packageViolation(path: string, specifier: string, packages: Architecture['packages']): string[] {
  const name = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  const places = packages[name];
  if (places === undefined) return [`the package ${name} is not in the table of packages`];
  return places.some((place) => isWithin(path, place)) ? [] : [`the package ${name} may be imported only in ${places.join(', ')}`];
}

/** A file that only passes on what others export hides where things are. A pack's index.ts is its public face. */
function barrelViolations({ path, ast }: Source): string[] {
  const isFace = /^nodes\/[^/]+\/index\.ts$/.test(path);
  const isBarrel = ast.statements.length > 0 && ast.statements.every((one) => ts.isExportDeclaration(one) && one.moduleSpecifier !== undefined);
  return isBarrel && !isFace ? [`${path}:1: only re-exports: import from the files themselves`] : [];
}

/** `any` in what a file exports spreads to those who import it. */
function anyViolations({ path, ast, text }: Source): string[] {
  const lines = text.split('\n');
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isBlock(node)) return; // a body is nobody else's business
    if (node.kind === ts.SyntaxKind.AnyKeyword) {
      const line = lineOf(ast, node);
      if (!/eslint-disable.*no-explicit-any/.test(lines[line - 2] ?? '')) found.push(`${path}:${line}: any in an exported signature: name the type, or unknown`);
      return;
    }
    const isTyped = ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node) || ts.isParameter(node);
    ts.forEachChild(node, (child) => {
      const isInferred = isTyped && child === node.initializer && !ts.isArrowFunction(child);
      if (!isInferred) visit(child);
    });
  };
  for (const statement of ast.statements) {
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
    if (modifiers?.some((one) => one.kind === ts.SyntaxKind.ExportKeyword) === true) visit(statement);
  }
  return found;
}

function formViolations({ path, text, ast }: Source, { maxLines }: Architecture): string[] {
  const lines = text.split('\n').length - 1;
  const exportsDefault = ast.statements.find((one) => ts.isExportAssignment(one) || (ts.canHaveModifiers(one) && ts.getModifiers(one)?.some((modifier) => modifier.kind === ts.SyntaxKind.DefaultKeyword) === true));
  return [
    ...(/^(#!.*\n)?\/\/ ?\S/.test(text) ? [] : [`${path}:1: opens without a comment that says what the file is for`]),
    ...(lines > maxLines ? [`${path}:${maxLines}: has ${lines} lines, more than ${maxLines}: split it by what its parts are for`] : []),
    ...(exportsDefault === undefined ? [] : [`${path}:${lineOf(ast, exportsDefault)}: default export: give it a name`]),
  ];
}

/** Import cycles, each told once. Types vanish at run time and do not count. */
function cycles(sources: readonly Source[]): string[] {
  const edges = new Map(sources.map(({ path, imports }) => [path, imports.filter((one) => !one.typeOnly && one.specifier.startsWith('.')).map((one) => posix.join(posix.dirname(path), one.specifier))]));
  const found: string[] = [];
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.push(`${path}:1: import cycle: ${[...trail.slice(at), path].join(' → ')}`);
    if (at >= 0 || finished.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    finished.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}
