/** What Messages makes of every scenario and of good and bad requests; the goldens are the expected bytes. */
import { loadCatalogue } from '../src/catalogue/load.ts';
import { createAnthropicMessagesWire } from '../src/protocols/anthropic-messages/index.ts';
import type { GenerationProtocol } from '../src/protocols/protocol.ts';
import { describeDecodeGoldens, describeEncodeGoldens } from './support/goldens.ts';
import { testWirePorts } from './support/wires.ts';

const catalogue = loadCatalogue();
const wire = createAnthropicMessagesWire(
  testWirePorts({
    catalogue,
    findModel: (id) => {
      const card = catalogue.find(id);
      return card && { card, servedBy: undefined, isStandIn: false };
    },
  }),
);
const [protocol] = wire.generations as [GenerationProtocol];

describeEncodeGoldens(wire.id, protocol, {
  streamed: { isStreaming: true },
  whole: { isStreaming: false },
});
describeDecodeGoldens(wire.id, protocol);
