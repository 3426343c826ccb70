/** What Responses makes of every scenario and of good and bad requests; the goldens are the expected bytes. */
import { createOpenAiResponsesWire } from '../src/protocols/openai-responses/index.ts';
import type { ResponsePlan } from '../src/protocols/openai-responses/plan.ts';
import type { GenerationProtocol } from '../src/protocols/protocol.ts';
import { describeDecodeGoldens, describeEncodeGoldens, goldenInfo } from './support/goldens.ts';
import { testWirePorts } from './support/wires.ts';

const WIRE = 'openai-responses';

const [vendor, , openai] = createOpenAiResponsesWire(testWirePorts()).generations;
if (!vendor || !openai) throw new Error('the wire has two dialects');

function planOf(protocol: GenerationProtocol, members: object): ResponsePlan {
  const body = { model: 'qwen-plus', input: 'Hello!', ...members };
  return protocol.decodeRequest(body, goldenInfo()).plan as ResponsePlan;
}

const custom = { type: 'custom', name: 'weather', description: 'Tells the weather.' };

describeEncodeGoldens(WIRE, vendor, {
  vendor: planOf(vendor, { stream: true }),
  'with-everything': planOf(vendor, {
    stream: true,
    include: ['message.output_text.logprobs', 'reasoning.encrypted_content'],
    top_logprobs: 2,
    tools: [{ type: 'namespace', name: 'mcp', description: 'Tools.', tools: [custom] }, custom],
  }),
  plain: planOf(vendor, {}),
});
describeEncodeGoldens(WIRE, openai, { openai: planOf(openai, { stream: true, background: true }) });
describeDecodeGoldens(WIRE, vendor);
