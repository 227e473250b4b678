// What a node is: typed inputs and outputs, and a run function that gets its values and one door to the world, NodeContext.
// Pure types plus defineNode, which infers the types of inputs and outputs. Browser-safe; knows no executor.
import type { Device, Devices, Held } from '../device/device.ts';
import type { Json } from '../formats/json.ts';
import type { Graph, Input, Link, Literal, NodeId } from './graph.ts';

/** A link type. `held` tells which device memory a value keeps alive. */
export interface Type<T> {
  readonly name: string;
  /** Fits every type (`*`). */
  readonly any?: true;
  /** Fits any of these names (`IMAGE,FLOAT`). */
  readonly oneOf?: readonly string[];
  held?(value: T): readonly Held[];
  /** Only for inference. */
  readonly value?: T;
}

export interface InputSpec<T> {
  readonly type: Type<T>;
  readonly optional?: boolean;
  /** Its link is followed only when `needs` asks for it. */
  readonly lazy?: true;
  /** `run` gets the Link itself. */
  readonly raw?: true;
  /** Filled by the engine, not by the user: the request's prompt and extras, or the node's id. */
  readonly hidden?: 'prompt' | 'extras' | 'id' | 'graph';
  /** Allowed values, or a function that lists them now (files in a folder). */
  readonly choices?: readonly Literal[] | ((env: Environment) => readonly Literal[] | Promise<readonly Literal[]>);
  readonly min?: number;
  readonly max?: number;
  readonly step?: number;
  readonly default?: Literal;
  /** Turns what was written into a value; throws with a reason when it cannot. */
  coerce?(literal: Literal): T;
  /** For editors: tooltip, multiline, upload, slider… ComfyUI's option names. */
  readonly ui?: Readonly<Record<string, Json>>;
}

export interface OutputSpec<T> {
  readonly name: string;
  readonly type: Type<T>;
  /** The node returns an array and each element becomes a value of its own. */
  readonly list?: true;
  readonly tooltip?: string;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- inference position only
export type InputSpecs = Readonly<Record<string, InputSpec<any>>>;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- inference position only
export type OutputSpecs = readonly OutputSpec<any>[];

type ValueOf<S> = S extends { raw: true } ? Link : S extends InputSpec<infer T> ? T : never;
type IsOptional<S> = S extends { optional: true } ? true : false;

/** The values `run` gets: optional inputs may be undefined, `raw` ones are links. */
export type InputValues<I extends InputSpecs> =
  { readonly [K in keyof I as IsOptional<I[K]> extends true ? never : K]: ValueOf<I[K]> } &
  { readonly [K in keyof I as IsOptional<I[K]> extends true ? K : never]?: ValueOf<I[K]> | undefined };

/** One value an output slot; an array of values where the output is a list. */
export type OutputValues<O extends OutputSpecs> = { readonly [K in keyof O]: O[K] extends OutputSpec<infer T> ? (O[K] extends { list: true } ? readonly T[] : T) | Blocked : never };

/** An output that stops what depends on it: quietly, or with a message. */
export interface Blocked {
  readonly kind: 'blocked';
  readonly message: string | null;
}

export function blocked(message: string | null = null): Blocked {
  return { kind: 'blocked', message };
}

/** Returned by a fingerprint whose node must run every time. */
export const volatile: unique symbol = Symbol('volatile');
export type Volatile = typeof volatile;

/** An input of a node made by an expansion: a link (to an inner or outer node), a literal, or a value as it is. */
export type InnerInput = Input | { readonly value: unknown };

export interface InnerNode {
  readonly type: string;
  readonly inputs: ReadonlyMap<string, InnerInput>;
  readonly title?: string;
  readonly device?: string;
  /** The node shown to the user in its place. */
  readonly display?: NodeId;
}

/** A node that replaces itself by nodes. `outputs` are links to inner nodes, plain values, or blocked. */
export interface Expansion {
  readonly kind: 'expansion';
  readonly nodes: ReadonlyMap<NodeId, InnerNode>;
  readonly outputs: readonly ({ readonly link: Link } | { readonly value: unknown } | Blocked)[];
  readonly show?: Json;
}

/** Builds an Expansion with ids that cannot clash: `<parent>.<call>.<local>`. */
export interface Builder {
  /** Adds a node; an argument that is a NodeRef output (from `ref.out(i)`) or a Link becomes a link, `{ literal }` is converted as in a workflow, anything else is a value. Returns a reference. */
  node(type: string, inputs: Readonly<Record<string, unknown>>, options?: { id?: string; title?: string; device?: string; display?: NodeId }): NodeRef;
  /** Finishes with the outputs of the replaced node: `ref.out(i)`, links or values. */
  finish(outputs: readonly unknown[]): Expansion;
}

export interface NodeRef {
  readonly id: NodeId;
  out(output: number): { readonly link: Link };
}

/** An IMAGE: float32 [batch, height, width, 3 or 4] in 0…1. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly batch: number;
  readonly channels: number;
  readonly data: Float32Array;
}

export type FolderKind = 'input' | 'output' | 'temp';

export interface SavedFile {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: FolderKind;
  /** Absolute path. */
  readonly path: string;
}

