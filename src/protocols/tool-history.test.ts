import { expect, test } from 'vitest';
import type { Turn } from '../core/generation.ts';
import { checkToolResults } from './tool-history.ts';

const user: Turn = { role: 'user', parts: [{ type: 'text', text: 'x' }] };
const answer: Turn = { role: 'assistant', parts: [{ type: 'text', text: 'x' }] };
const calls = (...callIds: string[]): Turn => ({
  role: 'assistant',
  parts: callIds.map((callId) => ({ type: 'tool-call', callId, name: 'f', inputText: '{}', executedBy: 'client' })),
});
const results = (...callIds: string[]): Turn => ({
  role: 'tool',
  parts: callIds.map((callId) => ({ type: 'tool-result', callId, parts: [], isError: false })),
});

const WITHOUT_CALL = 'a result without a call';
const unanswered = (index: number) => `no result at ${index}`;
const words = { toolWithoutCall: WITHOUT_CALL, unansweredCalls: unanswered };

test.each<[string, readonly Turn[]]>([
  ['no tools', [user, answer, user]],
  ['one call', [user, calls('a'), results('a')]],
  ['two calls answered apart, in any order', [user, calls('a', 'b'), results('b'), results('a'), user]],
  ['two calls answered in one message', [user, calls('a', 'b'), results('a', 'b')]],
  ['two rounds that reuse an id', [user, calls('a'), results('a'), calls('a'), results('a')]],
  ['a call answered twice', [user, calls('a'), results('a'), results('a')]],
])('holds: %s', (_name, turns) => {
  expect(() => checkToolResults(turns, words)).not.toThrow();
});

test.each<[string, readonly Turn[], string]>([
  ['a result without a call', [user, results('a')], WITHOUT_CALL],
  ['a result of another call', [user, calls('a'), results('b')], WITHOUT_CALL],
  ['a result after the round is over', [user, calls('a'), results('a'), user, results('a')], WITHOUT_CALL],
  ['one of two results in a message is stray', [user, calls('a'), results('a', 'b')], WITHOUT_CALL],
  ['a call passed over', [user, calls('a'), user], unanswered(2)],
  ['one of two calls passed over', [user, calls('a', 'b'), results('a'), answer], unanswered(3)],
  ['a call at the end', [user, calls('a')], unanswered(2)],
])('broken: %s', (_name, turns, message) => {
  expect(() => checkToolResults(turns, words)).toThrow(message);
});
