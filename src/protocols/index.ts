/** The wires. Adding one is a folder and a line here. */
import { createOpenAiChatWire } from './openai-chat/index.ts';
import type { Wire, WirePorts } from './protocol.ts';

/** Every wire the server speaks. */
export function createWires(ports: WirePorts): Wire[] {
  return [createOpenAiChatWire(ports)];
}
