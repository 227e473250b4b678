// The settings and words that the canvas takes, from those of the page.
import { computed } from 'vue';
import type { CanvasSettings } from '../../canvas/graph-canvas.ts';
import type { CanvasWords } from '../../canvas/look.ts';
import type { Settings } from '../../state/settings.ts';
import { t } from '../words/words.ts';

export const canvasWords = computed<CanvasWords>(() => ({
  muted: t('node.muted'), bypassed: t('node.bypassed'), cached: t('node.cached'), notInstalled: t('node.not-installed'), upload: t('node.upload'),
  failed: t('node.failed'), blocked: t('node.blocked'), inputs: t('node.inputs'), outputs: t('node.outputs'), linked: t('node.linked'), automatic: t('node.automatic'),
}));

export function canvasSettings({ wheel, snap, links, grid }: Settings): Partial<CanvasSettings> {
  return {
    wheel, linkStyle: links, showsGrid: grid, words: canvasWords.value,
    snap: { gridStep: snap === 'grid' || snap === 'both' ? 10 : 0, guides: snap === 'guides' || snap === 'both' },
  };
}
