// The one place that configures sharp: no caches and one thread a picture, so that decoding leaves memory as it was;
// no SVG, which could make the loader read other files.
import sharp from 'sharp';

sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoadSvg'] });

export { sharp };
