/**
 * What must hold between calls and their results in a conversation (openai-chat reference §6 "History validation
 * texts"). Pure, on canonical turns: nothing here is of this wire but the words.
 */
import { StudioError } from '../../core/errors.ts';
import type { Turn } from '../../core/generation.ts';
import * as texts from './texts.ts';

/** Every result answers a call of the assistant turn right before its run of tool turns, and every call is answered. */
export function checkToolResults(turns: readonly Turn[]): void {
  let callIds = new Set<string>();
  let unanswered = new Set<string>();
  for (const [index, turn] of turns.entries()) {
    if (turn.role === 'tool') {
      for (const part of turn.parts) {
        if (part.type !== 'tool-result') continue;
        if (!callIds.has(part.callId)) throw new StudioError('invalid-parameter', texts.TOOL_WITHOUT_CALL);
        unanswered.delete(part.callId);
      }
      continue;
    }
    if (unanswered.size > 0) throw new StudioError('invalid-parameter', texts.unansweredCalls(index));
    callIds = new Set(turn.parts.flatMap((part) => (part.type === 'tool-call' ? [part.callId] : [])));
    unanswered = new Set(callIds);
  }
  if (unanswered.size > 0) throw new StudioError('invalid-parameter', texts.unansweredCalls(turns.length));
}
