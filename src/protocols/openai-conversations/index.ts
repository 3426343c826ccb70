/** Conversations as Model Studio serves them under `compatible-mode`, and as OpenAI's clients expect them: the registration. */

import { combinedErrorReply } from '../openai-combined-errors.ts';
import type { Wire, WirePorts } from '../protocol.ts';
import { hourly } from '../regular-work.ts';
import { type ConversationDialect, conversationRoutes } from './resource.ts';

/** The service's paths, its older ones, and OpenAI's for clients that only take a host. */
const PREFIXES: readonly { readonly prefix: string; readonly dialect: ConversationDialect }[] = [
  { prefix: '/compatible-mode/v1', dialect: 'vendor' },
  { prefix: '/api/v2/apps/protocols/compatible-mode/v1', dialect: 'vendor' },
  { prefix: '/v1', dialect: 'openai' },
];

/** `…/conversations` and their items. */
export function createOpenAiConversationsWire(ports: WirePorts): Wire {
  return {
    id: 'openai-conversations',
    prefixes: PREFIXES.map(({ prefix }) => `${prefix}/conversations`),
    generations: [],
    resources: PREFIXES.flatMap(({ prefix, dialect }) => conversationRoutes(prefix, dialect, ports)),
    sockets: [],
    encodeError: combinedErrorReply,
    work: hourly(
      () => ports.conversations.deleteUnusedSince(ports.clock.now() - ports.conversationRetentionMs),
      ports.log,
    ),
  };
}
