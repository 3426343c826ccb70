/**
 * Pictures in a prompt. A chat template knows only text, so each picture is one character in the text of its message
 * while the prompt is rendered; afterwards the prompt is cut there, and the picture is a segment of its own.
 */
import { StudioError } from '../../core/errors.ts';
import type { PromptSegment } from './engine-protocol.ts';

/** Stands for a picture: a Unicode noncharacter, which no text that means something holds. */
export const PICTURE = '\ufffe';

/** A caller's own text has no pictures in it. */
export function withoutPictures(text: string): string {
  return text.includes(PICTURE) ? text.replaceAll(PICTURE, '\ufffd') : text;
}

/** "Vision": "Pass a local file (Base64 encoding or file path)". A picture elsewhere is not fetched from here. */
export function pictureData(url: string): string {
  if (/^data:image\/[\w.+-]+;base64,/i.test(url)) return url;
  throw new StudioError(
    'invalid-parameter',
    'The provided messages input is invalid. The error info is [The engine here does not fetch pictures: send it as data:image/…;base64,…]',
    { param: 'messages' },
  );
}

/** The segments with their pictures, in the order of the conversation. */
export function withPictures(
  segments: readonly PromptSegment[],
  pictures: readonly string[],
): readonly PromptSegment[] {
  if (pictures.length === 0) return segments;
  const left = [...pictures];
  const cut = segments.flatMap((segment): PromptSegment[] =>
    segment.text.split(PICTURE).flatMap((text, i): PromptSegment[] => {
      const picture = i === 0 ? undefined : left.shift();
      const before: PromptSegment[] = picture === undefined ? [] : [{ kind: 'image', text: picture }];
      return text === '' ? before : [...before, { kind: segment.kind, text }];
    }),
  );
  // A template that leaves out or repeats what it is given would show the model other pictures than the caller meant.
  if (left.length > 0 || cut.filter(({ kind }) => kind === 'image').length !== pictures.length)
    throw new StudioError('invalid-parameter', 'The chat template of these weights cannot show every picture.', {
      param: 'messages',
    });
  return cut;
}
