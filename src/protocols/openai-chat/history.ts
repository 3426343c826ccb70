/**
 * What must hold between the turns of a conversation (openai-chat reference §6 "History validation texts", §18.3).
 * Pure, on canonical turns: nothing here is of this wire but the words.
 */
import { StudioError } from '../../core/errors.ts';
import type { Turn } from '../../core/generation.ts';
import * as texts from './texts.ts';

/** Throws when no turn is the user's, or when calls and results do not pair. */
export function checkHistory(turns: readonly Turn[]): void {
  if (!turns.some(({ role }) => role === 'user')) throw new StudioError('invalid-parameter', texts.NO_USER_MESSAGE);
  checkToolResults(turns);
}

/** Every result answers a call of the assistant turn right before its run of tool turns, and every call is answered. */
function checkToolResults(turns: readonly Turn[]): void {
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