/** The only way from a node to the disk. Every path is confined to its folder after realpath. */
export interface Files {
  /** Absolute path of an existing file named `name`, `sub/name`, or `name [output]`; throws naming the folder when it is not there or lies outside. */
  resolve(name: string, kind?: FolderKind): Promise<string>;
  /** Names of the files in a folder with one of `extensions` (lower case, with dot), sorted. */
  list(kind: FolderKind, extensions?: readonly string[]): Promise<readonly string[]>;
  /** Writes `<prefix>_00001_.<extension>` with the next free number, atomically; `prefix` may hold subfolders and %date% words (`vars` fills others). */
  save(kind: FolderKind, prefix: string, extension: string, bytes: Uint8Array, vars?: Readonly<Record<string, string>>): Promise<SavedFile>;
  /** Throws saying why when nothing can be saved into a folder; for checks before a long run. */
  checkWritable(kind: FolderKind): Promise<void>;
  /** Folders that hold models: absolute paths, the first is the default place. */
  models(): readonly string[];
}

/** What fingerprints, choices and validators may look at. */
export interface Environment {
  readonly files: Files;
  readonly devices: Devices;
}

/** What came with the request, for metadata: the prompt as it was sent and extra PNG fields. */
export interface RequestMeta {
  readonly prompt: Json;
  readonly extras: ReadonlyMap<string, Json>;
  /** Keys and tokens that came with it: never write them anywhere. They do not outlive a restart of the server. */
  readonly secrets?: ReadonlyMap<string, Json>;
  /** Nodes may use prompt and extras, but keep them out of the files they write. */
  readonly isHidden?: true;
}

/** The graph while it runs, with the nodes that expansions added. */
export interface LiveGraph {
  node(id: NodeId): { readonly type: string; readonly inputs: ReadonlyMap<string, InnerInput>; readonly title?: string } | undefined;
  parent(id: NodeId): NodeId | undefined;
  display(id: NodeId): NodeId;
  readonly original: Graph;
}

/** The one door of a node. */
export interface NodeContext {
  readonly node: NodeId;
  /** Which call this is, when the node is mapped over lists. */
  readonly call: number;
  readonly graph: LiveGraph;
  readonly request: RequestMeta;
  /** The device this node is placed on; what it allocates here and does not return is freed when the node ends. Sessions it loads stay. */
  readonly device: Device;
  readonly devices: Devices;
  readonly signal: AbortSignal;
  readonly files: Files;
  expand(): Builder;
  /** Adds to what the client shows for this node, such as `{ images: […] }`. Shown objects of several calls are merged key by key. */
  show(ui: Json): void;
  /** Streams generated text. */
  text(delta: string): void;
  /** A notice for the user: an assumption made, a value rounded. */
  notice(message: string): void;
  /** Adds one to a counter of the run, such as `denoise`. */
  count(name: string, by?: number): void;
  /** Reports progress; a preview is computed only if someone looks. Await it. Throws when the run was cancelled. */
  progress(value: number, max: number, preview?: () => Promise<Image>): Promise<void>;
  /** Reports progress with a picture that whoever looks gets whole and lossless: a result rather than a preview. */
  send(value: number, max: number, picture: Image): Promise<void>;
}

