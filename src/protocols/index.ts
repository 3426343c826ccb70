/** The wires. Adding one is a folder and a line here. */
import { createAnthropicMessagesWire } from './anthropic-messages/index.ts';
import { createDashScopeWire } from './dashscope/index.ts';
import { createOpenAiBatchesWire } from './openai-batches/index.ts';
import { createOpenAiChatWire } from './openai-chat/index.ts';
import { createOpenAiCompletionsWire } from './openai-completions/index.ts';
import { createOpenAiConversationsWire } from './openai-conversations/index.ts';
import { createOpenAiFilesWire } from './openai-files/index.ts';
import { createOpenAiResponsesWire } from './openai-responses/index.ts';
import type { Wire, WirePorts } from './protocol.ts';

/** Every wire the server speaks. */
export function createWires(ports: WirePorts): Wire[] {
  return [
    createOpenAiChatWire(ports),
    createOpenAiCompletionsWire(),
    createOpenAiResponsesWire(ports),
    createOpenAiConversationsWire(ports),
    createAnthropicMessagesWire(ports),
    createDashScopeWire(ports),
    createOpenAiFilesWire(ports),
    createOpenAiBatchesWire(ports),
  ];
}
