/** Server-sent events as the native service frames them (dashscope-native reference §5), and who asks for them. */
import type { Headers } from '../protocol.ts';

/** Either header does. */
export function asksForStream(headers: Headers): boolean {
  if (headers['x-dashscope-sse']?.toLowerCase() === 'enable') return true;
  return headers.accept?.toLowerCase().includes('text/event-stream') ?? false;
}

/** No space after a colon: the Python SDK compares what follows `event:` as it stands. The status is a comment. */
export function resultFrame(id: number, data: string): string {
  return `id:${id}\nevent:result\n:HTTP_STATUS/200\ndata:${data}\n\n`;
}

/**
 * The Python SDK takes an error's status from a line `status:`, which the standard has no use for, and 400 without it;
 * recorded errors, all of status 400, have none.
 */
export function errorFrame(id: number, status: number, data: string): string {
  const statusLine = status === 400 ? '' : `status:${status}\n`;
  return `id:${id}\nevent:error\n:HTTP_STATUS/${status}\n${statusLine}data:${data}\n\n`;
}
