// What can be wrong with a picture file, in words for its owner.

export type PictureProblem = 'not_a_picture' | 'unsupported_picture' | 'damaged_picture' | 'picture_too_large' | 'no_such_file';

/** A picture that cannot be used. `message` names the source, what was found and what to do. */
export class PictureError extends Error {
  readonly code: PictureProblem;

  constructor(code: PictureProblem, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'PictureError';
    this.code = code;
  }
}

export const messages = {
  noSuchFile: (source: string): string => `${source}: no such file; check the path`,
  notAPicture: (source: string, bytes: number): string =>
    `${source} is not a picture: its ${bytes} bytes match no known image format; give a PNG, JPEG, WebP, GIF, TIFF or AVIF file`,
  unsupported: (source: string, format: string): string =>
    `${source} is a ${format} file, which is not read here; convert it to PNG, JPEG or WebP`,
  damaged: (source: string, format: string, reason: string): string =>
    `${source} is a ${format} picture that cannot be read to its end (${reason}); it may be cut off, so copy or save it again`,
  tooLong: (source: string, width: number, height: number, limit: number): string =>
    `${source} is ${width}×${height} pixels, and a side may have at most ${limit}; scale it down first`,
  tooLarge: (source: string, width: number, height: number, frames: number, limit: number): string =>
    `${source} has ${width}×${height}${frames > 1 ? `×${frames} frames` : ''} = ${width * height * frames} pixels, and at most ${limit} are read; scale it down first`,
};
