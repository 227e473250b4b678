// What the drawing needs to know besides the scene: theme, selection, runs, what is hovered or dragged. Plain state that the canvas keeps.
import type { Box, GroupId, LinkId, NodeId, Point, RerouteId } from '../state/document.ts';
import type { NodeRun } from '../state/run.ts';
import type { LinkEnd, Target } from './events.ts';
import type { Theme } from './theme.ts';

/** What is wrong with a node, found before or during a run. */
export interface NodeProblem {
  readonly severity: 'error' | 'warning';
  /** Inputs that are marked. */
  readonly inputs: readonly string[];
}

/** A link in the hand. */
export interface DraggedLink {
  readonly end: LinkEnd;
  readonly start: Point;
  /** Where it ends now: the pointer, or the slot it snaps to. */
  at: Point;
  /** The link that was taken up, which is not drawn meanwhile. */
  readonly replaces?: LinkId;
  /** Whether a slot takes it; asked for every slot in sight, so remembered. */
  readonly accepts: (node: NodeId, slot: number | string) => boolean;
  state: 'free' | 'fits' | 'refused';
}

export type LinkStyle = 'spline' | 'straight' | 'linear' | 'hidden';

export interface Look {
  theme: Theme;
  linkStyle: LinkStyle;
  showsGrid: boolean;
  selectedNodes: ReadonlySet<NodeId>;
  selectedGroups: ReadonlySet<GroupId>;
  selectedReroutes: ReadonlySet<RerouteId>;
  selectedLinks: ReadonlySet<LinkId>;
  runs: Readonly<Record<NodeId, NodeRun>>;
  problems: Readonly<Record<NodeId, NodeProblem>>;
  /** Names of devices, in the order that gives them their colours. */
  devices: readonly string[];
  /** Short texts on links: how much was moved. */
  linkNotes: Readonly<Record<LinkId, string>>;
  /** Node with the keyboard's focus. */
  focused: NodeId | undefined;
  hovered: Target | undefined;
  draggedLink: DraggedLink | undefined;
  marquee: Box | undefined;
  /** Lines shown while something snaps, from and to in graph coordinates. */
  guides: readonly (readonly [Point, Point])[];
  /** A node would go into this link if dropped. */
  dropLink: LinkId | undefined;
  /** Words drawn on nodes. */
  words: CanvasWords;
}

/** The few words that are drawn; everything else is the document's or a number. */
export interface CanvasWords {
  readonly muted: string;
  readonly bypassed: string;
  readonly cached: string;
  readonly notInstalled: string;
  readonly upload: string;
  readonly failed: string;
  readonly blocked: string;
  readonly inputs: string;
  readonly outputs: string;
  readonly linked: string;
  readonly automatic: string;
}

export const englishCanvasWords: CanvasWords = {
  muted: 'muted', bypassed: 'bypassed', cached: 'cached', notInstalled: 'not installed here; kept as it is', upload: 'Upload…', failed: 'failed', blocked: 'blocked',
  inputs: 'Inputs', outputs: 'Outputs', linked: 'linked', automatic: 'automatic',
};

/** Levels of detail: below these scales nodes are boxes; show their title as large as can be read in place of their fields. */
export const detail = { boxes: 0.25, titles: 0.45 } as const;