/** True, or the reason why not. */
export type Check = true | string;

export interface NodeDefinition<I extends InputSpecs = InputSpecs, O extends OutputSpecs = OutputSpecs> {
  /** Case-sensitive. */
  readonly type: string;
  readonly title?: string;
  readonly description?: string;
  readonly category: string;
  readonly inputs: I;
  readonly outputs: O;
  /** A run starts from its output nodes. */
  readonly output?: true;
  /** May run beside other nodes; takes no lane. */
  readonly concurrent?: true;
  /** Inputs arrive as whole lists and the node runs once. */
  readonly wholeLists?: true;
  /** 'node': equal nodes do not share a result. Default 'content'. */
  readonly keyedBy?: 'content' | 'node';
  readonly aliases?: readonly string[];
  readonly deprecated?: true;
  readonly experimental?: true;
  /** Undeclared links are passed on to run; absent = dropped with a warning. */
  readonly rest?: InputSpec<unknown>;
  readonly validate?: {
    readonly inputs: readonly string[] | 'all';
    /** The check gets the types of linked inputs and replaces the type match. */
    readonly types?: true;
    check(known: Readonly<Record<string, unknown>>, types: Readonly<Record<string, string>>, env: Environment): Check | Promise<Check>;
  };
  /** Names of the lazy inputs it needs now, given what is known so far (undefined = not evaluated). */
  needs?(known: Partial<InputValues<I>>, context: NodeContext): readonly string[] | Promise<readonly string[]>;
  /** What else its result depends on, such as a file's hash; constants hold literals only. */
  fingerprint?(constants: Readonly<Record<string, unknown>>, env: Environment): Literal | Volatile | Promise<Literal | Volatile>;
  run(inputs: InputValues<I>, context: NodeContext): NodeResult<O> | Promise<NodeResult<O>>;
}

export type NodeResult<O extends OutputSpecs> = OutputValues<O> | Blocked | Expansion;

/** A definition whose value types are no longer known: what registries hold. */
export interface AnyNode extends Omit<NodeDefinition, 'run' | 'needs'> {
  needs?(known: Readonly<Record<string, unknown>>, context: NodeContext): readonly string[] | Promise<readonly string[]>;
  run(inputs: Readonly<Record<string, unknown>>, context: NodeContext): unknown;
}

/** Declares a node; types of `run`'s inputs and result follow from `inputs` and `outputs`. */
export function defineNode<const I extends InputSpecs, const O extends OutputSpecs>(definition: NodeDefinition<I, O>): AnyNode {
  return definition as unknown as AnyNode;
}

/** Looks definitions up by exact type name (or alias). */
export interface Registry {
  get(type: string): AnyNode | undefined;
  all(): readonly AnyNode[];
}

/** What a pack's index.ts exports. */
export interface Pack {
  readonly nodes: readonly AnyNode[];
  readonly commands?: readonly Command[];
  /** Folder of web files, served by the server. */
  readonly web?: string;
}

/** A command of the command line that a pack brings. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Positional arguments and options as text for --help. */
  readonly usage: string;
  readonly options: Readonly<Record<string, CommandOption>>;
  run(args: CommandArguments, host: CommandHost): Promise<number>;
}

export interface CommandOption {
  readonly type: 'string' | 'boolean';
  readonly multiple?: true;
  readonly description: string;
  /** Its value when it is given without one. */
  readonly bare?: string;
  /** Shown in help in place of a value, such as WxH. */
  readonly value?: string;
  readonly short?: string;
}

export interface CommandArguments {
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
}

/** What the composition root lends to a pack's command. */
export interface CommandHost {
  readonly stdout: { write(text: string): void };
  readonly stderr: { write(text: string): void; readonly isTTY: boolean; readonly columns: number };
  readonly signal: AbortSignal;
  /** Opens the devices asked for on the command line; they are closed when the command ends. */
  devices(): Promise<Devices>;
  /** Runs one of the workflows in `workflows/` through its form. */
  runForm(workflow: string, inputs: Readonly<Record<string, Literal>>, args: CommandArguments): Promise<number>;
  /** Folders searched for models. */
  modelFolders(): readonly string[];
}
