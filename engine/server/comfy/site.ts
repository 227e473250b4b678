// What ComfyUI's routes share: the engine, the queue, the clients, and the folders of this server.
import type { Engine } from '../../exec/engine.ts';
import type { Environment } from '../../graph/node.ts';
import type { NodeRegistry } from '../../graph/registry.ts';
import type { Store } from '../../store/store.ts';
import type { EventLog } from '../jobs/event-log.ts';
import type { FormRuns } from '../jobs/run-form.ts';
import type { Webhooks } from '../jobs/webhooks.ts';
import type { Logbook } from '../logbook.ts';
import type { Web } from '../web.ts';
import type { History } from './history.ts';
import type { Prompts } from './prompt.ts';
import type { PromptRunner } from './runner.ts';
import type { Clients } from './sockets.ts';

export interface SiteFolders {
  readonly input: string;
  readonly output: string;
  readonly temp: string;
  /** Settings and files of users: one folder below it for each. */
  readonly user: string;
  /** Folders that hold models, each with subfolders such as `checkpoints`. */
  readonly models: readonly string[];
  /** Further folders by kind. */
  readonly extraModels?: ReadonlyMap<string, readonly string[]>;
}

/** A pack's files for browsers. */
export interface SitePack {
  readonly name: string;
  /** The pack's own folder: `example_workflows` and `locales` are looked for in it. */
  readonly folder?: string | undefined;
  /** Scripts that ComfyUI's page loads. */
  readonly web?: string | undefined;
}

export interface Site {
  readonly web: Web;
  readonly engine: Engine;
  readonly registry: NodeRegistry;
  readonly environment: Environment;
  readonly runner: PromptRunner;
  readonly prompts: Prompts;
  readonly history: History;
  /** Every job that was accepted, for lists. */
  readonly store: Store;
  readonly clients: Clients;
  /** Events of recent runs. */
  readonly events: EventLog;
  /** Runs of workflows by their forms. */
  readonly forms: FormRuns;
  readonly webhooks: Webhooks;
  readonly logbook: Logbook;
  readonly folders: SiteFolders;
  readonly packs: readonly SitePack[];
  /** Ready workflows by name of their group. */
  readonly templates: ReadonlyMap<string, string>;
  /** A built page that is not ours, such as ComfyUI's, served at `/` in place of ours. */
  readonly frontEndRoot?: string | undefined;
  /** Our built page. */
  readonly ownPageRoot?: string | undefined;
  readonly maxUploadBytes: number;
  readonly argv: readonly string[];
}

/** What the server says it can do; clients ask by /features and on their socket. */
export function featuresOf({ maxUploadBytes }: Pick<Site, 'maxUploadBytes'>): Readonly<Record<string, boolean | number>> {
  return { supports_preview_metadata: true, max_upload_size: maxUploadBytes };
}
