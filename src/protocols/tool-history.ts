/**
 * What must hold between calls and their results in a conversation (openai-chat reference §6 "History validation
 * texts"). Pure, on canonical turns; the words are the wire's.
 */
import { StudioError } from '../core/errors.ts';
import type { Turn } from '../core/generation.ts';

export interface ToolHistoryWords {
  readonly toolWithoutCall: string;
  /** `index` is the place where a tool message should have stood. */
  readonly unansweredCalls: (index: number) => string;
}

/** Every result answers a call of the assistant turn right before its run of tool turns, and every call is answered. */
export function checkToolResults(turns: readonly Turn[], words: ToolHistoryWords): void {
  let callIds = new Set<string>();
  let unanswered = new Set<string>();
  for (const [index, turn] of turns.entries()) {
    if (turn.role === 'tool') {
      for (const part of turn.parts) {
        if (part.type !== 'tool-result') continue;
        if (!callIds.has(part.callId)) throw new StudioError('invalid-parameter', words.toolWithoutCall);
        unanswered.delete(part.callId);
      }
      continue;
    }
    if (unanswered.size > 0) throw new StudioError('invalid-parameter', words.unansweredCalls(index));
    callIds = new Set(turn.parts.flatMap((part) => (part.type === 'tool-call' ? [part.callId] : [])));
    unanswered = new Set(callIds);
  }
  if (unanswered.size > 0) throw new StudioError('invalid-parameter', words.unansweredCalls(turns.length));
}
